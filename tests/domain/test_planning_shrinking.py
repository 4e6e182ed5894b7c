"""How a pool shrinks: what is too many, in which order it goes, and when."""

from datetime import datetime
from typing import Any

import pytest

from poolwright.domain.scaling import ActionKind, DrainReason
from poolwright.domain.servers import Size
from poolwright.domain.states import ServerState
from tests.domain.pools import (
    BIG,
    NOW,
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
    of_kind,
    queue,
    targets,
    text,
    waits,
)


class TestWhatIsTooMany:
    def test_idle_servers_beyond_the_minimum_go_all_at_once(self) -> None:
        made = decide(desks(minimum_available_sessions=2), [desk(n) for n in range(5)])
        assert targets(made) == ["s0000", "s0001", "s0002"]
        (reason,) = made.reasons
        assert reason == (
            "Drain desk-0000, desk-0001 and desk-0002. "
            "Idle and not needed. What stays ready: room for 2 sessions; wanted: room for 2 sessions."
        )

    def test_a_drained_server_carries_the_reason_that_lets_it_be_taken_back(self) -> None:
        assert [action.drain_reason for action in decide(desks(), [desk(1)]).actions] == [DrainReason.SCALE_DOWN]

    def test_a_server_with_a_session_never_goes(self) -> None:
        assert decide(desks(), [desk(1, "bob")]).actions == ()

    def test_a_server_that_someone_who_waits_is_about_to_get_stays(self) -> None:
        assert decide(desks(), [desk(1)], [waits()]).actions == ()

    def test_never_below_the_minimum(self) -> None:
        servers = [desk(n, max_sessions=4) for n in range(3)]
        made = decide(desks(minimum_available_sessions=5, max_sessions_per_server=4), servers)
        assert kinds(made) == {"drain": 1}

    def test_room_on_busy_servers_counts_as_room_that_stays(self) -> None:
        made = decide(desks(minimum_available_sessions=3), [desk(1, "bob", max_sessions=4), desk(2, max_sessions=4)])
        assert targets(made) == ["s0002"]

    def test_room_that_is_only_on_the_way_spares_no_server(self) -> None:
        made = decide(desks(minimum_available_sessions=1), [desk(1), coming(desk(2))])
        assert made.actions == ()

    def test_never_below_the_floor(self) -> None:
        made = decide(desks(total_floor=2), [desk(1, "bob"), desk(2), desk(3)])
        assert targets(made) == ["s0002"]

    def test_static_servers_and_those_of_other_configs_are_left_alone(self) -> None:
        assert decide(desks(), [desk(1, autoscale=None), desk(2, autoscale="lean")]).actions == ()

    def test_above_the_ceiling_idle_servers_go_even_if_they_are_wanted(self) -> None:
        servers = [desk(1, "bob"), *(desk(n) for n in range(2, 6))]
        made = decide(desks(minimum_available_sessions=4, total_ceiling=3), servers)
        assert kinds(made) == {"drain": 2}
        assert "Idle, and there are 2 more than the ceiling of 3." in text(made)

    def test_above_the_ceiling_those_in_use_stay_and_the_reason_says_so(self) -> None:
        made = decide(desks(total_ceiling=1), [desk(1, "ann"), desk(2, "bob"), coming(desk(3))])
        assert made.actions == ()
        assert text(made) == "2 servers more than the ceiling of 1 stay until they are idle."

    def test_setting_the_standby_to_zero_empties_the_pool(self) -> None:
        assert kinds(decide(desks(), [desk(n) for n in range(9)])) == {"drain": 9}


class TestSpentServers:
    def test_a_used_single_use_server_goes_at_once(self) -> None:
        config = desks(reusable=False, minimum_available_sessions=1, downscale_backoff_seconds=900)
        made = decide(config, [desk(1, reusable=False, served=1)])
        assert [(action.server_id, action.drain_reason) for action in of_kind(made, ActionKind.DRAIN)] == [
            ("s0001", DrainReason.SPENT)
        ]
        assert kinds(made) == {"drain": 1, "create": 1}

    def test_not_while_somebody_is_still_on_it(self) -> None:
        still_used = desk(1, "bob", reusable=False, max_sessions=5, served=2)
        assert decide(desks(reusable=False), [still_used]).actions == ()

    def test_a_single_use_server_that_nobody_has_used_is_ready(self) -> None:
        made = decide(desks(reusable=False, minimum_available_sessions=1), [desk(1, reusable=False)])
        assert made.actions == ()

    def test_a_reusable_server_is_never_spent(self) -> None:
        assert decide(desks(minimum_available_sessions=1), [desk(1, served=7)]).actions == ()

    def test_agents_are_never_spent(self) -> None:
        assert decide(agents(standby_cores=1), [agent(1, served=7)]).actions == ()

    def test_static_servers_are_never_drained(self) -> None:
        assert decide(desks(), [desk(1, autoscale=None, reusable=False, served=1)]).actions == ()


class TestAgents:
    def test_an_agent_goes_only_if_every_dimension_stays_covered(self) -> None:
        servers = [agent(1), agent(2)]
        assert kinds(decide(agents(standby_cores=8, standby_memory_mib=1), servers)) == {"drain": 1}
        assert kinds(decide(agents(standby_cores=9, standby_memory_mib=1), servers)) == {}
        assert kinds(decide(agents(standby_cores=1, standby_memory_mib=16_385), servers)) == {}

    def test_gpus_count_like_the_rest(self) -> None:
        with_gpu = Size(cores=8, memory_mib=16_384, gpus=1)
        config = agents(agent_gpus_override=1, standby_gpus=2)
        assert kinds(decide(config, [agent(n, size=with_gpu) for n in range(3)])) == {"drain": 1}

    def test_an_agent_with_a_staged_session_stays(self) -> None:
        assert decide(agents(), [agent(1, SMALL)]).actions == ()

    def test_zero_standby_keeps_no_spare_agent(self) -> None:
        assert kinds(decide(agents(), [agent(1), agent(2, SMALL)])) == {"drain": 1}

    def test_free_parts_of_busy_agents_can_replace_an_idle_one(self) -> None:
        busy = [agent(1, SMALL, SMALL), agent(2, SMALL, SMALL)]
        made = decide(agents(standby_cores=8, standby_memory_mib=16_384), [*busy, agent(3)])
        assert targets(made) == ["a0003"]


class TestOrder:
    def test_marked_ones_first_then_drifted_then_the_oldest(self) -> None:
        servers = [
            desk(1, config_revision=2, created_at=ago(9000)),
            desk(2, config_revision=2, created_at=ago(8000)),
            desk(3, config_revision=1, created_at=ago(7000)),
            desk(4, config_revision=1, created_at=ago(6000), rollout=True),
        ]

        def first(count: int) -> list[str | None]:
            kept = desks(minimum_available_sessions=4 - count)
            return targets(decide(kept, servers, autoscale_revision=2))

        assert first(1) == ["s0004"]
        assert first(2) == ["s0004", "s0003"]
        assert first(3) == ["s0004", "s0003", "s0001"]

    def test_a_server_below_its_minimum_life_goes_after_all_others(self) -> None:
        config = desks(minimum_available_sessions=1, minimum_life_seconds=300)
        servers = [desk(1, created_at=ago(9000), running_at=ago(10)), desk(2)]
        assert targets(decide(config, servers)) == ["s0002"]


class TestBackoff:
    CONFIG = desks(downscale_backoff_seconds=900)

    def decide_since(self, since: datetime | None, *servers: Any) -> Any:
        return decide(self.CONFIG, servers or [desk(1)], downscale_wanted_since=since)

    def test_the_wish_is_remembered_and_explained_first(self) -> None:
        made = self.decide_since(None)
        assert made.actions == ()
        assert made.downscale_wanted_since == NOW
        assert made.next_decision_at == later(900)
        assert made.reasons == (
            "1 idle server is not needed (desk-0001); if that lasts, it goes from 2026-03-02 12:15:00 UTC on.",
        )

    def test_it_must_last(self) -> None:
        made = self.decide_since(ago(899))
        assert made.actions == ()
        assert made.downscale_wanted_since == ago(899)
        assert made.next_decision_at == later(1)

    def test_then_the_server_goes_and_the_wish_is_fulfilled(self) -> None:
        made = self.decide_since(ago(900))
        assert kinds(made) == {"drain": 1}
        assert made.downscale_wanted_since is None

    def test_a_wish_that_goes_away_is_forgotten(self) -> None:
        assert self.decide_since(ago(600), desk(1, "bob")).downscale_wanted_since is None

    def test_growth_never_waits_for_it(self) -> None:
        assert kinds(decide(self.CONFIG, (), queue(2), downscale_wanted_since=ago(1))) == {"create": 2}


class TestMinimumLife:
    CONFIG = desks(minimum_life_seconds=300)

    def test_it_counts_from_when_the_server_was_ready(self) -> None:
        slow_to_boot = desk(1, created_at=ago(7200), running_at=ago(299))
        made = decide(self.CONFIG, [slow_to_boot])
        assert made.actions == ()
        assert made.next_decision_at == later(1)
        assert "younger than the minimum life of 5 minutes: desk-0001" in text(made)

    def test_then_the_server_may_go(self) -> None:
        assert kinds(decide(self.CONFIG, [desk(1, created_at=ago(7200), running_at=ago(300))])) == {"drain": 1}

    def test_the_wish_lasts_while_a_young_server_is_left(self) -> None:
        made = decide(self.CONFIG, [desk(1), desk(2, running_at=ago(10))], downscale_wanted_since=ago(60))
        assert targets(made) == ["s0001"]
        assert made.downscale_wanted_since == ago(60)

    def test_the_next_decision_is_when_any_of_the_young_may_go(self) -> None:
        config = desks(minimum_available_sessions=1, minimum_life_seconds=300)
        drifted = desk(1, running_at=ago(10), config_revision=0)
        made = decide(config, [drifted, desk(2, running_at=ago(200))])
        assert "younger than the minimum life of 5 minutes: desk-0001" in text(made)
        assert made.next_decision_at == later(100)

    def test_a_spent_server_does_not_wait_for_it(self) -> None:
        config = desks(minimum_life_seconds=300, reusable=False)
        assert kinds(decide(config, [desk(1, reusable=False, served=1, running_at=ago(10))])) == {"drain": 1}


class TestNoFlapping:
    @pytest.mark.parametrize("standby", range(8))
    @pytest.mark.parametrize("count", range(6))
    def test_what_shrinking_leaves_is_not_made_again(self, standby: int, count: int) -> None:
        config = desks(minimum_available_sessions=standby, max_sessions_per_server=2)
        servers = [desk(n, *(["bob"] if n % 3 == 0 else []), max_sessions=2) for n in range(count)]
        gone = set(targets(decide(config, servers)))
        left = [server for server in servers if server.id not in gone]
        if gone:
            assert of_kind(decide(config, left), ActionKind.CREATE) == []

    def test_what_was_just_drained_is_not_taken_back_without_demand(self) -> None:
        drained = desk(1, state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)
        assert decide(desks(minimum_available_sessions=1), [drained, desk(2)]).actions == ()

    def test_demand_and_standby_of_agents_agree(self) -> None:
        assert decide(agents(standby_cores=8, standby_memory_mib=0), [agent(1)]).actions == ()
        assert decide(agents(standby_cores=0), [agent(1)], [waits(size=BIG)]).actions == ()
