"""Servers that are registered by hand, declared beside those that run."""

import pytest

from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.store import sessions
from poolwright.store.servers import get_server, list_servers, lock_server, transition
from poolwright.store.sessions import SessionRequest
from tests.starter.configuration.declarations import Declarations, place

TOWER = "kind: static_server\nname: {name}\npool: {pool}\nzone: here\naddress: 192.0.2.7\n"
SECOND_POOL = "kind: pool\nname: guests\ntype: server\n"


def server(declared: Declarations) -> Server:
    """The only one."""
    with declared.store.read() as tx:
        (found,) = list_servers(tx)
        return found


class TestNames:
    def test_the_host_name_of_a_server_that_exists_is_refused(self, declared: Declarations) -> None:
        (existing,) = declared.reserve("desks-here", 1)
        problem = declared.problem(TOWER.format(name=existing.hostname, pool="desks"))
        expected = ("test.yaml", 2, f"static_server {existing.hostname}", "name", f'"{existing.hostname}"')
        assert place(problem) == expected
        assert problem.what == f"is the host name of server {existing.id} of pool 'desks' already"
        declared.apply(TOWER.format(name="tower", pool="desks"))

    def test_it_is_free_once_that_server_is_deleted(self, declared: Declarations) -> None:
        (existing,) = declared.reserve("desks-here", 1)
        with declared.store.write() as tx:
            row = lock_server(tx, existing.id)
            for state in (ServerState.PREPARING, ServerState.DELETING, ServerState.DELETED):
                transition(tx, row, state, "a test wants it", declared.store.clock())
        declared.apply(TOWER.format(name=existing.hostname, pool="desks"))
        assert server(declared).provider == "static"


class TestMoves:
    @pytest.fixture(autouse=True)
    def _tower(self, declared: Declarations) -> None:
        declared.apply(SECOND_POOL + "---\n" + TOWER.format(name="tower", pool="desks"))

    def test_to_another_pool_it_serves_there(self, declared: Declarations) -> None:
        before = server(declared)
        with declared.store.write() as tx:
            waiting = sessions.request_session(tx, SessionRequest(pool="guests", user="ada"), declared.store.clock())
        declared.apply(TOWER.format(name="tower", pool="guests"))
        with declared.store.read() as tx:
            assert get_server(tx, before.id).pool == "guests"
            assert sessions.get_session(tx, waiting.id).server_id == before.id

    def test_to_a_pool_of_the_other_type_it_is_of_that_type(self, declared: Declarations) -> None:
        declared.apply(TOWER.format(name="tower", pool="agents"))
        assert server(declared).pool_type == "docker_agent"

    def test_with_people_on_it_it_stays(self, declared: Declarations) -> None:
        with declared.store.write() as tx:
            session = sessions.request_session(tx, SessionRequest(pool="desks", user="ada"), declared.store.clock())
        moved = TOWER.format(name="tower", pool="guests")
        problem = declared.problem(moved)
        assert place(problem)[1:] == (3, "static_server tower", "pool", '"guests"')
        assert problem.what == "cannot change from 'desks' while 1 session(s) on it have not ended"
        with declared.store.write() as tx:
            sessions.end_session(tx, session.id, "done", declared.store.clock())
        declared.apply(moved)
        assert server(declared).pool == "guests"
