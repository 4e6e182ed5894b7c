from pydantic import SecretStr

from poolwright.domain.startup_script import estimated_size, estimated_size_problem, size_problem
from poolwright.domain.startup_script.size import TOKEN_BYTES


class TestSize:
    def test_a_script_at_the_limit_fits(self) -> None:
        assert size_problem("x" * 100, 100, "aws") is None

    def test_a_provider_without_a_limit_takes_anything(self) -> None:
        assert size_problem("x" * 10**6, None, "proxmox") is None

    def test_a_script_over_the_limit_says_by_how_much_and_the_ways_out(self) -> None:
        problem = size_problem("x" * 16_400, 16_384, "aws")
        assert problem is not None
        assert (problem.size_bytes, problem.limit_bytes) == (16_400, 16_384)
        for words in ("is 16400 bytes", "aws takes at most 16384 bytes", "16 too many", "comments", "image"):
            assert words in str(problem)

    def test_bytes_count_and_not_characters(self) -> None:
        assert size_problem("é" * 60, 100, "aws") is not None

    def test_a_token_that_is_not_made_yet_counts_each_time_it_is_used(self) -> None:
        assert estimated_size("ab", {}) == 2
        assert estimated_size("{checkin_jwt}{checkin_jwt}", {}) == 2 * TOKEN_BYTES

    def test_a_known_value_counts_as_it_is_rendered(self) -> None:
        assert estimated_size("{domain}{domain:powershell}", {"domain": SecretStr("é")}) == 6

    def test_a_filter_counts_for_an_unknown_value_too(self) -> None:
        assert estimated_size("{checkin_jwt:base64}", {}) == TOKEN_BYTES * 4 // 3

    def test_a_script_with_problems_still_has_a_size(self) -> None:
        assert estimated_size("{ {nope} {domain:nope} }", {}) == 24

    def test_an_estimate_over_the_limit_is_reported_before_any_token_exists(self) -> None:
        problem = estimated_size_problem("{checkin_jwt}", {}, 500, "oci")
        assert problem is not None
        assert "will be about 600 bytes" in problem.message
        assert estimated_size_problem("{checkin_jwt}", {"checkin_jwt": "short"}, 500, "oci") is None
