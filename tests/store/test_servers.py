"""Server rows: one way in which a state changes, and the reads."""

from datetime import timedelta

import pytest

from poolwright.domain.servers import CheckInStatus
from poolwright.domain.states import TRANSITIONS, IllegalTransition, ServerState
from poolwright.store.check_ins import record_check_in
from poolwright.store.documents import UnknownDocument
from poolwright.store.engine import Store
from poolwright.store.servers import (
    UnknownServer,
    count_servers,
    find_server,
    get_server,
    history,
    list_servers,
    live_server_ids,
    lock_pool,
    lock_server,
    note,
    state_of,
    transition,
)
from poolwright.store.tables import ServerRow
from tests.installations import save
from tests.store.scenes import AUTOSCALE, NOW, move, reserve, running, server_pool

LATER = NOW + timedelta(minutes=5)


class TestTransition:
    def test_every_edge_of_the_table_is_taken_and_told(self, store: Store) -> None:
        server_pool(store)
        (server_id,) = reserve(store)
        for start, end in TRANSITIONS:
            with store.write() as tx:
                row = lock_server(tx, server_id)
                row.state = start
                transition(tx, row, end, f"{start} to {end}", LATER)
            with store.read() as tx:
                server, last = get_server(tx, server_id), history(tx, server_id)[-1]
            assert (server.state, server.state_since, server.message) == (end, LATER, f"{start} to {end}")
            assert (last.at, last.from_state, last.to_state, last.reason) == (LATER, start, end, f"{start} to {end}")

    def test_every_other_edge_is_refused_and_leaves_no_trace(self, store: Store) -> None:
        server_pool(store)
        (server_id,) = reserve(store)
        others = [(start, end) for start in ServerState for end in ServerState if (start, end) not in TRANSITIONS]
        assert len(others) == len(ServerState) ** 2 - len(TRANSITIONS)
        with store.write() as tx:
            row = lock_server(tx, server_id)
            for start, end in others:
                row.state = start
                with pytest.raises(IllegalTransition, match=f"is {start} cannot become {end}"):
                    transition(tx, row, end, "never", LATER)
                assert row.state == start
            assert (row.message, row.state_since) == ("a test wants it", NOW)
            assert len(history(tx, server_id)) == 1
            tx.rollback()

    def test_times_of_the_first_of_each_step_are_kept(self, store: Store) -> None:
        server_pool(store)
        (server_id,) = reserve(store)
        move(store, server_id, ServerState.CREATING, NOW + timedelta(minutes=1))
        move(store, server_id, ServerState.RUNNING, NOW + timedelta(minutes=2))
        move(store, server_id, ServerState.DRAINING, NOW + timedelta(minutes=3))
        server = move(store, server_id, ServerState.RUNNING, NOW + timedelta(minutes=4))
        assert server.creating_at == NOW + timedelta(minutes=1)
        assert server.running_at == NOW + timedelta(minutes=2)
        assert server.state_since == NOW + timedelta(minutes=4)

    def test_a_failure_keeps_its_reason_while_it_is_deleted(self, store: Store) -> None:
        server_pool(store)
        (server_id,) = reserve(store)
        move(store, server_id, ServerState.FAILED)
        server = move(store, server_id, ServerState.DELETED)
        assert (server.failure_reason, server.message) == ("a test wants it failed", "a test wants it deleted")

    def test_whoever_serves_again_has_no_reason_to_drain(self, store: Store) -> None:
        server_pool(store)
        (server,) = running(store)
        move(store, server.id, ServerState.DRAINING)
        with store.write() as tx:
            lock_server(tx, server.id).drain_reason = "operator"
        move(store, server.id, ServerState.RUNNING)
        with store.read() as tx:
            assert tx.get_one(ServerRow, server.id).drain_reason is None


class TestStory:
    def test_a_note_keeps_the_state(self, store: Store) -> None:
        server_pool(store)
        (server_id,) = reserve(store)
        with store.write() as tx:
            note(tx, lock_server(tx, server_id), "it waits for the quota", LATER)
        with store.read() as tx:
            entry, server = history(tx, server_id)[-1], get_server(tx, server_id)
        assert (entry.from_state, entry.to_state) == (ServerState.REQUESTED, ServerState.REQUESTED)
        assert (server.message, server.state_since) == ("it waits for the quota", NOW)

    def test_a_note_that_repeats_what_it_says_is_no_new_line(self, store: Store) -> None:
        server_pool(store)
        (server_id,) = reserve(store)
        for _ in range(3):
            with store.write() as tx:
                note(tx, lock_server(tx, server_id), "it waits for the quota", LATER)
        with store.read() as tx:
            assert len(history(tx, server_id)) == 2

    def test_a_report_speaks_for_the_server_while_its_script_works(self, store: Store) -> None:
        server_pool(store)
        (server_id,) = reserve(store)
        with store.write() as tx:
            record_check_in(tx, server_id, CheckInStatus.CONFIGURING, "installing packages", 40, LATER)
        server = move(store, server_id, ServerState.CONFIGURING)
        assert (server.message, server.progress, server.last_reported_at) == ("installing packages", 40, LATER)
        assert move(store, server_id, ServerState.RUNNING).message == "a test wants it running"

    def test_an_unknown_server_has_no_story(self, store: Store) -> None:
        with store.read() as tx:
            assert history(tx, "s0") == []


class TestFinding:
    def test_by_id_or_host_name(self, store: Store) -> None:
        server_pool(store)
        (server,) = running(store)
        with store.read() as tx:
            assert find_server(tx, server.id) == find_server(tx, "demo-001") == get_server(tx, server.id)

    def test_a_live_server_comes_before_a_younger_one_that_is_deleted(self, store: Store) -> None:
        server_pool(store)
        (live,) = reserve(store)
        self._delete_another_of_the_same_name(store, live, LATER)
        with store.read() as tx:
            assert find_server(tx, "demo-001").id == live

    def test_of_deleted_ones_the_youngest(self, store: Store) -> None:
        server_pool(store)
        (old,) = reserve(store, at=NOW)
        move(store, old, ServerState.DELETED)
        (young,) = reserve(store, at=LATER)
        move(store, young, ServerState.DELETED)
        with store.read() as tx:
            assert find_server(tx, "demo-001").id == young

    def test_an_id_comes_before_a_host_name(self, store: Store) -> None:
        server_pool(store)
        first, second = reserve(store, count=2)
        with store.write() as tx:
            lock_server(tx, second).hostname = first
        with store.read() as tx:
            assert find_server(tx, first).id == first

    def test_an_unknown_one_is_named(self, store: Store) -> None:
        with store.read() as tx, pytest.raises(UnknownServer, match="no server with the id or host name 'tower'"):
            find_server(tx, "tower")
        with store.read() as tx, pytest.raises(UnknownServer, match="no server 's0'"):
            get_server(tx, "s0")
        with store.read() as tx, pytest.raises(UnknownServer, match="no server 's0'"):
            state_of(tx, "s0")
        with store.write() as tx, pytest.raises(UnknownServer, match="no server 's0'"):
            lock_server(tx, "s0")
        with store.write() as tx, pytest.raises(UnknownDocument, match="no pool 'tower'"):
            lock_pool(tx, "tower")

    @staticmethod
    def _delete_another_of_the_same_name(store: Store, live: str, at: object) -> None:
        with store.write() as tx:
            row = lock_server(tx, live)
            values = {column.key: getattr(row, column.key) for column in ServerRow.__table__.columns}
            gone = {"id": "s1", "state": ServerState.DELETED, "created_at": at, "decision_id": None}
            tx.add(ServerRow(**{**values, **gone}))


class TestLists:
    @pytest.fixture(autouse=True)
    def two_pools(self, store: Store) -> None:
        server_pool(store)
        save(store, "pool", "other", {"type": "server"})
        save(store, "autoscale", "other", {**AUTOSCALE, "pool": "other"})
        first, second, third = reserve(store, count=3)
        move(store, first, ServerState.RUNNING)
        move(store, second, ServerState.DELETED)
        move(store, third, ServerState.FAILED)
        reserve(store, autoscale="other", at=NOW - timedelta(hours=1))

    def test_deleted_ones_only_if_asked_for(self, store: Store) -> None:
        with store.read() as tx:
            assert len(list_servers(tx)) == 3
            assert len(list_servers(tx, deleted=True)) == 4
            assert len(live_server_ids(tx)) == 3

    def test_oldest_first(self, store: Store) -> None:
        with store.read() as tx:
            assert list_servers(tx)[0].pool == "other"

    def test_of_one_pool(self, store: Store) -> None:
        with store.read() as tx:
            assert {server.pool for server in list_servers(tx, pool="other")} == {"other"}
            assert list_servers(tx, pool="nowhere") == []

    def test_in_some_states(self, store: Store) -> None:
        with store.read() as tx:
            found = list_servers(tx, pool="demo", states=[ServerState.FAILED, ServerState.DELETED])
        assert {server.state for server in found} == {ServerState.FAILED, ServerState.DELETED}

    def test_counted_by_pool_and_state(self, store: Store) -> None:
        with store.read() as tx:
            assert count_servers(tx) == {
                "demo": {ServerState.RUNNING: 1, ServerState.FAILED: 1},
                "other": {ServerState.REQUESTED: 1},
            }
