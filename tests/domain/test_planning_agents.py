"""How a docker agent pool grows: free cores, memory and GPUs, staging, and sessions of different sizes."""

import pytest

from poolwright.domain.placement import PlacementRules, assign_queue
from poolwright.domain.resources import PoolType, Zone
from poolwright.domain.scaling import DrainReason, StagingNeed
from poolwright.domain.servers import Size
from poolwright.domain.states import ServerState
from tests.domain.pools import BIG, SMALL, agent, agents, cloud, coming, decide, kinds, queue, text, waits


def staging(missing: int, size: Size = SMALL, name: str = "office") -> StagingNeed:
    return StagingNeed(staging=name, size=size, missing=missing)


class TestStandby:
    @pytest.mark.parametrize(
        ("cores", "memory_mib", "expected"),
        [(0, 0, 0), (1, 0, 1), (8, 16_384, 1), (8.5, 0, 2), (0, 16_385, 2), (9, 50_000, 4)],
    )
    def test_as_many_agents_as_the_scarcest_dimension_needs(self, cores: float, memory_mib: int, expected: int) -> None:
        made = decide(agents(standby_cores=cores, standby_memory_mib=memory_mib))
        assert kinds(made).get("create", 0) == expected

    def test_what_is_free_is_taken_off_the_need(self) -> None:
        config = agents(standby_cores=8, standby_memory_mib=8192)
        assert kinds(decide(config, [agent(1, SMALL)])) == {"create": 1}
        assert kinds(decide(config, [agent(1, SMALL), agent(2, SMALL)])) == {}

    def test_agents_on_the_way_count_in_full(self) -> None:
        assert decide(agents(standby_cores=8), [coming(agent(1))]).actions == ()

    def test_gpus(self) -> None:
        config = agents(agent_gpus_override=2, standby_gpus=3)
        made = decide(config)
        assert kinds(made) == {"create": 2}
        assert made.numbers["wanted_gpus"] == 3

    def test_gpus_that_no_agent_has_are_said_to_be_out_of_reach(self) -> None:
        made = decide(agents(standby_gpus=1, standby_cores=2))
        assert kinds(made) == {"create": 1}
        assert "Of the standby, 1 GPU cannot be had, as a new agent has none." in text(made)

    def test_fractions_of_cores_do_not_add_up_to_an_agent_too_many(self) -> None:
        tenth = Size(cores=0.1, memory_mib=1)
        busy = agent(1, tenth, tenth, tenth)
        assert decide(agents(standby_cores=7.7), [busy]).actions == ()
        assert decide(agents(agent_cores_override=0.1, standby_cores=0.3)).numbers["created"] == 3

    def test_an_overcommitted_agent_does_not_eat_the_room_of_others(self) -> None:
        over = agent(1, BIG, BIG)
        made = decide(agents(standby_cores=8), [over, agent(2)])
        assert made.numbers["ready_cores"] == 8
        assert made.actions == ()


class TestStaging:
    def test_standby_is_on_top_of_staging(self) -> None:
        config = agents(standby_cores=8, standby_memory_mib=16_384)
        assert kinds(decide(config, staging=(staging(4),))) == {"create": 2}

    def test_staging_alone_makes_agents(self) -> None:
        made = decide(agents(), staging=(staging(5),))
        assert kinds(made) == {"create": 2}
        assert "Staging lacks 5 sessions, more than there is room for." in text(made)

    def test_free_room_is_staged_on_first(self) -> None:
        assert decide(agents(), [agent(1, SMALL)], staging=(staging(3),)).actions == ()

    def test_scattered_room_is_not_taken_for_room(self) -> None:
        nearly_full = [agent(n, Size(cores=6, memory_mib=4096)) for n in range(4)]
        made = decide(agents(), nearly_full, staging=(staging(1, Size(cores=4, memory_mib=4096)),))
        assert kinds(made) == {"create": 1}

    def test_people_who_wait_come_before_staging(self) -> None:
        made = decide(agents(), (), queue(4, size=SMALL), staging=(staging(4),), providers=(cloud(1),))
        assert [action.reason for action in made.actions] == ["4 waiting sessions find no room on what there is."]
        assert "1 more agent is wanted to be ready and cannot be made: the cap of 'cloud' is 1" in text(made)

    def test_a_staged_session_that_no_agent_holds_is_refused(self) -> None:
        made = decide(agents(), staging=(staging(2, Size(cores=64, memory_mib=1)),))
        assert made.actions == ()
        assert "Staging 'office' lacks 2 sessions of 64 cores and 1 MiB of memory, more than one agent holds" in text(
            made
        )

    def test_a_drained_agent_is_taken_back_for_it(self) -> None:
        drained = agent(1, state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)
        assert kinds(decide(agents(), [drained], staging=(staging(2),))) == {"undrain": 1}


class TestWaitingSessions:
    def test_sessions_are_packed_first_fit(self) -> None:
        half = Size(cores=4, memory_mib=1024)
        waiting = [
            waits("ann", size=Size(cores=6, memory_mib=1024)),
            waits("bob", size=half),
            waits("cat", size=SMALL),
            waits("dan", size=half),
        ]
        assert kinds(decide(agents(), (), waiting)) == {"create": 2}

    def test_room_in_sum_is_not_enough_for_a_big_one(self) -> None:
        scattered = [agent(1, Size(cores=5, memory_mib=1)), agent(2, Size(cores=5, memory_mib=1))]
        assert kinds(decide(agents(), scattered, [waits(size=Size(cores=6, memory_mib=1))])) == {"create": 1}

    def test_what_is_left_beside_them_is_standby(self) -> None:
        config = agents(standby_cores=6, standby_memory_mib=1024)
        assert kinds(decide(config, (), [waits(size=SMALL)])) == {"create": 1}

    def test_a_session_bigger_than_an_agent_is_refused_with_a_reason(self) -> None:
        made = decide(agents(), (), [waits("ann", size=Size(cores=64, memory_mib=1024)), waits("bob", size=SMALL)])
        assert kinds(made) == {"create": 1}
        assert made.numbers["waiting_unserved"] == 1
        assert (
            "A waiting session needs 64 cores and 1,024 MiB of memory, more than one agent of any config here can hold "
            "(here: 8 cores and 16,384 MiB of memory): make agents bigger or the workspace smaller."
        ) in text(made)

    def test_a_big_one_may_still_wait_for_a_bigger_static_agent(self) -> None:
        static = agent(1, autoscale=None, size=Size(cores=128, memory_mib=2**20))
        made = decide(agents(), [static], [waits(size=Size(cores=64, memory_mib=1024))])
        assert made.numbers["waiting_for_ready"] == 1

    def test_a_session_of_a_zone_that_searches_no_others_is_not_ours(self) -> None:
        zones = {"us": Zone(name="us", search_alternate_zones=False)}
        made = decide(agents(), (), [waits(size=SMALL, zone="us")], zones=zones)
        assert made.actions == ()
        assert "Sessions wait for zone 'us': the pool has no config there" in text(made)

    def test_aggressive_means_an_agent_each(self) -> None:
        assert kinds(decide(agents(aggressive=True), (), queue(3, size=SMALL))) == {"create": 3}

    def test_what_is_made_for_them_serves_them(self) -> None:
        sizes = [Size(cores=1 + n % 7, memory_mib=512 * (1 + n % 11)) for n in range(60)]
        waiting = [waits(f"u{n}", size=size) for n, size in enumerate(sizes)]
        made = decide(agents(), (), waiting)
        new = [agent(n) for n in range(int(str(made.numbers["created"])))]
        result = assign_queue(waiting, new, PlacementRules(pool_type=PoolType.DOCKER_AGENT))
        assert len(result.unserved) <= 1
