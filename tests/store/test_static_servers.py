"""Servers that are registered by hand."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from poolwright.domain.autoscale import Connection, ConnectionType
from poolwright.domain.servers import Server, SessionState
from poolwright.domain.states import ServerState
from poolwright.domain.static_servers import StaticServer
from poolwright.store import sessions
from poolwright.store.engine import Store, utc_now
from poolwright.store.servers import list_servers, live_server_ids, lock_pool
from poolwright.store.static_servers import NameInUse, StillUsed, register, unregister
from poolwright.store.tables import ServerRow
from tests.installations import configure, save


@pytest.fixture(autouse=True)
def demo(store: Store) -> None:
    """The pool `demo` without a server."""
    configure(store, "static", "here")


def declare(store: Store, **changes: object) -> StaticServer:
    """Apply the document of a server `tower` and register it."""
    body = {"pool": "demo", "zone": "here", "address": "192.0.2.7", "connection": {"type": "ssh"}, **changes}
    save(store, "static_server", "tower", body)
    static = StaticServer.model_validate({"name": "tower", **body})
    with store.write() as tx:
        register(tx, static, utc_now())
    return static


def servers(store: Store) -> list[Server]:
    """All that are not deleted."""
    with store.read() as tx:
        return list_servers(tx)


class TestRegistering:
    """A document becomes a running server."""

    def test_it_runs_at_once_and_serves(self, store: Store) -> None:
        declare(store)
        (server,) = servers(store)
        assert (server.hostname, server.state, server.provider) == ("tower", ServerState.RUNNING, "static")
        with store.write() as tx:
            request = sessions.SessionRequest(pool="demo", user="ada")
            assert sessions.request_session(tx, request, utc_now()).server_id == server.id

    def test_whoever_waits_gets_it(self, store: Store) -> None:
        with store.write() as tx:
            waiting = sessions.request_session(tx, sessions.SessionRequest(pool="demo", user="ada"), utc_now())
        declare(store)
        with store.read() as tx:
            assert sessions.get_session(tx, waiting.id).state is SessionState.ASSIGNED

    def test_again_is_the_same_server_with_the_new_values(self, store: Store) -> None:
        declare(store)
        declare(store, address="192.0.2.8", max_sessions=4)
        (server,) = servers(store)
        assert (server.address, server.max_sessions) == ("192.0.2.8", 4)

    def test_no_life_is_ever_started_for_it(self, store: Store) -> None:
        declare(store)
        with store.read() as tx:
            assert live_server_ids(tx) == []

    def test_a_name_that_another_server_has_is_refused(self, store: Store) -> None:
        declare(store)
        other = StaticServer(
            name="tower", pool="demo", zone="here", address="192.0.2.9", connection=Connection(type=ConnectionType.RDP)
        )
        with store.write() as tx:
            row = servers(store)[0]
            tx.get_one(ServerRow, row.id).provider = "sim"
            tx.flush()
            with pytest.raises(NameInUse, match="another server has the host name 'tower'"):
                register(tx, other, utc_now())

    def test_disabled_takes_nothing_new_and_enabled_serves_again(self, store: Store) -> None:
        declare(store, enabled=False)
        assert servers(store)[0].state is ServerState.DRAINING
        declare(store)
        assert servers(store)[0].state is ServerState.RUNNING


class TestUnregistering:
    """The row goes; the machine is left alone."""

    def test_a_free_one_goes(self, store: Store) -> None:
        declare(store)
        with store.write() as tx:
            unregister(tx, "tower", utc_now())
            unregister(tx, "tower", utc_now())
        assert servers(store) == []

    def test_one_with_people_on_it_stays(self, store: Store) -> None:
        declare(store)
        with store.write() as tx:
            sessions.request_session(tx, sessions.SessionRequest(pool="demo", user="ada"), utc_now())
        with store.write() as tx, pytest.raises(StillUsed, match="1 session"):
            unregister(tx, "tower", utc_now())
        assert servers(store)[0].state is ServerState.RUNNING

    def test_somebody_who_gets_it_in_the_same_moment_keeps_it(self, store: Store) -> None:
        declare(store)
        with store.write() as tx, ThreadPoolExecutor(1) as other:
            lock_pool(tx, "demo")
            attempt = other.submit(self.unregister, store)
            wait([attempt], timeout=0.3)
            session = sessions.request_session(tx, sessions.SessionRequest(pool="demo", user="ada"), utc_now())
            tx.commit()
            with pytest.raises(StillUsed, match="1 session"):
                attempt.result(timeout=30)
        assert session.state is SessionState.ASSIGNED
        assert servers(store)[0].state is ServerState.RUNNING

    @staticmethod
    def unregister(store: Store) -> None:
        with store.write() as tx:
            unregister(tx, "tower", utc_now())
