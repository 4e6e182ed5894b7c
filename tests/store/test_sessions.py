"""Sessions: asked for, placed, ended. One pool at a time, in order."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from poolwright.domain.servers import SessionKind, SessionState
from poolwright.domain.states import ServerState
from poolwright.store import documents, sessions
from poolwright.store.documents import UnknownDocument
from poolwright.store.engine import Store
from poolwright.store.pool_views import waiting_sessions
from poolwright.store.sessions import SessionRefused, UnknownSession
from tests.installations import save
from tests.store.scenes import NOW, again, agent_pool, at_once, end, move, request, reserve, running, server_pool

SECOND = timedelta(seconds=1)
QUEUED, ASSIGNED, ENDED = SessionState.QUEUED, SessionState.ASSIGNED, SessionState.ENDED


class TestManyAtOnce:
    """People who ask in the same moment."""

    def test_nobody_shares_a_server_for_one(self, store: Store) -> None:
        server_pool(store)
        running(store, 8)
        asked = at_once(20, lambda number: request(store, f"user-{number}"))
        found = [again(store, session) for session in asked]
        taken = Counter(session.server_id for session in found if session.state is ASSIGNED)
        assert len(taken) == 8
        assert set(taken.values()) == {1}
        assert sum(session.state is QUEUED for session in found) == 12

    def test_places_that_are_freed_meanwhile_are_given_once(self, store: Store) -> None:
        server_pool(store, reusable=True)
        running(store, 6)
        old = [request(store, f"old-{number}") for number in range(6)]

        def end_or_ask(number: int) -> None:
            if number < 6:
                end(store, old[number])
            else:
                request(store, f"new-{number}")

        at_once(18, end_or_ask)
        with store.read() as tx:
            live = sessions.list_sessions(tx)
        taken = Counter(session.server_id for session in live if session.state is ASSIGNED)
        assert len(taken) == 6
        assert set(taken.values()) == {1}

    def test_one_request_key_is_one_session(self, store: Store) -> None:
        server_pool(store)
        running(store, 8)
        asked = at_once(8, lambda _: request(store, request_key="portal-17"))
        assert len({session.id for session in asked}) == 1
        with store.read() as tx:
            assert len(sessions.list_sessions(tx, ended=True)) == 1

    def test_servers_become_ready_while_people_ask(self, store: Store) -> None:
        server_pool(store)
        coming = reserve(store, count=6)

        def come_or_ask(number: int) -> None:
            if number < 6:
                move(store, coming[number], ServerState.RUNNING)
            else:
                request(store, f"user-{number}")

        at_once(12, come_or_ask)
        with store.read() as tx:
            assert Counter(session.state for session in sessions.list_sessions(tx)) == {ASSIGNED: 6}


class TestQueue:
    def test_first_come_first_served(self, store: Store) -> None:
        server_pool(store)
        waiting = [request(store, f"user-{number}", NOW + number * SECOND) for number in range(3)]
        running(store, 2)
        assert [again(store, session).state for session in waiting] == [ASSIGNED, ASSIGNED, QUEUED]

    def test_a_higher_priority_goes_first(self, store: Store) -> None:
        server_pool(store)
        patient = request(store, "ada")
        urgent = request(store, "grace", NOW + SECOND, priority=5)
        running(store)
        assert again(store, urgent).state is ASSIGNED
        assert again(store, patient).state is QUEUED

    def test_they_wait_in_the_order_in_which_they_are_served(self, store: Store) -> None:
        server_pool(store)
        first = request(store, "ada")
        second = request(store, "grace", NOW + SECOND)
        urgent = request(store, "linus", NOW + 2 * SECOND, priority=1)
        with store.read() as tx:
            assert [one.id for one in waiting_sessions(tx, "demo")] == [urgent.id, first.id, second.id]
            assert sessions.still_queued(tx, [first.id, second.id, "n0"]) == {first.id, second.id}
        end(store, urgent)
        running(store)
        with store.read() as tx:
            assert [one.id for one in waiting_sessions(tx, "demo")] == [second.id]

    def test_it_says_why_somebody_waits(self, store: Store) -> None:
        server_pool(store)
        first = request(store, "ada")
        with store.read() as tx:
            assert sessions.waits_because(tx, first.id) == "No server of the pool is running."
        running(store)
        second = request(store, "grace")
        with store.read() as tx:
            assert sessions.waits_because(tx, first.id) is None
            assert sessions.waits_because(tx, second.id) == "The only running server is full."
            assert sessions.waits_because(tx, "n0") is None

    def test_whoever_waited_too_long_is_told(self, store: Store) -> None:
        server_pool(store)
        save(store, "pool", "demo", {"type": "server", "queue_expiry_seconds": 60})
        waiting = request(store)
        assert waiting.expires_at == NOW + timedelta(seconds=60)
        with store.write() as tx:
            sessions.assign_waiting(tx, "demo", NOW + timedelta(seconds=59))
        assert again(store, waiting).state is QUEUED
        with store.write() as tx:
            sessions.assign_waiting(tx, "demo", NOW + timedelta(seconds=60))
        expired = again(store, waiting)
        assert (expired.state, expired.ended_at) == (ENDED, NOW + timedelta(seconds=60))
        assert expired.end_reason == (
            "waited 60 s without capacity, the pool's limit; No server of the pool is running."
        )

    def test_whoever_has_waited_too_long_gets_no_server_that_comes_then(self, store: Store) -> None:
        server_pool(store)
        save(store, "pool", "demo", {"type": "server", "queue_expiry_seconds": 60})
        waiting = request(store)
        running(store, at=NOW + timedelta(minutes=2))
        assert again(store, waiting).state is ENDED

    def test_a_session_without_room_does_not_hold_up_those_behind_it(self, store: Store) -> None:
        agent_pool(store)
        save(store, "workspace", "huge", {"image": "registry.example/huge:1", "cores": 64, "memory_mib": 1024})
        running(store)
        huge = request(store, "ada", workspace="huge")
        small = request(store, "grace", NOW + SECOND, workspace="desk")
        assert (again(store, huge).state, small.state) == (QUEUED, ASSIGNED)


class TestRequest:
    def test_with_room_it_is_served_at_once(self, store: Store) -> None:
        server_pool(store)
        (server,) = running(store)
        session = request(store, kind="app")
        assert (session.state, session.server_id, session.assigned_at) == (ASSIGNED, server.id, NOW)
        assert session.kind is SessionKind.APP

    @pytest.mark.parametrize(
        "state", [state for state in ServerState if state not in (ServerState.RUNNING, ServerState.DELETED)]
    )
    def test_only_running_servers_serve(self, store: Store, state: ServerState) -> None:
        server_pool(store)
        (server_id,) = reserve(store)
        move(store, server_id, state)
        assert request(store).state is QUEUED

    def test_the_same_key_gives_the_same_session_as_it_is_now(self, store: Store) -> None:
        server_pool(store)
        running(store)
        session = request(store, request_key="portal-17")
        end(store, session)
        assert request(store, request_key="portal-17") == again(store, session)
        assert request(store, request_key="portal-18").id != session.id

    def test_a_repeat_is_answered_also_after_its_zone_is_deleted(self, store: Store) -> None:
        server_pool(store)
        save(store, "zone", "there", {})
        session = request(store, request_key="portal-17", zone="there")
        with store.write() as tx:
            documents.delete_document(tx, "zone", "there")
        assert request(store, request_key="portal-17", zone="there") == session

    def test_an_unknown_pool_workspace_or_zone_is_named(self, store: Store) -> None:
        server_pool(store)
        wrong: dict[str, dict[str, Any]] = {
            "no pool 'nowhere'": {"pool": "nowhere"},
            "no workspace 'gone'": {"workspace": "gone"},
            "no zone 'moon'": {"zone": "moon"},
        }
        for problem, wishes in wrong.items():
            with pytest.raises(UnknownDocument, match=problem):
                request(store, **wishes)
        with store.read() as tx:
            assert sessions.list_sessions(tx, ended=True) == []

    def test_nobody_in_particular_is_refused(self, store: Store) -> None:
        server_pool(store)
        with pytest.raises(SessionRefused, match="needs a user"):
            request(store, "  ")

    def test_a_container_needs_a_workspace(self, store: Store) -> None:
        agent_pool(store)
        with pytest.raises(SessionRefused, match="name the workspace to start"):
            request(store)


class TestEnd:
    def test_it_may_be_repeated_after_its_pool_is_deleted(self, store: Store) -> None:
        server_pool(store)
        ended = end(store, request(store))
        with store.write() as tx:
            documents.delete_document(tx, "pool", "demo")
        assert end(store, ended, at=NOW + SECOND) == ended

    def test_it_may_be_repeated(self, store: Store) -> None:
        server_pool(store)
        running(store)
        session = request(store)
        first = end(store, session, NOW + SECOND)
        assert (first.state, first.ended_at, first.end_reason) == (ENDED, NOW + SECOND, "done")
        with store.write() as tx:
            assert sessions.end_session(tx, session.id, "something else", NOW + 2 * SECOND) == first

    def test_who_waits_may_go(self, store: Store) -> None:
        server_pool(store)
        waiting = request(store)
        end(store, waiting)
        running(store)
        assert again(store, waiting).server_id is None

    def test_its_place_goes_to_the_next(self, store: Store) -> None:
        server_pool(store, reusable=True)
        (server,) = running(store)
        first, second = request(store, "ada"), request(store, "grace")
        end(store, first)
        assert again(store, second).server_id == server.id

    def test_a_server_that_serves_one_round_takes_nobody_after_it(self, store: Store) -> None:
        server_pool(store, max_sessions_per_server=3, max_users_per_server=3)
        running(store)
        first, second = request(store, "ada"), request(store, "grace")
        assert second.state is ASSIGNED
        end(store, first)
        third = request(store, "linus")
        assert third.state is QUEUED
        end(store, second)
        assert again(store, third).state is QUEUED

    def test_an_unknown_one_is_named(self, store: Store) -> None:
        server_pool(store)
        with store.write() as tx, pytest.raises(UnknownSession, match="no session 'n0'"):
            sessions.end_session(tx, "n0", "done", NOW)
        with store.read() as tx, pytest.raises(UnknownSession, match="no session 'n0'"):
            sessions.get_session(tx, "n0")

    def test_all_of_a_server_end_with_its_reason(self, store: Store) -> None:
        server_pool(store, max_sessions_per_server=2, max_users_per_server=2)
        (server,) = running(store)
        live = [request(store, "ada"), request(store, "grace")]
        with store.write() as tx:
            assert sessions.live_sessions(tx, server.id) == 2
            assert sessions.end_sessions_of_server(tx, server.id, "its server failed", NOW + SECOND) == 2
            assert sessions.end_sessions_of_server(tx, server.id, "once more", NOW + 2 * SECOND) == 0
            assert sessions.live_sessions(tx, server.id) == 0
        for session in live:
            ended = again(store, session)
            assert (ended.end_reason, ended.ended_at) == ("its server failed", NOW + SECOND)


class TestPlaces:
    def test_people_are_spread_evenly(self, store: Store) -> None:
        server_pool(store, max_sessions_per_server=2, max_users_per_server=2)
        running(store, 2)
        servers = {request(store, user).server_id for user in ("ada", "grace")}
        assert len(servers) == 2

    def test_a_server_for_few_people_takes_no_more(self, store: Store) -> None:
        connection = {"type": "rdp"}
        server_pool(store, max_sessions_per_server=9, max_users_per_server=1, connection=connection)
        running(store)
        assert request(store, "ada").state is ASSIGNED
        assert request(store, "ada", kind="app").state is ASSIGNED
        assert request(store, "grace").state is QUEUED

    def test_one_person_gets_one_desktop_on_a_server(self, store: Store) -> None:
        server_pool(store, max_sessions_per_server=9, max_users_per_server=9)
        running(store)
        request(store, "ada")
        second = request(store, "ada")
        with store.read() as tx:
            assert "already has a desktop of this person" in str(sessions.waits_because(tx, second.id))

    def test_a_person_gets_the_same_server_again(self, store: Store) -> None:
        server_pool(store, reusable=True)
        save(store, "pool", "demo", {"type": "server", "server_assignment_enabled": True})
        running(store, 3)
        others = request(store, "grace")
        first = request(store, "ada")
        end(store, others)
        end(store, first)
        assert request(store, "ada").server_id == first.server_id
        assert request(store, "grace").server_id == others.server_id

    def test_another_server_if_that_one_is_taken(self, store: Store) -> None:
        server_pool(store, reusable=True)
        save(store, "pool", "demo", {"type": "server", "server_assignment_enabled": True})
        (server,) = running(store)
        end(store, request(store, "ada"))
        assert request(store, "grace").server_id == server.id
        (second,) = running(store)
        session = request(store, "ada")
        assert session.server_id == second.id
        end(store, session)
        assert request(store, "ada").server_id == second.id

    def test_without_that_setting_nothing_is_remembered(self, store: Store) -> None:
        server_pool(store, reusable=True)
        running(store, 2)
        first = request(store, "ada")
        end(store, first)
        other = request(store, "grace")
        assert other.server_id == first.server_id


class TestLists:
    def test_ended_ones_only_if_asked_for(self, store: Store) -> None:
        server_pool(store)
        (server,) = running(store)
        served = request(store, "ada")
        waiting = request(store, "grace", NOW + SECOND)
        ended = end(store, request(store, "linus", NOW + 2 * SECOND))
        with store.read() as tx:
            assert [one.id for one in sessions.list_sessions(tx)] == [served.id, waiting.id]
            assert [one.id for one in sessions.list_sessions(tx, ended=True)] == [served.id, waiting.id, ended.id]
            assert [one.id for one in sessions.list_sessions(tx, server_id=server.id)] == [served.id]
            assert [one.id for one in sessions.list_sessions(tx, ended=True, newest=1)] == [ended.id]
            assert sessions.list_sessions(tx, pool="other") == []
            assert sessions.count_sessions(tx) == {"demo": {ASSIGNED: 1, QUEUED: 1}}
