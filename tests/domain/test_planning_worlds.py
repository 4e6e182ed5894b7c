"""Plans that come true, round by round: they settle, and nothing is broken on the way."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolwright.domain.autoscale import FailurePolicy, Rotation
from poolwright.domain.scaling import ActionKind
from poolwright.domain.servers import Size
from poolwright.domain.states import COMING, ServerState
from tests.domain.pools import agents, desks
from tests.domain.worlds import World

BOOT_ROUNDS = 3
LIVE = (ServerState.RUNNING, *sorted(COMING))


def world(*configs: Any, cap: int = 100) -> World:
    return World(configs or (desks(minimum_available_sessions=2),), cap, boot_rounds=BOOT_ROUNDS)


class TestConstantDemand:
    @settings(max_examples=60)
    @given(
        people=st.integers(min_value=0, max_value=12),
        standby=st.integers(min_value=0, max_value=6),
        per_server=st.integers(min_value=1, max_value=4),
        aggressive=st.booleans(),
        floor=st.integers(min_value=0, max_value=4),
        cap=st.integers(min_value=4, max_value=30),
    )
    def test_a_server_pool_settles(
        self, people: int, standby: int, per_server: int, aggressive: bool, floor: int, cap: int
    ) -> None:
        config = desks(
            minimum_available_sessions=standby,
            max_sessions_per_server=per_server,
            aggressive=aggressive,
            total_floor=floor,
        )
        pool = world(config, cap=cap)
        for n in range(people):
            pool.ask(f"user-{n}")
        assert pool.rounds_until_quiet(at_most=3 * BOOT_ROUNDS) is not None
        running = pool.of(config, ServerState.RUNNING)
        assert len(running) <= cap
        assert len(running) >= floor
        room = len(running) * per_server
        if cap * per_server >= people + standby:
            assert pool.waiting == []
            assert room >= people + standby
            assert len(running) <= max(floor, -(-(people + standby) // per_server), people if aggressive else 0)
        else:
            assert len(running) == cap

    @settings(max_examples=40)
    @given(
        sizes=st.lists(st.sampled_from((1, 2, 3, 5, 8)), max_size=15),
        cores=st.sampled_from((0, 4, 20)),
        memory_mib=st.sampled_from((0, 30_000)),
    )
    def test_an_agent_pool_settles(self, sizes: list[int], cores: int, memory_mib: int) -> None:
        config = agents(standby_cores=cores, standby_memory_mib=memory_mib)
        pool = world(config)
        for n, size in enumerate(sizes):
            pool.ask(f"user-{n}", Size(cores=size, memory_mib=1024 * size))
        assert pool.rounds_until_quiet(at_most=5 * BOOT_ROUNDS) is not None
        assert pool.waiting == []
        numbers = pool.plans["agents"].numbers
        assert float(str(numbers["ready_cores"])) >= cores
        assert float(str(numbers["ready_memory_mib"])) >= memory_mib

    def test_single_use_servers_are_replaced_one_for_one(self) -> None:
        config = desks(minimum_available_sessions=2, reusable=False)
        pool = world(config)
        pool.run(BOOT_ROUNDS + 2)
        for n in range(6):
            pool.ask(f"user-{n}")
            pool.run(2 * BOOT_ROUNDS)
            pool.leave(f"user-{n}")
            pool.run(2 * BOOT_ROUNDS)
        assert all(server.served == 0 for server in pool.of(config))
        assert len(pool.of(config, ServerState.RUNNING)) == 2


class TestManyConfigs:
    @settings(max_examples=30)
    @given(people=st.integers(min_value=0, max_value=20), slots=st.lists(st.integers(1, 6), min_size=2, max_size=4))
    def test_no_more_servers_than_people(self, people: int, slots: list[int]) -> None:
        configs = [desks(name=f"config-{n}", max_instances=count) for n, count in enumerate(slots)]
        pool = world(*configs)
        for n in range(people):
            pool.ask(f"user-{n}")
        pool.run(3)
        assert len(pool.servers) == min(people, sum(slots))
        assert pool.rounds_until_quiet(at_most=3 * BOOT_ROUNDS) is not None
        assert len(pool.servers) == min(people, sum(slots))

    def test_a_shared_cap_is_shared(self) -> None:
        pool = world(*(desks(name=f"config-{n}", minimum_available_sessions=9) for n in range(3)), cap=10)
        for _ in range(20):
            pool.step()
            assert len(pool.servers) <= 10


class TestChangingDemand:
    STEPS = st.lists(
        st.tuples(st.sampled_from(("ask", "leave", "rest")), st.integers(min_value=0, max_value=9)), max_size=40
    )

    @settings(max_examples=60)
    @given(
        steps=STEPS,
        standby=st.integers(min_value=0, max_value=4),
        per_server=st.integers(min_value=1, max_value=3),
        reusable=st.booleans(),
        cap=st.integers(min_value=3, max_value=10),
        soft_age=st.sampled_from((None, 600, 3000)),
    )
    def test_invariants_hold_at_every_step(
        self,
        steps: list[tuple[str, int]],
        standby: int,
        per_server: int,
        reusable: bool,
        cap: int,
        soft_age: int | None,
    ) -> None:
        config = desks(
            minimum_available_sessions=standby,
            max_sessions_per_server=per_server,
            reusable=reusable,
            total_floor=1,
            downscale_backoff_seconds=120,
            minimum_life_seconds=60,
            rotation=Rotation(soft_age_seconds=soft_age, pre_warm_seconds=120),
        )
        pool = world(config, cap=cap)
        for what, who in steps:
            if what == "ask":
                pool.ask(f"user-{who}")
            elif what == "leave":
                pool.leave(f"user-{who}")
            busy_before = {server.id for server in pool.of(config) if server.sessions}
            pool.step()
            assert busy_before <= set(pool.servers)
            assert len(pool.servers) <= cap
            for server in pool.servers.values():
                desktops = [session.user for session in server.sessions]
                assert len(desktops) == len(set(desktops)) <= server.max_sessions
        for n in range(10):
            pool.leave(f"user-{n}")
        if soft_age is None:
            assert pool.rounds_until_quiet(at_most=10 * BOOT_ROUNDS) is not None
            assert len(pool.of(config, ServerState.RUNNING)) == min(cap, max(1, -(-standby // per_server)))

    def test_a_short_dip_costs_no_server(self) -> None:
        config = desks(minimum_available_sessions=1, downscale_backoff_seconds=900)
        pool = world(config)
        pool.ask("ann")
        pool.run(10)
        before = set(pool.servers)
        pool.leave("ann")
        pool.run(10)
        pool.ask("bob")
        pool.run(10)
        assert set(pool.servers) == before

    def test_nobody_waits_while_there_is_standby(self) -> None:
        pool = world(desks(minimum_available_sessions=3))
        pool.run(BOOT_ROUNDS + 2)
        for n in range(20):
            pool.ask(f"user-{n}")
            pool.step()
            assert pool.waiting == []
            pool.run(BOOT_ROUNDS + 1)


class TestRotation:
    @pytest.mark.parametrize("standby", [1, 3, 5])
    def test_room_never_dips_while_the_whole_pool_is_replaced(self, standby: int) -> None:
        config = desks(
            minimum_available_sessions=standby,
            rotation=Rotation(soft_age_seconds=1800, pre_warm_seconds=60 * BOOT_ROUNDS),
        )
        pool = world(config)
        pool.run(BOOT_ROUNDS + 2)
        first = set(pool.servers)
        for _ in range(100):
            pool.step()
            assert len(pool.of(config, ServerState.RUNNING)) >= standby
        assert not first & set(pool.servers)

    def test_without_a_free_slot_it_is_replaced_all_the_same_one_by_one(self) -> None:
        config = desks(minimum_available_sessions=4, max_instances=4, rotation=Rotation(soft_age_seconds=1800))
        pool = world(config)
        pool.run(30)
        first = set(pool.servers)
        for _ in range(60):
            pool.step()
            assert len(pool.of(config, ServerState.RUNNING)) >= 3
        assert not first & set(pool.servers)

    def test_a_rollout_replaces_all_with_one_server_more_at_most(self) -> None:
        config = desks(minimum_available_sessions=4)
        pool = world(config)
        pool.run(BOOT_ROUNDS + 2)
        first = {server.id for server in pool.of(config)}
        for server in pool.of(config):
            pool.servers[server.id] = server.model_copy(update={"rollout": True})
        for _ in range(60):
            pool.step()
            assert len(pool.of(config, *LIVE)) <= 5
            assert len(pool.of(config, ServerState.RUNNING)) >= 4
        assert not first & set(pool.servers)


class TestFailures:
    def test_a_broken_image_does_not_burn_through_servers(self) -> None:
        policy = FailurePolicy(budget=3, window_seconds=1200, pause_seconds=600, max_pause_seconds=4800)
        config = desks(minimum_available_sessions=2, failure=policy)
        pool = world(config)
        pool.boot_fails = lambda _: True
        made = 0
        for _ in range(24 * 60):
            made += sum(action.kind is ActionKind.CREATE for action in pool.step())
        pauses_in_a_day = 4 + 24 * 3600 // 4800
        assert made <= (policy.budget + 2) * pauses_in_a_day

    def test_when_the_image_is_mended_the_pool_recovers(self) -> None:
        config = desks(minimum_available_sessions=5, failure=FailurePolicy(pause_seconds=300, max_pause_seconds=600))
        pool = world(config)
        pool.boot_fails = lambda _: True
        pool.run(60)
        pool.boot_fails = lambda _: False
        pool.run(10 + 2 * BOOT_ROUNDS)
        assert len(pool.of(config, ServerState.RUNNING)) == 5
