"""What holds for every plan, whatever the pool looks like."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from poolwright.domain.autoscale import Connection, ConnectionType, FailurePolicy, Rotation
from poolwright.domain.planning import plan
from poolwright.domain.scaling import (
    Action,
    ActionKind,
    DrainReason,
    FailureRecord,
    Plan,
    ServerView,
    SessionView,
    SiblingConfig,
    Snapshot,
    StagingNeed,
)
from poolwright.domain.servers import SessionKind, Size
from poolwright.domain.states import COMING, ServerState
from tests.domain.pools import NOW, agent, agents, ago, cloud, desk, desks, later, of_kind, snapshot, waits

pytestmark = pytest.mark.slow

SIZES = (Size(cores=1, memory_mib=1024), Size(cores=2, memory_mib=4096), Size(cores=6, memory_mib=8192))
USERS = ("ann", "bob", "cat", "dan", "eve")

thorough = settings(max_examples=50)
counts = st.integers(min_value=0, max_value=6)
moments = st.integers(min_value=-3000, max_value=30_000).map(ago)
maybe_moment = st.none() | moments


@st.composite
def rotations(draw: st.DrawFn) -> Rotation:
    soft = draw(st.none() | st.integers(min_value=60, max_value=20_000))
    hard = draw(st.none() | st.integers(min_value=soft or 60, max_value=30_000))
    return Rotation(
        soft_age_seconds=soft, hard_age_seconds=hard, pre_warm_seconds=draw(st.integers(min_value=0, max_value=9000))
    )


@st.composite
def common_settings(draw: st.DrawFn) -> dict[str, Any]:
    max_instances = draw(st.none() | st.integers(min_value=0, max_value=12))
    ceiling = draw(st.none() | st.integers(min_value=0, max_value=12))
    most = min((number for number in (max_instances, ceiling) if number is not None), default=8)
    return {
        "enabled": draw(st.integers(min_value=0, max_value=9)) > 0,
        "max_instances": max_instances,
        "total_ceiling": ceiling,
        "total_floor": draw(st.integers(min_value=0, max_value=min(most, 4))),
        "aggressive": draw(st.booleans()),
        "downscale_backoff_seconds": draw(st.sampled_from((0, 600))),
        "minimum_life_seconds": draw(st.sampled_from((0, 300))),
        "rotation": draw(rotations()),
    }


@st.composite
def desk_views(draw: st.DrawFn, number: int) -> ServerView:
    users = draw(st.lists(st.sampled_from(USERS), max_size=4))
    state = draw(st.sampled_from([ServerState.RUNNING] * 6 + [state for state in ServerState if state != "deleted"]))
    sessions = tuple(SessionView(user=user, kind=draw(st.sampled_from(SessionKind))) for user in users)
    sessions = () if state in COMING else sessions
    return desk(
        number,
        autoscale=draw(st.sampled_from(("desk", "desk", "desk", None, "lean"))),
        state=state,
        drain_reason=draw(st.sampled_from(DrainReason)) if state is ServerState.DRAINING else None,
        sessions=sessions,
        served=len(sessions) + (0 if state in COMING else draw(st.sampled_from((0, 0, 1)))),
        max_sessions=draw(st.integers(min_value=1, max_value=4)),
        max_users=draw(st.integers(min_value=1, max_value=4)),
        counts_users=draw(st.booleans()),
        reusable=draw(st.booleans()),
        created_at=draw(moments),
        running_at=draw(maybe_moment),
        rollout=draw(st.sampled_from((False, False, True))),
        config_revision=draw(st.integers(min_value=0, max_value=2)),
    )


@st.composite
def agent_views(draw: st.DrawFn, number: int) -> ServerView:
    state = draw(st.sampled_from([ServerState.RUNNING] * 6 + [state for state in ServerState if state != "deleted"]))
    sizes = () if state in COMING else tuple(draw(st.lists(st.sampled_from(SIZES), max_size=3)))
    return agent(
        number,
        *sizes,
        autoscale=draw(st.sampled_from(("agents", "agents", "agents", None, "lean"))),
        state=state,
        drain_reason=draw(st.sampled_from(DrainReason)) if state is ServerState.DRAINING else None,
        created_at=draw(moments),
        running_at=draw(maybe_moment),
        rollout=draw(st.sampled_from((False, False, True))),
        config_revision=draw(st.integers(min_value=0, max_value=2)),
    )


@st.composite
def surroundings(draw: st.DrawFn) -> dict[str, Any]:
    failed_at = tuple(sorted(draw(st.lists(moments.filter(lambda at: at <= NOW), max_size=4))))
    return {
        "autoscale_revision": draw(st.integers(min_value=0, max_value=2)),
        "providers": (
            cloud(
                draw(st.integers(min_value=0, max_value=12)),
                draw(st.integers(min_value=0, max_value=12)),
                places=draw(st.sampled_from(((), ("a", "b")))),
                unavailable_until=draw(st.dictionaries(st.sampled_from(("", "a", "b")), moments, max_size=2)),
            ),
            cloud(draw(counts), draw(counts), vm_provider="spare"),
        ),
        "siblings": draw(
            st.sampled_from(((), (SiblingConfig(name="lean", zone="us", active=True, paused=False, free_slots=2),)))
        ),
        "failures": FailureRecord(
            failed_at=failed_at,
            reasons=tuple("the image is broken" for _ in failed_at),
            pauses=draw(st.integers(min_value=0, max_value=3)),
            paused_until=draw(maybe_moment),
            last_success_at=draw(st.none() | moments.filter(lambda at: at <= NOW)),
        ),
        "downscale_wanted_since": draw(st.none() | moments.filter(lambda at: at <= NOW)),
    }


@st.composite
def desk_snapshots(draw: st.DrawFn) -> Snapshot:
    config = desks(
        **draw(common_settings()),
        minimum_available_sessions=draw(counts),
        max_sessions_per_server=draw(st.integers(min_value=1, max_value=4)),
        max_users_per_server=draw(st.integers(min_value=1, max_value=4)),
        reusable=draw(st.booleans()),
        connection=Connection(type=draw(st.sampled_from(ConnectionType))),
    )
    servers = [draw(desk_views(number)) for number in range(draw(st.integers(min_value=0, max_value=7)))]
    people = draw(st.lists(st.tuples(st.sampled_from((*USERS, "fay", "gus", "hal")), st.sampled_from(SessionKind))))
    waiting = [waits(user, id=f"w{n}", kind=kind) for n, (user, kind) in enumerate(people)]
    return snapshot(config, servers, waiting, **draw(surroundings()))


@st.composite
def agent_snapshots(draw: st.DrawFn) -> Snapshot:
    config = agents(
        **draw(common_settings()),
        standby_cores=draw(st.sampled_from((0, 1, 8, 20))),
        standby_memory_mib=draw(st.sampled_from((0, 1024, 40_000))),
        standby_gpus=draw(st.sampled_from((0, 0, 1))),
        agent_gpus_override=draw(st.sampled_from((0, 1))),
    )
    servers = [draw(agent_views(number)) for number in range(draw(st.integers(min_value=0, max_value=7)))]
    sizes = draw(st.lists(st.sampled_from((*SIZES, Size(cores=64, memory_mib=1))), max_size=8))
    waiting = [
        waits(f"u{n}", size=size, zone=draw(st.sampled_from((None, "eu", "us")))) for n, size in enumerate(sizes)
    ]
    staging = tuple(StagingNeed(staging=f"st{n}", size=size, missing=draw(counts)) for n, size in enumerate(SIZES[:2]))
    return snapshot(config, servers, waiting, staging=staging, **draw(surroundings()))


snapshots = desk_snapshots() | agent_snapshots()


def own(seen: Snapshot) -> list[ServerView]:
    return [server for server in seen.servers if server.autoscale == seen.autoscale.name]


def by_id(seen: Snapshot) -> dict[str | None, ServerView]:
    return {server.id: server for server in seen.servers}


def drains(made: Plan, *reasons: DrainReason) -> list[Action]:
    return [action for action in of_kind(made, ActionKind.DRAIN) if action.drain_reason in reasons]


class TestEveryPlan:
    @thorough
    @given(snapshots)
    def test_no_cap_is_ever_passed(self, seen: Snapshot) -> None:
        made = plan(seen, NOW)
        created = of_kind(made, ActionKind.CREATE)
        for limit in (seen.autoscale.max_instances, seen.autoscale.total_ceiling):
            assert limit is None or not created or len(own(seen)) + len(created) <= limit
        for cap in seen.providers:
            there = [action for action in created if action.vm_provider == cap.vm_provider]
            assert not there or cap.in_use + len(there) <= cap.max_instances

    @thorough
    @given(snapshots)
    def test_nothing_is_made_where_there_is_no_capacity(self, seen: Snapshot) -> None:
        caps = {cap.vm_provider: cap for cap in seen.providers}
        for action in of_kind(plan(seen, NOW), ActionKind.CREATE):
            cap = caps[action.vm_provider or ""]
            assert cap.unavailable_until.get("", NOW) <= NOW
            assert action.place in cap.places if cap.places else action.place is None
            assert cap.unavailable_until.get(action.place or "", NOW) <= NOW

    @thorough
    @given(snapshots)
    def test_a_busy_server_is_never_removed(self, seen: Snapshot) -> None:
        made, servers = plan(seen, NOW), by_id(seen)
        for action in drains(made, DrainReason.SCALE_DOWN, DrainReason.SPENT):
            assert not servers[action.server_id].sessions
        hard = seen.autoscale.rotation.hard_age_seconds
        for action in of_kind(made, ActionKind.DELETE):
            assert hard is not None
            assert servers[action.server_id].created_at <= NOW - timedelta(seconds=hard)

    @thorough
    @given(snapshots)
    def test_only_the_configs_own_servers_are_touched_and_each_once(self, seen: Snapshot) -> None:
        made, servers = plan(seen, NOW), by_id(seen)
        touched = [action.server_id for action in made.actions if action.kind is not ActionKind.CREATE]
        assert len(touched) == len(set(touched))
        for action in made.actions:
            if action.kind is ActionKind.CREATE:
                assert action.server_id is None
                continue
            server = servers[action.server_id]
            assert server.autoscale == seen.autoscale.name
            allowed = {
                ActionKind.DRAIN: {ServerState.RUNNING},
                ActionKind.UNDRAIN: {ServerState.DRAINING},
                ActionKind.DELETE: {ServerState.RUNNING, ServerState.DRAINING},
            }
            assert server.state in allowed[action.kind]

    @thorough
    @given(snapshots)
    def test_the_floor_is_held_or_striven_for(self, seen: Snapshot) -> None:
        made = plan(seen, NOW)
        floor = made.numbers["total_floor"]
        assert isinstance(floor, int)
        gone = {action.server_id for action in made.actions if action.kind in {ActionKind.DRAIN, ActionKind.DELETE}}
        staying = [
            server
            for server in own(seen)
            if server.id not in gone and (server.state in COMING or server.state is ServerState.RUNNING)
        ]
        after = len(staying) + len(of_kind(made, ActionKind.CREATE)) + len(of_kind(made, ActionKind.UNDRAIN))
        forced = drains(made, DrainReason.ROTATION, DrainReason.ROLLOUT, DrainReason.SPENT)
        if after < floor:
            assert made.numbers["unmet_servers"] or forced
        if after < floor and not forced:
            assert not drains(made, DrainReason.SCALE_DOWN)

    @thorough
    @given(snapshots)
    def test_shrinking_and_growing_exclude_each_other(self, seen: Snapshot) -> None:
        made = plan(seen, NOW)
        if drains(made, DrainReason.SCALE_DOWN):
            reasons = Counter(action.reason for action in of_kind(made, ActionKind.CREATE))
            assert all("waiting" in reason or "Staging" in reason or "replaced" in reason for reason in reasons)

    @thorough
    @given(snapshots)
    def test_everything_is_explained(self, seen: Snapshot) -> None:
        made = plan(seen, NOW)
        assert made.reasons
        assert all(action.reason.strip().endswith(".") for action in made.actions)
        assert all(reason.endswith(".") and reason[0] != " " for reason in made.reasons)
        told = " ".join(made.reasons)
        if made.numbers["unmet_servers"]:
            assert "cannot be made" in told
        if made.numbers["waiting_unserved"]:
            assert "without room" in told or "more than one agent" in told or "has no config there" in told

    @thorough
    @given(snapshots)
    def test_waiting_sessions_are_all_accounted_for(self, seen: Snapshot) -> None:
        numbers = plan(seen, NOW).numbers
        names = ("for_ready", "for_coming", "for_undrained", "for_new", "for_other_configs", "unserved")
        assert sum(int(str(numbers[f"waiting_{name}"])) for name in names) == len(seen.waiting)

    @thorough
    @given(snapshots, st.randoms(use_true_random=False))
    def test_the_order_of_the_servers_changes_nothing(self, seen: Snapshot, random: Any) -> None:
        servers = list(seen.servers)
        random.shuffle(servers)
        assert plan(seen.model_copy(update={"servers": tuple(servers)}), NOW) == plan(seen, NOW)

    @thorough
    @given(snapshots)
    def test_the_same_snapshot_gives_the_same_plan(self, seen: Snapshot) -> None:
        assert plan(seen, NOW) == plan(Snapshot.model_validate(seen.model_dump()), NOW)

    @thorough
    @given(snapshots)
    def test_the_next_decision_lies_ahead(self, seen: Snapshot) -> None:
        at = plan(seen, NOW).next_decision_at
        assert at is None or at > NOW

    @thorough
    @given(snapshots)
    def test_nothing_happens_between_now_and_the_next_known_change(self, seen: Snapshot) -> None:
        first = plan(seen, NOW)
        assume(not first.actions)
        remembered = seen.model_copy(
            update={"failures": first.failures, "downscale_wanted_since": first.downscale_wanted_since}
        )
        until: datetime = first.next_decision_at or later(10**6)
        assert plan(remembered, until - timedelta(microseconds=1)).actions == ()

    @thorough
    @given(snapshots)
    def test_a_paused_config_does_nothing(self, seen: Snapshot) -> None:
        made = plan(seen.model_copy(update={"paused": "maintenance"}), NOW)
        assert made.actions == ()
        assert "maintenance" in made.reasons[0]


def created(seen: Snapshot) -> int:
    return len(of_kind(plan(seen, NOW), ActionKind.CREATE))


class TestLessDemand:
    """Never gives a bigger plan. (Sessions of many sizes may: packing fewer of them can take an agent more.)"""

    @thorough
    @given(desk_snapshots())
    def test_less_standby(self, seen: Snapshot) -> None:
        less = seen.autoscale.model_copy(update={"minimum_available_sessions": 0})
        assert created(seen.model_copy(update={"autoscale": less})) <= created(seen)

    @thorough
    @given(desk_snapshots())
    def test_no_floor(self, seen: Snapshot) -> None:
        less = seen.autoscale.model_copy(update={"total_floor": 0})
        assert created(seen.model_copy(update={"autoscale": less})) <= created(seen)

    @thorough
    @given(desk_snapshots(), st.integers(min_value=0, max_value=9))
    def test_fewer_people(self, seen: Snapshot, kept: int) -> None:
        people = tuple(waits(f"new-{n}", id=f"n{n}") for n in range(len(seen.waiting)))
        many = seen.model_copy(update={"waiting": people})
        assert created(many.model_copy(update={"waiting": people[:kept]})) <= created(many)

    @thorough
    @given(agent_snapshots(), st.integers(min_value=0, max_value=9))
    def test_fewer_sessions_of_one_size(self, seen: Snapshot, kept: int) -> None:
        people = tuple(waits(f"new-{n}", id=f"n{n}", size=SIZES[1]) for n in range(len(seen.waiting)))
        many = seen.model_copy(update={"waiting": people, "staging": ()})
        assert created(many.model_copy(update={"waiting": people[:kept]})) <= created(many)

    @thorough
    @given(agent_snapshots(), st.sampled_from(("standby_cores", "standby_memory_mib", "standby_gpus")))
    def test_less_standby_of_agents(self, seen: Snapshot, dimension: str) -> None:
        less = seen.autoscale.model_copy(update={dimension: 0})
        assert created(seen.model_copy(update={"autoscale": less})) <= created(seen)

    @thorough
    @given(agent_snapshots())
    def test_less_staging(self, seen: Snapshot) -> None:
        assert created(seen.model_copy(update={"staging": ()})) <= created(seen)


class TestFailurePolicies:
    @thorough
    @given(
        st.lists(st.integers(min_value=0, max_value=5000), max_size=12),
        st.integers(min_value=1, max_value=5),
        st.integers(min_value=0, max_value=8),
    )
    def test_a_pause_ends_and_is_never_longer_than_the_most(self, seconds: list[int], budget: int, pauses: int) -> None:
        policy = FailurePolicy(budget=budget, pause_seconds=60, max_pause_seconds=900)
        record = FailureRecord(failed_at=tuple(sorted(ago(one) for one in seconds)), pauses=pauses)
        made = plan(snapshot(desks(failure=policy, minimum_available_sessions=1), failures=record), NOW)
        until = made.failures.paused_until
        assert until is None or until <= later(900)
