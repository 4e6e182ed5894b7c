"""Staged sessions: made where there is room, handed to whoever asks for just that, thrown away when they are stale."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from poolwright.domain.scaling import StagingNeed
from poolwright.domain.servers import Session, SessionState, Size
from poolwright.domain.states import ServerState
from poolwright.store import documents, scaling, sessions
from poolwright.store.engine import Store
from tests.installations import save
from tests.store.scenes import AGENTS, AUTOSCALE, NOW, again, agent_pool, end, move, request, running

NIGHT_SHIFT = [{"days": ["monday"], "start": "20:00", "end": "06:00", "timezone": "UTC"}]
"""Not active at `NOW`."""

STAGED, ASSIGNED, QUEUED = SessionState.STAGED, SessionState.ASSIGNED, SessionState.QUEUED


def stage(store: Store, desired: int = 2, **settings: Any) -> None:
    """Staging config `ready`: desks that wait in zone `here`."""
    body = {"workspace": "desk", "zone": "here", "pool": "demo", "desired_sessions": desired, **settings}
    save(store, "staging", "ready", body)


def tend(store: Store, after: timedelta = timedelta()) -> None:
    """What each decision does first."""
    with store.write() as tx:
        sessions.assign_waiting(tx, "demo", NOW + after)


def staged(store: Store) -> Sequence[Session]:
    with store.read() as tx:
        return [session for session in sessions.list_sessions(tx) if session.state is STAGED]


def ends(store: Store) -> list[str | None]:
    """Why sessions have ended."""
    with store.read() as tx:
        return [session.end_reason for session in sessions.list_sessions(tx, ended=True) if session.end_reason]


def configure_agents(store: Store, **changes: Any) -> None:
    save(store, "autoscale", "demo", {**AUTOSCALE, **AGENTS, **changes})


def change_desk(store: Store, at: datetime, **changes: Any) -> None:
    """Apply the workspace `desk` with these settings, by a clock that shows `at`."""
    body = {"name": "desk", "image": "registry.example/desk:1", "cores": 1, "memory_mib": 1024, **changes}
    with store.write() as tx:
        revision = documents.next_revision(tx)
        documents.save_document(
            tx, kind="workspace", name="desk", body=body, facts={}, revision=revision, reshapes=False, now=at
        )


class TestRefilling:
    def test_an_agent_that_comes_is_filled_as_far_as_wanted(self, store: Store) -> None:
        agent_pool(store)
        stage(store, desired=3)
        (agent,) = running(store)
        assert [(one.server_id, one.workspace, one.zone, one.user) for one in staged(store)] == [
            (agent.id, "desk", "here", "")
        ] * 3

    def test_no_more_than_there_is_room_for(self, store: Store) -> None:
        agent_pool(store)
        stage(store, desired=9)
        running(store)
        assert len(staged(store)) == 4
        running(store)
        assert len(staged(store)) == 8

    def test_people_who_wait_come_first(self, store: Store) -> None:
        agent_pool(store)
        waiting = [request(store, f"user-{number}", workspace="desk") for number in range(3)]
        stage(store, desired=3)
        running(store)
        assert all(again(store, session).state is ASSIGNED for session in waiting)
        assert len(staged(store)) == 1

    def test_what_was_handed_over_is_made_again(self, store: Store) -> None:
        agent_pool(store)
        stage(store, desired=2)
        running(store)
        before = {session.id for session in staged(store)}
        request(store, workspace="desk")
        after = {session.id for session in staged(store)}
        assert len(after) == 2
        assert len(after & before) == 1

    def test_only_in_its_zone(self, store: Store) -> None:
        agent_pool(store)
        save(store, "zone", "there", {})
        stage(store, zone="there")
        running(store)
        assert staged(store) == []

    def test_only_on_agents_of_its_config(self, store: Store) -> None:
        agent_pool(store)
        save(store, "autoscale", "other", {**AUTOSCALE, **AGENTS})
        stage(store, autoscale="other")
        running(store)
        assert staged(store) == []
        (agent,) = running(store, autoscale="other")
        assert {one.server_id for one in staged(store)} == {agent.id}


class TestHandingOver:
    @pytest.fixture(autouse=True)
    def two_desks(self, store: Store) -> None:
        agent_pool(store)
        save(store, "zone", "there", {})
        save(store, "workspace", "other", {"image": "registry.example/other:1", "cores": 1, "memory_mib": 1})
        stage(store, desired=2)
        running(store)

    @pytest.mark.parametrize("zone", [None, "here"])
    def test_who_asks_for_just_that_takes_one(self, store: Store, zone: str | None) -> None:
        before = staged(store)
        session = request(store, workspace="desk", zone=zone)
        assert session.state is ASSIGNED
        taken = next(one for one in before if again(store, one).state is SessionState.ENDED)
        assert session.server_id == taken.server_id
        assert again(store, taken).end_reason == f"handed over to session {session.id}"

    @pytest.mark.parametrize(
        "wishes",
        [
            {"workspace": "other"},
            {"workspace": "desk", "zone": "there"},
            {"workspace": "desk", "permissions": {"clipboard_up": False}},
            {"workspace": "desk", "permissions": {"microphone": True}},
        ],
    )
    def test_who_asks_for_anything_else_gets_a_session_of_their_own(self, store: Store, wishes: dict[str, Any]) -> None:
        before = staged(store)
        assert request(store, **wishes).state is ASSIGNED
        assert staged(store) == before

    def test_who_asks_for_permissions_of_the_config_takes_one(self, store: Store) -> None:
        stage(store, desired=1, permissions={"microphone": True})
        tend(store)
        (waiting,) = staged(store)
        request(store, workspace="desk", permissions={"microphone": True})
        assert str(again(store, waiting).end_reason).startswith("handed over")

    def test_the_zone_that_its_workspace_is_pinned_to_goes_before_the_one_asked_for(self, store: Store) -> None:
        change_desk(store, NOW, zone="here")
        tend(store)
        before = {one.id for one in staged(store)}
        session = request(store, workspace="desk", zone="there")
        assert f"handed over to session {session.id}" in ends(store)
        assert len(before & {one.id for one in staged(store)}) == 1

    def test_on_a_full_agent_the_staged_ones_are_room(self, store: Store) -> None:
        stage(store, desired=4)
        tend(store)
        asked = [request(store, f"user-{number}", workspace="desk") for number in range(5)]
        assert [session.state for session in asked] == [ASSIGNED] * 4 + [QUEUED]
        end(store, asked[0])
        assert again(store, asked[4]).state is ASSIGNED


class TestThrowingAway:
    def test_nobody_takes_it_for_too_long(self, store: Store) -> None:
        agent_pool(store)
        stage(store, expiration_seconds=600)
        running(store)
        old = staged(store)
        tend(store, timedelta(seconds=599))
        assert staged(store) == old
        tend(store, timedelta(seconds=600))
        assert len(staged(store)) == 2
        assert not {one.id for one in old} & {one.id for one in staged(store)}
        assert ends(store) == ["nobody took it for 600 s: it is made again"] * 2

    def test_nobody_gets_one_that_is_too_old(self, store: Store) -> None:
        agent_pool(store)
        stage(store, desired=1, expiration_seconds=600)
        running(store)
        request(store, workspace="desk", at=NOW + timedelta(seconds=600))
        assert ends(store) == ["nobody took it for 600 s: it is made again"]

    def test_of_too_many_the_youngest_go(self, store: Store) -> None:
        agent_pool(store)
        stage(store, desired=1)
        running(store)
        (oldest,) = staged(store)
        stage(store, desired=4)
        tend(store, timedelta(minutes=1))
        stage(store, desired=1)
        tend(store, timedelta(minutes=2))
        assert staged(store) == [oldest]
        assert ends(store) == ["staging ready wants 1 session(s) now"] * 3

    def test_one_that_is_too_old_is_not_counted_among_the_wanted(self, store: Store) -> None:
        agent_pool(store)
        stage(store, desired=1, expiration_seconds=600)
        running(store)
        stage(store, desired=2, expiration_seconds=600)
        tend(store, timedelta(minutes=9))
        (_, young) = staged(store)
        stage(store, desired=1, expiration_seconds=600)
        tend(store, timedelta(minutes=10))
        assert staged(store) == [young]

    def test_none_are_wanted_any_more(self, store: Store) -> None:
        agent_pool(store)
        stage(store)
        running(store)
        stage(store, desired=0)
        tend(store)
        assert staged(store) == []

    @pytest.mark.parametrize("change", [{"image": "registry.example/desk:2"}, {"memory_mib": 2048}])
    def test_its_workspace_has_changed_since(self, store: Store, change: dict[str, Any]) -> None:
        agent_pool(store)
        change_desk(store, NOW)
        stage(store, desired=2)
        running(store)
        outdated = staged(store)
        change_desk(store, NOW + timedelta(minutes=1), **change)
        tend(store, timedelta(minutes=1))
        renewed = staged(store)
        assert len(renewed) == 2
        assert not {one.id for one in outdated} & {one.id for one in renewed}
        assert ends(store) == ["the workspace desk was changed after it was started: it is made again"] * 2
        tend(store, timedelta(minutes=2))
        assert staged(store) == renewed

    def test_nobody_gets_one_of_an_older_image(self, store: Store) -> None:
        agent_pool(store)
        change_desk(store, NOW)
        stage(store, desired=1)
        running(store)
        change_desk(store, NOW + timedelta(minutes=1), image="registry.example/desk:2")
        request(store, workspace="desk", at=NOW + timedelta(minutes=1))
        assert ends(store) == ["the workspace desk was changed after it was started: it is made again"]

    def test_one_of_the_newest_image_stays_although_the_clock_of_the_apply_is_ahead(self, store: Store) -> None:
        agent_pool(store)
        change_desk(store, NOW + timedelta(hours=1), image="registry.example/desk:2")
        stage(store)
        running(store)
        before = staged(store)
        tend(store, timedelta(minutes=1))
        assert staged(store) == before
        change_desk(store, NOW + timedelta(hours=1, minutes=1), image="registry.example/desk:3")
        tend(store, timedelta(minutes=2))
        assert len(ends(store)) == 2

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"enabled": False}, "the autoscale config demo is disabled"),
            ({"schedules": NIGHT_SHIFT}, "the autoscale config demo is not active"),
        ],
    )
    def test_its_config_sleeps(self, store: Store, change: dict[str, Any], reason: str) -> None:
        agent_pool(store)
        stage(store)
        running(store)
        configure_agents(store, **change)
        tend(store)
        assert staged(store) == []
        assert [str(one).startswith(reason) for one in ends(store)] == [True, True]
        configure_agents(store)
        tend(store)
        assert len(staged(store)) == 2

    def test_nobody_gets_one_whose_config_sleeps(self, store: Store) -> None:
        agent_pool(store)
        stage(store)
        running(store)
        configure_agents(store, enabled=False)
        assert request(store, workspace="desk").state is QUEUED

    def test_its_server_takes_no_more_sessions(self, store: Store) -> None:
        agent_pool(store)
        stage(store)
        (agent,) = running(store)
        move(store, agent.id, ServerState.DRAINING)
        assert staged(store) == []
        assert ends(store) == ["its server is draining"] * 2
        assert request(store, workspace="desk").state is QUEUED

    def test_its_config_and_its_workspace_changed_together(self, store: Store) -> None:
        agent_pool(store)
        change_desk(store, NOW)
        stage(store)
        running(store)
        change_desk(store, NOW + timedelta(minutes=1), image="registry.example/desk:2")
        stage(store, permissions={"microphone": True})
        tend(store, timedelta(minutes=1))
        assert ends(store) == ["staging ready wants another kind of session now"] * 2

    def test_its_config_fills_another_pool_now(self, store: Store) -> None:
        agent_pool(store)
        stage(store)
        running(store)
        save(store, "pool", "elsewhere", {"type": "docker_agent"})
        stage(store, pool="elsewhere")
        with store.write() as tx:
            sessions.assign_waiting(tx, "elsewhere", NOW)
        assert ends(store) == ["staging ready wants another kind of session now"] * 2

    @pytest.mark.parametrize(
        "change",
        [
            {"workspace": "other"},
            {"zone": "there"},
            {"permissions": {"microphone": True}},
            {"autoscale": "other"},
        ],
    )
    def test_its_config_wants_something_else_now(self, store: Store, change: dict[str, Any]) -> None:
        agent_pool(store)
        save(store, "autoscale", "other", {**AUTOSCALE, **AGENTS})
        save(store, "zone", "there", {})
        save(store, "workspace", "other", {"image": "registry.example/other:1", "cores": 1, "memory_mib": 1})
        stage(store)
        running(store)
        stage(store, **change)
        tend(store)
        assert ends(store) == ["staging ready wants another kind of session now"] * 2


class TestNeeds:
    def test_a_decision_sees_what_is_missing(self, store: Store) -> None:
        agent_pool(store)
        stage(store, desired=3)
        size = Size(cores=1, memory_mib=1024)
        assert self.needs(store, "demo") == [StagingNeed(staging="ready", size=size, missing=3)]
        running(store)
        assert self.needs(store, "demo") == [StagingNeed(staging="ready", size=size, missing=0)]

    def test_only_the_config_that_serves_it_sees_it(self, store: Store) -> None:
        agent_pool(store)
        save(store, "zone", "there", {})
        save(store, "autoscale", "another", {**AUTOSCALE, **AGENTS, "zone": "there"})
        save(store, "autoscale", "later", {**AUTOSCALE, **AGENTS})
        stage(store)
        assert [len(self.needs(store, name)) for name in ("demo", "another", "later")] == [1, 0, 0]
        stage(store, autoscale="later")
        assert [len(self.needs(store, name)) for name in ("demo", "another", "later")] == [0, 0, 1]

    @staticmethod
    def needs(store: Store, autoscale: str) -> list[StagingNeed]:
        with store.write() as tx:
            return list(scaling.take_snapshot(tx, autoscale, NOW).staging)
