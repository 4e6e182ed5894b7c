"""How an account keeps its pace."""

import pytest

from poolwright.vendors.pace import Pace, TooFast


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(pace: Pace) -> float:
    with pytest.raises(TooFast) as caught:
        pace.call()
    return caught.value.retry_after_seconds


class TestBucket:
    def test_a_burst_passes_and_then_so_many_a_second(self) -> None:
        clock = Clock()
        pace = Pace(2, 3, clock=clock)
        for _ in range(3):
            pace.call()
        assert refused(pace) == pytest.approx(0.5)
        clock.now += 1.0
        pace.call()

    def test_those_that_are_refused_get_different_times(self) -> None:
        pace = Pace(2, 1, clock=Clock())
        pace.call()
        assert [refused(pace) for _ in range(3)] == pytest.approx([0.5, 1.0, 1.5])

    def test_all_who_come_when_told_pass(self) -> None:
        clock = Clock()
        pace = Pace(1, 1, clock=clock)
        start = clock.now
        pace.call()
        for at in sorted(start + refused(pace) for _ in range(5)):
            clock.now = at
            pace.call()

    def test_a_rest_gives_no_more_than_a_burst(self) -> None:
        clock = Clock()
        pace = Pace(100, 2, clock=clock)
        clock.now += 3600
        pace.call()
        pace.call()
        assert refused(pace) > 0


class TestThrottled:
    def test_all_wait_as_long_as_the_vendor_asks(self) -> None:
        clock = Clock()
        pace = Pace(100, 100, clock=clock)
        assert pace.throttled(7) == 7
        assert refused(pace) == 7
        clock.now += 7
        pace.call()

    def test_without_its_word_each_refusal_in_a_row_doubles_the_pause(self) -> None:
        clock = Clock()
        pace = Pace(100, 100, clock=clock)
        pauses = []
        for _ in range(8):
            pauses.append(pace.throttled())
            clock.now += pauses[-1]
        assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]

    def test_calls_that_were_on_their_way_count_as_one_refusal(self) -> None:
        pace = Pace(100, 100, clock=Clock())
        assert [pace.throttled() for _ in range(5)] == [1] * 5

    def test_an_answer_ends_the_row(self) -> None:
        clock = Clock()
        pace = Pace(100, 100, clock=clock)
        clock.now += pace.throttled()
        clock.now += pace.throttled()
        pace.answered()
        assert pace.throttled() == 1
