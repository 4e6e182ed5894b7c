"""The failure budget: pauses, doubling, trial, forgiveness."""

from datetime import datetime, timedelta
from typing import Any

from poolwright.domain.autoscale import FailurePolicy
from poolwright.domain.planning import plan
from poolwright.domain.planning.failures import judge_failures
from poolwright.domain.scaling import DrainReason, FailureRecord, Plan
from poolwright.domain.states import ServerState
from tests.domain.pools import NOW, ago, coming, decide, desk, desks, kinds, later, queue, snapshot, targets, text

POLICY = FailurePolicy(budget=3, window_seconds=1200, pause_seconds=300, max_pause_seconds=3600)
CONFIG = desks(minimum_available_sessions=5, failure=POLICY)


def failures(*seconds_ago: float, **changes: Any) -> FailureRecord:
    moments = tuple(ago(seconds) for seconds in seconds_ago)
    facts: dict[str, Any] = {
        "failed_at": moments,
        "reasons": tuple(f"disk image {n} not found" for n in range(len(moments))),
    }
    return FailureRecord(**(facts | changes))


def decided(record: FailureRecord, now: datetime = NOW) -> Plan:
    return plan(snapshot(CONFIG, failures=record), now)


class TestBudget:
    def test_below_it_creation_goes_on(self) -> None:
        made = decided(failures(60, 30))
        assert kinds(made) == {"create": 5}
        assert made.numbers["recent_failures"] == 2

    def test_when_it_is_used_up_creation_pauses(self) -> None:
        made = decided(failures(60, 30, 10))
        assert made.actions == ()
        assert made.failures.paused_until == later(290)
        assert made.failures.pauses == 1

    def test_the_reason_names_the_last_failure_and_when_it_goes_on(self) -> None:
        made = decided(failures(60, 30, 10))
        assert made.reasons[0] == (
            "Creation is paused until 2026-03-02 12:04:50 UTC, after 3 failures in a row, the last at "
            "2026-03-02 11:59:50 UTC. The last failure was: disk image 2 not found."
        )
        assert "5 more servers are wanted to be ready and cannot be made: creation is paused after failures" in text(
            made
        )
        assert made.next_decision_at == later(290)

    def test_failures_long_ago_do_not_count(self) -> None:
        assert kinds(decided(failures(9000, 8000, 10))) == {"create": 5}

    def test_failures_before_the_last_success_do_not_count(self) -> None:
        assert kinds(decided(failures(60, 30, 10, last_success_at=ago(20)))) == {"create": 5}

    def test_however_late_it_is_judged_the_pause_is_the_same(self) -> None:
        record = failures(60, 30, 10)
        assert (
            judge_failures(record, POLICY, later(0)).paused_until
            == judge_failures(record, POLICY, later(200)).paused_until
        )

    def test_a_stored_pause_is_not_counted_again(self) -> None:
        once = decided(failures(60, 30, 10)).failures
        assert decided(once, later(5)).failures == once


class TestPause:
    RECORD = failures(60, 30, 10, pauses=1, paused_until=later(100))

    def test_servers_can_still_be_taken_back(self) -> None:
        drained = desk(1, state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)
        assert kinds(decide(CONFIG, [drained], failures=self.RECORD)) == {"undrain": 1}

    def test_scale_down_goes_on(self) -> None:
        made = decide(desks(failure=POLICY), [desk(1)], failures=self.RECORD)
        assert targets(made) == ["s0001"]

    def test_failures_during_it_belong_to_the_same_episode(self) -> None:
        later_failure = failures(60, 30, 10, -50, -60, -70, pauses=1, paused_until=later(100))
        made = plan(snapshot(CONFIG, failures=later_failure), later(101))
        assert made.failures.pauses == 1
        assert made.numbers["recent_failures"] == 0

    def test_people_who_wait_are_told(self) -> None:
        made = decide(desks(failure=POLICY), (), queue(1), failures=self.RECORD)
        assert "1 waiting session stays without room: creation is paused after failures until" in text(made)


class TestDoubling:
    def pause_after(self, pauses: int) -> timedelta:
        record = failures(30, 20, 10, pauses=pauses, paused_until=ago(40) if pauses else None)
        until = decided(record).failures.paused_until
        assert until is not None
        return until - ago(10)

    def test_each_pause_is_twice_as_long_up_to_the_most(self) -> None:
        lengths = [self.pause_after(pauses).total_seconds() for pauses in range(6)]
        assert lengths == [300, 600, 1200, 2400, 3600, 3600]

    def test_even_after_years_of_failure(self) -> None:
        assert self.pause_after(100_000).total_seconds() == 3600

    def test_the_number_of_the_pause_is_told(self) -> None:
        record = failures(30, 20, 10, pauses=1, paused_until=ago(40))
        assert "This is pause 2 without a success in between." in text(decided(record))


class TestTrial:
    RECORD = failures(900, 800, 700, pauses=1, paused_until=ago(400))

    def test_after_a_pause_no_more_than_the_budget_are_on_the_way(self) -> None:
        made = decide(CONFIG, failures=self.RECORD)
        assert kinds(made) == {"create": 3}
        assert "no more than 3 may be on the way at once until one has run for 5 minutes" in text(made)

    def test_those_that_are_on_the_way_count(self) -> None:
        made = decide(CONFIG, [coming(desk(1)), coming(desk(2))], failures=self.RECORD)
        assert kinds(made) == {"create": 1}
        assert "cannot be made: creation is on trial after failures" in text(made)


class TestForgiveness:
    def test_a_success_ends_a_pause_and_forgets_the_failures(self) -> None:
        made = decided(failures(60, 30, 20, pauses=4, paused_until=later(1000), last_success_at=ago(10)))
        assert kinds(made) == {"create": 5}
        assert made.failures == FailureRecord(last_success_at=ago(10))

    def test_pauses_before_a_success_make_the_next_one_no_longer(self) -> None:
        made = decided(failures(30, 20, 10, pauses=5, paused_until=ago(100), last_success_at=ago(50)))
        assert made.failures.pauses == 1

    def test_one_that_is_known_only_after_a_further_failure_ends_the_pause_before_it_too(self) -> None:
        made = decided(failures(60, 50, 40, 10, pauses=1, paused_until=later(260), last_success_at=ago(30)))
        assert kinds(made) == {"create": 5}
        assert (made.failures.failed_at, made.failures.reasons) == ((ago(10),), ("disk image 3 not found",))
        assert (made.failures.pauses, made.failures.paused_until) == (0, None)

    def test_it_ends_no_pause_for_failures_after_it(self) -> None:
        made = decided(failures(60, 30, 20, 10, pauses=2, paused_until=later(590), last_success_at=ago(50)))
        assert made.actions == ()
        assert (made.failures.pauses, made.failures.paused_until) == (2, later(590))
        assert "after 3 failures in a row" in text(made)

    def test_an_empty_record_allows_all(self) -> None:
        assert kinds(decided(FailureRecord())) == {"create": 5}

    def test_a_record_without_texts_is_fine(self) -> None:
        assert decided(failures(3, 2, 1, reasons=())).actions == ()
