"""Replacement by age and by rollout."""

from typing import Any

import pytest

from poolwright.domain.autoscale import Rotation
from poolwright.domain.scaling import ActionKind, DrainReason, FailureRecord, Plan
from poolwright.domain.states import ServerState
from tests.domain.pools import (
    SMALL,
    agent,
    agents,
    ago,
    coming,
    decide,
    desk,
    desks,
    kinds,
    later,
    queue,
    targets,
    text,
    waits,
)

SOFT, HARD, PRE_WARM = 10_000, 20_000, 1_000
ROTATION = Rotation(soft_age_seconds=SOFT, hard_age_seconds=HARD, pre_warm_seconds=PRE_WARM)


def config(standby: int = 1, **changes: Any) -> Any:
    return desks(**{"minimum_available_sessions": standby, "rotation": ROTATION} | changes)


def of_age(seconds: float, number: int = 1, *users: str, **changes: Any) -> Any:
    return desk(number, *users, **({"created_at": ago(seconds), "running_at": ago(seconds - 60)} | changes))


def reasons_of_drains(made: Plan) -> list[DrainReason | None]:
    return [action.drain_reason for action in made.actions if action.kind is ActionKind.DRAIN]


class TestSoftAge:
    def test_a_young_server_is_left_alone(self) -> None:
        made = decide(config(), [of_age(SOFT - PRE_WARM - 1)])
        assert made.actions == ()
        assert made.next_decision_at == later(1)

    def test_its_replacement_is_made_before_it_is_that_old(self) -> None:
        made = decide(config(), [of_age(SOFT - PRE_WARM)])
        assert kinds(made) == {"create": 1}
        assert "The 1 server to be replaced does not count." in text(made)
        assert made.next_decision_at == later(PRE_WARM)

    def test_it_is_not_drained_before_the_replacement_runs(self) -> None:
        made = decide(config(), [of_age(SOFT), coming(desk(2))])
        assert made.actions == ()
        assert "desk-0001 is to be replaced and stays until the room that is wanted runs without it." in text(made)

    def test_then_it_is_drained(self) -> None:
        made = decide(config(), [of_age(SOFT), desk(2)])
        assert targets(made) == ["s0001"]
        assert reasons_of_drains(made) == [DrainReason.ROTATION]

    def test_it_is_not_drained_before_its_age_even_if_the_replacement_runs(self) -> None:
        assert decide(config(), [of_age(SOFT - 1, 1, "bob"), desk(2)]).actions == ()

    def test_no_backoff_and_no_minimum_life_delay_it(self) -> None:
        patient = config(downscale_backoff_seconds=9999, minimum_life_seconds=9999)
        assert targets(decide(patient, [of_age(SOFT, running_at=ago(5)), desk(2)])) == ["s0001"]

    def test_a_full_server_needs_no_replacement_to_be_drained(self) -> None:
        assert targets(decide(config(), [of_age(SOFT, 1, "bob"), desk(2)])) == ["s0001"]

    def test_one_whose_room_somebody_who_waits_will_take_stays_for_now(self) -> None:
        made = decide(config(standby=0), [of_age(SOFT)], [waits()])
        assert made.actions == ()

    def test_all_of_one_age_are_replaced_together(self) -> None:
        old = [of_age(SOFT, n) for n in range(4)]
        assert kinds(decide(config(standby=4), old)) == {"create": 4}
        assert len(targets(decide(config(standby=4), [*old, *(desk(n) for n in range(10, 14))]))) == 4

    def test_as_many_go_as_replacements_run_the_oldest_first(self) -> None:
        old = [of_age(SOFT + n, n) for n in range(4)]
        made = decide(config(standby=4), [*old, desk(10), desk(11), coming(desk(12)), coming(desk(13))])
        assert targets(made) == ["s0003", "s0002"]

    def test_the_floor_is_replaced_too(self) -> None:
        floor = config(standby=0, total_floor=1)
        assert kinds(decide(floor, [of_age(SOFT, 1, "bob")])) == {"create": 1}
        assert decide(floor, [of_age(SOFT, 1, "bob"), coming(desk(2))]).actions == ()
        assert targets(decide(floor, [of_age(SOFT, 1, "bob"), desk(2)])) == ["s0001"]

    def test_agents_rotate_by_all_their_dimensions(self) -> None:
        rotating = agents(standby_cores=4, standby_memory_mib=4096, rotation=ROTATION)
        old = agent(1, created_at=ago(SOFT))
        assert kinds(decide(rotating, [old])) == {"create": 1}
        assert targets(decide(rotating, [old, agent(2, SMALL)])) == ["a0001"]

    def test_an_old_server_that_is_drained_already_is_not_taken_back(self) -> None:
        drained = of_age(SOFT, state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)
        assert kinds(decide(config(standby=0), [drained], [waits()])) == {"create": 1}

    def test_without_rotation_no_age_matters(self) -> None:
        assert decide(desks(minimum_available_sessions=1), [of_age(10**9)]).actions == ()


class TestWithoutAFreeSlot:
    def test_one_idle_server_goes_first_and_the_reason_is_told(self) -> None:
        made = decide(config(standby=2, max_instances=2), [of_age(SOFT, 1), of_age(SOFT + 1, 2)])
        assert targets(made) == ["s0002"]
        assert "no cap leaves a slot for a replacement, so it goes first although its room is wanted" in text(made)

    @pytest.mark.parametrize(
        "in_motion",
        [
            coming(desk(9)),
            desk(9, state=ServerState.DRAINING, drain_reason=DrainReason.ROTATION),
            desk(9, state=ServerState.DELETING),
            desk(9, state=ServerState.FAILED),
        ],
    )
    def test_not_a_second_one_before_the_first_is_replaced(self, in_motion: Any) -> None:
        made = decide(config(standby=3, max_instances=3), [of_age(SOFT, 1), of_age(SOFT, 2), in_motion])
        assert made.actions == ()

    def test_one_that_still_drains_with_people_on_it_does_not_stop_the_next(self) -> None:
        leaving = desk(9, "bob", state=ServerState.DRAINING, drain_reason=DrainReason.ROTATION)
        assert targets(decide(config(standby=2, max_instances=2), [of_age(SOFT), leaving])) == ["s0001"]

    def test_never_one_with_people_on_it(self) -> None:
        half_full = of_age(SOFT, 1, "bob", max_sessions=2)
        made = decide(config(standby=1, max_instances=1), [half_full])
        assert made.actions == ()
        assert "desk-0001 is to be replaced" in text(made)

    def test_not_while_creation_is_paused_after_failures(self) -> None:
        paused = FailureRecord(failed_at=(ago(5),), pauses=1, paused_until=later(60))
        assert decide(config(max_instances=1), [of_age(SOFT)], failures=paused).actions == ()


class TestHardAge:
    def test_a_server_that_old_is_deleted_whoever_is_on_it(self) -> None:
        made = decide(config(standby=0), [of_age(HARD, 1, "bob", "eve", max_sessions=2)])
        (action,) = made.actions
        assert (action.kind, action.server_id) == (ActionKind.DELETE, "s0001")
        assert "has reached the hard age of 20,000 seconds; 2 sessions on it end." in action.reason

    def test_a_draining_one_too(self) -> None:
        leaving = of_age(HARD, 1, "bob", state=ServerState.DRAINING, drain_reason=DrainReason.ROTATION)
        assert kinds(decide(config(standby=0), [leaving])) == {"delete": 1}

    def test_its_room_is_replaced_at_once(self) -> None:
        assert kinds(decide(config(), [of_age(HARD)])) == {"delete": 1, "create": 1}

    def test_one_second_before_nothing_is_deleted(self) -> None:
        made = decide(config(standby=0), [of_age(HARD - 1, 1, "bob", state=ServerState.DRAINING)])
        assert made.actions == ()
        assert made.next_decision_at == later(1)

    def test_without_a_hard_age_nobody_is_ever_sent_away(self) -> None:
        soft_only = config(standby=0, rotation=Rotation(soft_age_seconds=SOFT))
        assert kinds(decide(soft_only, [of_age(10**9, 1, "bob")])) == {"drain": 1}

    def test_pre_warming_works_for_a_hard_age_alone(self) -> None:
        hard_only = config(rotation=Rotation(hard_age_seconds=HARD, pre_warm_seconds=PRE_WARM))
        assert kinds(decide(hard_only, [of_age(HARD - PRE_WARM)])) == {"create": 1}

    def test_static_servers_have_no_age(self) -> None:
        assert decide(config(standby=0), [of_age(HARD, autoscale=None)]).actions == ()


class TestRollout:
    def marked(self, *numbers: int, users: tuple[str, ...] = ()) -> list[Any]:
        return [desk(n, *users, rollout=True, created_at=ago(5000 - n)) for n in numbers]

    def test_one_replacement_is_made_at_a_time(self) -> None:
        made = decide(desks(minimum_available_sessions=3), self.marked(1, 2, 3))
        assert kinds(made) == {"create": 1}
        assert made.numbers["servers_marked_for_rollout"] == 3

    def test_one_server_is_drained_when_its_replacement_runs(self) -> None:
        made = decide(desks(minimum_available_sessions=3), [*self.marked(1, 2, 3), desk(4)])
        assert targets(made) == ["s0001"]
        assert reasons_of_drains(made) == [DrainReason.ROLLOUT]

    def test_not_before(self) -> None:
        made = decide(desks(minimum_available_sessions=3), [*self.marked(1, 2, 3), coming(desk(4))])
        assert made.actions == ()

    def test_idle_ones_come_first(self) -> None:
        servers = [*self.marked(1, users=("bob",)), *self.marked(2), desk(3)]
        assert targets(decide(desks(minimum_available_sessions=1), servers)) == ["s0002"]

    def test_busy_ones_drain_one_by_one(self) -> None:
        servers = [*self.marked(1, 2, users=("bob",)), desk(3)]
        assert targets(decide(desks(minimum_available_sessions=1), servers)) == ["s0001"]

    def test_without_a_free_slot_one_goes_first(self) -> None:
        made = decide(desks(minimum_available_sessions=2, max_instances=2), self.marked(1, 2))
        assert targets(made) == ["s0001"]

    def test_drift_alone_replaces_nothing_but_is_shown(self) -> None:
        made = decide(desks(minimum_available_sessions=1), [desk(1, config_revision=3)], autoscale_revision=4)
        assert made.actions == ()
        assert made.numbers["servers_drifted"] == 1
        assert "1 running server was made from an older configuration; a rollout would replace them." in text(made)


class TestTogether:
    def test_people_who_wait_are_served_while_servers_retire(self) -> None:
        made = decide(config(standby=1), [of_age(SOFT), of_age(SOFT, 2)], queue(1))
        assert made.numbers["waiting_for_ready"] == 1
        assert kinds(made) == {"create": 1}

    def test_scale_down_takes_retiring_servers_before_others(self) -> None:
        made = decide(config(standby=1), [of_age(SOFT - 10), desk(2, created_at=ago(8000))])
        assert targets(made) == ["s0001"]

    def test_scale_down_never_takes_what_replaces_a_retiring_server(self) -> None:
        made = decide(config(standby=1), [of_age(SOFT - 10, 1, "bob", max_sessions=2), desk(2)])
        assert made.actions == ()
