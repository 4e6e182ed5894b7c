"""An operation of several calls is refused at its first call or not at all."""

import pytest

from poolwright.vendors.patience import LONGEST_WAIT_SECONDS, Patience


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def patience(waits: list[float]) -> Patience:
    return Patience(sleep=waits.append)


class TestPatience:
    def test_the_first_call_does_not_wait(self, patience: Patience, waits: list[float]) -> None:
        with patience.operation():
            assert not patience.waited(1)
        assert not waits

    def test_later_ones_do(self, patience: Patience, waits: list[float]) -> None:
        with patience.operation():
            patience.made()
            assert patience.waited(2)
        assert waits == [2]

    def test_the_next_operation_begins_anew(self, patience: Patience) -> None:
        with patience.operation():
            patience.made()
        with patience.operation():
            assert not patience.waited(1)

    def test_one_within_another_is_part_of_it(self, patience: Patience) -> None:
        with patience.operation():
            patience.made()
            with patience.operation():
                assert patience.waited(1)

    def test_calls_that_others_wait_for_are_never_first(self, patience: Patience) -> None:
        with patience.operation():
            with patience.operation(begun=True):
                assert patience.waited(1)
            assert not patience.waited(1)

    @pytest.mark.parametrize("seconds", [None, LONGEST_WAIT_SECONDS + 1])
    def test_nothing_waits_for_ever(self, patience: Patience, waits: list[float], seconds: float | None) -> None:
        with patience.operation(begun=True):
            assert not patience.waited(seconds)
        assert not waits
