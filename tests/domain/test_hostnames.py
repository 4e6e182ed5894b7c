"""Host names from patterns: unique, in order, and never the same one twice in a row of refusals."""

from collections.abc import Container

import pytest

from poolwright.domain.hostnames import DNS_LABEL_LIMIT, NETBIOS_LIMIT, HostnameProblem, check_pattern, lowest_free


def name(pattern: str, taken: Container[str], instead_of: str | None = None) -> str:
    return lowest_free(pattern, taken, pool="desks", zone="here", autoscale="a", server_id="s1", instead_of=instead_of)


def checked(pattern: str, limit: int = NETBIOS_LIMIT, servers: int = 10) -> None:
    check_pattern(pattern, pool="desks", zone="here", autoscale="a", limit=limit, servers=servers)


class TestPatterns:
    @pytest.mark.parametrize("pattern", ["{pool}-{n:04}", "vm{n}", "vm{n:0}", "{id}", "v{n:02}-{zone}"])
    def test_names_that_both_directories_and_dns_take_will_do(self, pattern: str) -> None:
        checked(pattern)

    @pytest.mark.parametrize("pattern", ["vm{n}\n", "vm{n:04\n}", "vm{n:0\u0663}"])
    def test_what_a_block_of_yaml_leaves_at_the_end_is_no_part_of_a_name(self, pattern: str) -> None:
        with pytest.raises(HostnameProblem, match=r"lower-case letters|takes a width"):
            checked(pattern)

    @pytest.mark.parametrize("servers", [1, 10, 100])
    def test_a_width_that_fills_up_with_spaces_is_refused_however_many_servers_there_may_be(self, servers: int) -> None:
        with pytest.raises(HostnameProblem, match="'vm 1'"):
            checked("vm{n:2}", servers=servers)

    @pytest.mark.parametrize("pattern", ["{n:04}", "20-{n:04}"])
    def test_a_name_without_a_letter_is_no_computers_and_will_do_for_dns(self, pattern: str) -> None:
        with pytest.raises(HostnameProblem, match="at least one letter"):
            checked(pattern)
        checked(pattern, limit=DNS_LABEL_LIMIT)


class TestLowestFree:
    def test_gaps_are_filled(self) -> None:
        assert name("d-{n:02}", {"d-01", "d-03"}) == "d-02"

    def test_a_pattern_with_the_id_needs_no_number(self) -> None:
        assert name("d-{id}", set()) == "d-s1"

    def test_a_pattern_without_a_number_can_run_out(self) -> None:
        with pytest.raises(HostnameProblem, match=r"gives no other name than 'd-s1', which is taken: add \{n\}"):
            name("d-{id}", {"d-s1"})


class TestAnotherName:
    def test_it_is_the_next_one_and_never_a_lower_one(self) -> None:
        assert name("d-{n:02}", {"d-02"}, instead_of="d-02") == "d-03"

    def test_names_that_servers_have_are_passed_over(self) -> None:
        assert name("d-{n:02}", {"d-01", "d-02", "d-03"}, instead_of="d-01") == "d-04"

    def test_it_grows_past_the_width(self) -> None:
        assert name("d-{n:02}", {"d-99"}, instead_of="d-99") == "d-100"

    def test_after_a_name_of_another_pattern_it_begins_anew(self) -> None:
        assert name("vm-{n}", {"desk-01"}, instead_of="desk-01") == "vm-1"

    def test_without_a_number_there_is_none(self) -> None:
        with pytest.raises(HostnameProblem):
            name("d-{id}", set(), instead_of="d-s1")
