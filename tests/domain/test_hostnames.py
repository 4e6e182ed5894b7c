"""Host names from patterns: unique, in order, and never the same one twice in a row of refusals."""

from collections.abc import Container

import pytest

from poolwright.domain.hostnames import HostnameProblem, lowest_free


def name(pattern: str, taken: Container[str], instead_of: str | None = None) -> str:
    return lowest_free(pattern, taken, pool="desks", zone="here", autoscale="a", server_id="s1", instead_of=instead_of)


class TestLowestFree:
    def test_gaps_are_filled(self) -> None:
        assert name("d-{n:02}", {"d-01", "d-03"}) == "d-02"

    def test_a_pattern_with_the_id_needs_no_number(self) -> None:
        assert name("d-{id}", set()) == "d-s1"

    def test_a_pattern_without_a_number_can_run_out(self) -> None:
        with pytest.raises(HostnameProblem, match="gives no other name than 'd-s1', which is taken"):
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
