"""Whatever people and operators do in whatever order, rooms are shared out by the rules."""

import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolwright.domain.servers import Server, Session, SessionState
from poolwright.domain.states import ServerState
from poolwright.store import sessions
from poolwright.store.engine import Store, open_store
from poolwright.store.installation import upgrade
from poolwright.store.sealing import Sealer, new_key
from poolwright.store.servers import list_servers
from tests.store.scenes import NOW, end, move, request, reserve, server_pool

USERS = ["ada", "grace", "linus", "margaret"]

Step = tuple[str, int, int]

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["request", "request", "request", "end", "end", "come", "drain", "undrain"]),
        st.integers(0, 20),
        st.integers(0, 2),
    ),
    min_size=5,
    max_size=30,
)


class World:
    """A pool of at most four servers, and what happens to it."""

    def __init__(self, store: Store, *, max_sessions: int, max_users: int, reusable: bool) -> None:
        self.store = store
        self.limits = (max_sessions, max_users, reusable)
        self.at = NOW
        server_pool(
            store,
            cap=4,
            max_sessions_per_server=max_sessions,
            max_users_per_server=max_users,
            reusable=reusable,
            connection={"type": "rdp"},
        )

    def take(self, step: Step) -> None:
        what, which, priority = step
        self.at += timedelta(seconds=1)
        if what == "request":
            request(self.store, USERS[which % len(USERS)], self.at, priority=priority, kind="app")
        elif what == "come":
            for server_id in reserve(self.store, at=self.at):
                move(self.store, server_id, ServerState.RUNNING, self.at)
        elif what == "end":
            live = self.sessions()
            if live:
                end(self.store, live[which % len(live)], self.at)
        else:
            start, goal = (
                (ServerState.RUNNING, ServerState.DRAINING)
                if what == "drain"
                else (ServerState.DRAINING, ServerState.RUNNING)
            )
            found = [server for server in self.servers() if server.state is start]
            if found:
                move(self.store, found[which % len(found)].id, goal, self.at)

    def servers(self) -> list[Server]:
        with self.store.read() as tx:
            return list_servers(tx)

    def sessions(self, *, ended: bool = False) -> list[Session]:
        with self.store.read() as tx:
            return sessions.list_sessions(tx, ended=ended)

    def check(self, before: list[Server]) -> None:
        """What must hold after each step; `before`: the servers before it."""
        max_sessions, max_users, reusable = self.limits
        everything = self.sessions(ended=True)
        assigned = [session for session in everything if session.state is SessionState.ASSIGNED]
        for server_id, count in Counter(session.server_id for session in assigned).items():
            assert count <= max_sessions
            assert len({session.user for session in assigned if session.server_id == server_id}) <= max_users
        if not reusable:
            self.check_one_round(everything)
        self.check_nothing_new_on_drained(assigned, before)
        self.check_order(everything)

    @staticmethod
    def check_one_round(everything: list[Session]) -> None:
        for session in everything:
            if session.state is SessionState.ENDED and session.server_id is not None:
                assert session.ended_at is not None
                others = [one for one in everything if one.server_id == session.server_id]
                assert all(one.assigned_at is None or one.assigned_at <= session.ended_at for one in others)

    def check_nothing_new_on_drained(self, assigned: list[Session], before: list[Server]) -> None:
        now_closed = {server.id for server in self.servers() if server.state is not ServerState.RUNNING}
        closed = now_closed & {server.id for server in before if server.state is not ServerState.RUNNING}
        assert not [one for one in assigned if one.server_id in closed and one.assigned_at == self.at]

    def check_order(self, everything: list[Session]) -> None:
        """Whoever was served just now came before all who still wait and could have had the same place."""
        served = [one for one in everything if one.assigned_at == self.at]
        waiting = [one for one in everything if one.state is SessionState.QUEUED]
        for one in served:
            for other in waiting:
                if one.user == other.user or self.limits[:2] == (1, 1):
                    assert (-one.priority, one.requested_at) < (-other.priority, other.requested_at)

    def check_nobody_waits_for_room_that_there_is(self) -> None:
        waiting = {session.id for session in self.sessions() if session.state is SessionState.QUEUED}
        with self.store.write() as tx:
            assert sessions.assign_waiting(tx, "demo", self.at) == []
        assert {session.id for session in self.sessions() if session.state is SessionState.QUEUED} == waiting


@pytest.mark.slow
@given(steps=STEPS, max_sessions=st.integers(1, 3), max_users=st.integers(1, 3), reusable=st.booleans())
@settings(max_examples=10)
def test_rooms_are_shared_out_by_the_rules(
    migrated_sqlite: Path, steps: list[Step], max_sessions: int, max_users: int, reusable: bool
) -> None:
    with TemporaryDirectory() as directory:
        file = shutil.copy(migrated_sqlite, directory)
        store = open_store(f"sqlite:///{file}", Sealer([new_key()]))
        upgrade(store)
        world = World(store, max_sessions=max_sessions, max_users=max_users, reusable=reusable)
        for step in steps:
            before = world.servers()
            world.take(step)
            world.check(before)
        world.check_nobody_waits_for_room_that_there_is()
        store.close()
