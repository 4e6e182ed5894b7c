"""What schedules and the switch `enabled` do to a pool."""

from typing import Any

import pytest

from poolwright.domain.autoscale import DockerAgentAutoscale, ServerAutoscale
from poolwright.domain.scaling import DrainReason, Plan, StagingNeed
from poolwright.domain.schedules import Schedule, ScheduleTargets
from poolwright.domain.states import ServerState
from tests.domain.pools import SMALL, agent, agents, ago, decide, desk, desks, kinds, later, queue, targets, text, waits

OFFICE: dict[str, Any] = {"days": ("monday",), "timezone": "UTC"}
"""`NOW` is a Monday at noon."""


def open_hours(**changes: Any) -> Schedule:
    return Schedule(**({**OFFICE, "start": "11:00", "end": "13:00"} | changes))


def closed_hours() -> Schedule:
    return Schedule(**{**OFFICE, "start": "08:00", "end": "10:00"})


CLOSED = desks(schedules=(closed_hours(),), minimum_available_sessions=3, total_floor=2)
DISABLED = desks(enabled=False, minimum_available_sessions=3, total_floor=2)


class TestActive:
    def test_without_a_schedule_it_always_is(self) -> None:
        assert kinds(decide(desks(minimum_available_sessions=1))) == {"create": 1}

    def test_any_schedule_that_matches_is_enough(self) -> None:
        config = desks(schedules=(closed_hours(), open_hours()), minimum_available_sessions=1)
        assert kinds(decide(config)) == {"create": 1}

    def test_the_schedule_that_holds_is_named(self) -> None:
        made = decide(desks(schedules=(open_hours(name="office hours"),)))
        assert made.reasons[0].startswith("Schedule 'office hours' (Monday 11:00 to 13:00 UTC) matches")

    def test_the_next_decision_is_due_when_the_schedule_changes(self) -> None:
        assert decide(desks(schedules=(open_hours(),))).next_decision_at == later(3600)


class TestTargets:
    def targets(self, **numbers: Any) -> tuple[Schedule, ...]:
        return (open_hours(targets=ScheduleTargets(**numbers)),)

    def test_they_stand_in_place_of_the_configs_numbers(self) -> None:
        config = desks(minimum_available_sessions=1, schedules=self.targets(minimum_available_sessions=4))
        assert decide(config).numbers["wanted_available_sessions"] == 4
        none = desks(minimum_available_sessions=5, schedules=self.targets(minimum_available_sessions=0))
        assert decide(none).actions == ()

    def test_what_they_leave_out_stays(self) -> None:
        config = desks(minimum_available_sessions=1, schedules=self.targets(total_floor=0))
        assert kinds(decide(config)) == {"create": 1}

    def test_thirty_seats_at_one_o_clock(self) -> None:
        config = desks(schedules=self.targets(total_floor=30))
        assert kinds(decide(config, [desk(1, "bob")])) == {"create": 29}

    def test_a_ceiling(self) -> None:
        config = desks(minimum_available_sessions=9, schedules=self.targets(total_ceiling=2))
        assert kinds(decide(config)) == {"create": 2}

    def test_a_ceiling_never_lifts_the_configs_own_cap(self) -> None:
        config = desks(minimum_available_sessions=9, max_instances=1, schedules=self.targets(total_ceiling=5))
        assert kinds(decide(config)) == {"create": 1}

    def test_for_agents(self) -> None:
        numbers = {"standby_cores": 16, "standby_memory_mib": 1, "standby_gpus": 0}
        made = decide(agents(standby_gpus=5, schedules=self.targets(**numbers)))
        assert (made.numbers["wanted_cores"], made.numbers["wanted_memory_mib"], made.numbers["wanted_gpus"]) == (
            16,
            1,
            0,
        )
        assert kinds(made) == {"create": 2}


@pytest.mark.parametrize("config", [CLOSED, DISABLED], ids=["outside of its schedule", "disabled"])
class TestInactive:
    def test_nothing_is_created(self, config: ServerAutoscale) -> None:
        assert decide(config).actions == ()

    def test_idle_servers_go(self, config: ServerAutoscale) -> None:
        assert kinds(decide(config, [desk(1), desk(2)])) == {"drain": 2}

    def test_servers_with_sessions_stay(self, config: ServerAutoscale) -> None:
        assert decide(config, [desk(1, "bob")]).actions == ()

    def test_backoff_and_minimum_life_hold_all_the_same(self, config: ServerAutoscale) -> None:
        patient = config.model_copy(update={"downscale_backoff_seconds": 60})
        assert decide(patient, [desk(1)]).actions == ()
        careful = config.model_copy(update={"minimum_life_seconds": 60})
        assert decide(careful, [desk(1, running_at=ago(59))]).actions == ()

    def test_who_waits_is_told_why(self, config: ServerAutoscale) -> None:
        made = decide(config, (), queue(2))
        assert made.actions == ()
        assert made.reasons[0].startswith("Inactive, so nothing is created and idle servers go.")
        assert "2 waiting sessions stay without room: nothing is created while" in text(made)

    def test_running_servers_of_a_server_pool_still_serve(self, config: ServerAutoscale) -> None:
        made = decide(config, [desk(1)], [waits()])
        assert made.actions == ()
        assert made.numbers["waiting_for_ready"] == 1

    def test_nothing_is_taken_back(self, config: ServerAutoscale) -> None:
        drained = desk(1, state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)
        assert decide(config, [drained], [waits()]).actions == ()

    def test_used_single_use_servers_go(self, config: ServerAutoscale) -> None:
        made = decide(config, [desk(1, reusable=False, served=1)])
        assert [action.drain_reason for action in made.actions] == [DrainReason.SPENT]


class TestInactiveAgents:
    CONFIG: DockerAgentAutoscale = agents(schedules=(closed_hours(),), standby_cores=8)

    def made(self, *servers: Any, **changes: Any) -> Plan:
        return decide(self.CONFIG, servers, **changes)

    def test_they_get_no_new_sessions(self) -> None:
        made = self.made(agent(1), waiting=[waits(size=SMALL)])
        assert made.numbers["waiting_for_ready"] == 0
        assert targets(made) == ["a0001"]

    def test_agents_with_sessions_stay(self) -> None:
        assert self.made(agent(1, SMALL)).actions == ()

    def test_nothing_is_staged(self) -> None:
        lacking = StagingNeed(staging="office", size=SMALL, missing=5)
        assert self.made(staging=(lacking,)).actions == ()
