import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from poolwright.domain.planning import plan
from poolwright.domain.servers import CheckInStatus
from poolwright.domain.states import ServerState
from poolwright.store import scaling
from poolwright.store.api_keys import Role, list_keys, revoke_key
from poolwright.store.check_ins import record_check_in
from poolwright.store.secrets import all_secrets
from poolwright.store.servers import lock_server
from poolwright.store.sessions import end_sessions_of_server
from tests.starter.endpoint.world import AUTOSCALE, PASSWORD, POOL, World

SHAPE = {
    "id",
    "pool",
    "user",
    "kind",
    "workspace",
    "zone",
    "state",
    "server",
    "connection",
    "no_connection_because",
    "queued_seconds",
    "position",
    "waits_because",
    "decided",
    "progress",
    "requested_at",
    "assigned_at",
    "ended_at",
    "end_reason",
}


async def ask(client: httpx.AsyncClient, user: str = "ada", **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/sessions", json={"pool": POOL, "user": user, **more})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert set(body) == SHAPE
    return dict(body)


class TestRequest:
    async def test_with_room_it_is_assigned_at_once(self, broker: httpx.AsyncClient, world: World) -> None:
        server = world.server()
        session = await ask(broker)
        assert session["state"] == "assigned"
        assert session["server"] == {
            "id": server,
            "hostname": "desk-0001",
            "address": "192.0.2.7",
            "state": "running",
        }
        assert session["connection"] == {
            "type": "vnc",
            "address": "192.0.2.7",
            "hostname": "desk-0001",
            "port": 5901,
            "credential_type": "static",
            "username": "user",
            "password": PASSWORD,
            "private_key": None,
            "private_key_passphrase": None,
            "ask_for": [],
            "info": {"colours": 24},
        }
        assert session["queued_seconds"] == 0
        assert session["assigned_at"] is not None
        assert (session["position"], session["progress"], session["waits_because"]) == (None, None, None)

    async def test_without_room_it_is_queued_and_says_why(self, broker: httpx.AsyncClient) -> None:
        first, second = await ask(broker), await ask(broker, "bob")
        assert (first["state"], first["position"], second["position"]) == ("queued", 1, 2)
        assert first["waits_because"] == "No server of the pool is running."
        assert (first["server"], first["connection"], first["progress"]) == (None, None, None)

    async def test_who_waits_is_told_what_was_decided(self, broker: httpx.AsyncClient, world: World) -> None:
        def decide() -> None:
            with world.store.write() as tx:
                now = world.store.clock()
                snapshot = scaling.take_snapshot(tx, AUTOSCALE, now)
                scaling.record_plan(tx, snapshot, plan(snapshot, now))

        decide()
        session = await ask(broker)
        assert session["decided"] == [], "that decision did not know of it"
        decide()
        answer = (await broker.get(f"/api/sessions/{session['id']}")).json()
        assert any("1 waiting session finds no room on what there is" in reason for reason in answer["decided"])
        (listed,) = (await broker.get("/api/sessions")).json()["sessions"]
        assert listed["decided"] == []

    async def test_who_waits_where_nothing_decides_is_told_so(self, broker: httpx.AsyncClient, world: World) -> None:
        world.declare_pool("by-hand")
        session = await ask(broker, pool="by-hand")
        assert session["decided"] == [
            "The pool by-hand has no autoscale config: nothing makes or deletes servers in it."
        ]

    async def test_it_wakes_the_scaling_loop(self, app: FastAPI, broker: httpx.AsyncClient, world: World) -> None:
        await ask(broker)
        await app.state.sessions.finish()
        assert world.signals.scaled == [AUTOSCALE]

    async def test_a_rush_of_requests_wakes_it_a_few_times_only(
        self, app: FastAPI, broker: httpx.AsyncClient, world: World
    ) -> None:
        await asyncio.gather(*(ask(broker, f"user-{n}") for n in range(20)))
        await app.state.sessions.finish()
        assert 1 <= len(world.signals.scaled) <= 4

    async def test_it_does_not_need_temporal(
        self, app: FastAPI, broker: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.server()
        world.signals.away = True
        assert (await ask(broker))["state"] == "assigned"
        await app.state.sessions.finish()
        assert f"the scaling loop of {AUTOSCALE} was not told" in caplog.text

    @pytest.mark.parametrize(
        ("body", "status", "says"),
        [
            ({"pool": "nowhere", "user": "ada"}, 404, "no pool 'nowhere'"),
            ({"pool": POOL, "user": "ada", "workspace": "none"}, 404, "no workspace 'none'"),
            ({"pool": POOL, "user": "ada", "zone": "moon"}, 404, "no zone 'moon'"),
            ({"pool": POOL, "user": " "}, 422, "a session needs a user"),
            ({"pool": POOL, "user": ""}, 422, "body.user"),
            ({"pool": POOL, "user": "a\0"}, 422, "must not contain NUL"),
            ({"pool": POOL, "user": "a" * 256}, 422, "body.user"),
            ({"pool": "Not A Name", "user": "ada"}, 422, "body.pool"),
            ({"pool": POOL, "user": "ada", "kind": "game"}, 422, "'desktop' or 'app'"),
            ({"pool": POOL, "user": "ada", "priority": 10**30}, 422, "body.priority"),
            ({"pool": POOL, "user": "ada", "usr": 1}, 422, "body.usr is not a key that is known here"),
            ({"pool": POOL, "user": "ada", "\x1b[1m": 1}, 422, r"body.\x1b[1m is not a key that is known here"),
            ({"user": "ada"}, 422, "body.pool is missing"),
        ],
    )
    async def test_what_makes_no_sense_is_refused(
        self, broker: httpx.AsyncClient, body: dict[str, Any], status: int, says: str
    ) -> None:
        answer = await broker.post("/api/sessions", json=body)
        assert (answer.status_code, says in answer.json()["error"]) == (status, True), answer.text

    async def test_agents_need_a_workspace(self, broker: httpx.AsyncClient, world: World) -> None:
        world.declare("pool", "agents", {"type": "docker_agent"})
        answer = await broker.post("/api/sessions", json={"pool": "agents", "user": "ada"})
        assert (answer.status_code, "workspace" in answer.json()["error"]) == (422, True)


class TestIdempotencyKey:
    async def test_the_same_key_gives_the_same_session(self, broker: httpx.AsyncClient) -> None:
        body = {"pool": POOL, "user": "ada"}
        answers = await asyncio.gather(
            *(broker.post("/api/sessions", json=body, headers={"Idempotency-Key": "one"}) for _ in range(5))
        )
        assert len({answer.json()["id"] for answer in answers}) == 1

    async def test_the_same_key_for_somebody_else_is_refused(self, broker: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "one"}
        await broker.post("/api/sessions", json={"pool": POOL, "user": "ada"}, headers=headers)
        answer = await broker.post("/api/sessions", json={"pool": POOL, "user": "bob"}, headers=headers)
        assert (answer.status_code, "idempotency key" in answer.json()["error"]) == (409, True)

    async def test_keys_of_two_brokers_are_two(self, broker: httpx.AsyncClient, world: World) -> None:
        body, headers = {"pool": POOL, "user": "ada"}, {"Idempotency-Key": "one"}
        other = headers | {"Authorization": f"Bearer {world.key(Role.BROKER)}"}
        first = await broker.post("/api/sessions", json=body, headers=headers)
        second = await broker.post("/api/sessions", json=body, headers=other)
        assert first.json()["id"] != second.json()["id"]

    @pytest.mark.parametrize("key", ["", "a b", "x" * 81, "\u00fc"])
    async def test_an_odd_key_is_refused(self, broker: httpx.AsyncClient, key: str) -> None:
        headers = [(b"Idempotency-Key", key.encode())]
        answer = await broker.post("/api/sessions", json={"pool": POOL, "user": "ada"}, headers=headers)
        assert answer.status_code == 422


class TestProgress:
    async def test_those_who_wait_see_the_server_that_comes(self, broker: httpx.AsyncClient, world: World) -> None:
        near = world.server(ServerState.CONFIGURING)
        world.server(ServerState.CREATING)
        with world.store.write() as tx:
            record_check_in(tx, near, CheckInStatus.CONFIGURING, "installing", 60, world.store.clock())
        progress = [(await ask(broker, user))["progress"] for user in ("ada", "bob", "cleo", "dan", "eve")]
        assert progress[:2] == [{"percent": 60, "message": "installing"}] * 2
        assert progress[2:4] == [{"percent": None, "message": "it is creating"}] * 2
        assert progress[4] is None


class TestLook:
    async def test_a_session_is_found(self, broker: httpx.AsyncClient, world: World) -> None:
        world.server()
        session = await ask(broker)
        assert (await broker.get(f"/api/sessions/{session['id']}")).json() == session

    async def test_an_unknown_one_is_not(self, broker: httpx.AsyncClient) -> None:
        answer = await broker.get("/api/sessions/nothing")
        assert (answer.status_code, answer.json()["error"][:29]) == (404, "there is no session 'nothing'")

    async def test_the_list_shows_live_sessions_without_credentials(
        self, broker: httpx.AsyncClient, world: World
    ) -> None:
        world.server()
        users = ["ada", "bob", "cleo"]
        ids = [(await ask(broker, user))["id"] for user in users]
        await broker.post(f"/api/sessions/{ids[1]}/end")
        answer = await broker.get("/api/sessions", params={"pool": POOL})
        assert [one["user"] for one in answer.json()["sessions"]] == ["ada", "cleo"]
        assert PASSWORD not in answer.text
        everyone = await broker.get("/api/sessions", params={"all": True})
        assert [one["user"] for one in everyone.json()["sessions"]] == users
        newest = await broker.get("/api/sessions", params={"all": True, "limit": 2})
        assert [one["user"] for one in newest.json()["sessions"]] == users[1:]
        world.declare_pool("empty")
        assert (await broker.get("/api/sessions", params={"pool": "empty"})).json() == {"sessions": []}

    async def test_a_list_of_an_unknown_pool_is_not_found(self, broker: httpx.AsyncClient) -> None:
        answer = await broker.get("/api/sessions", params={"pool": "nowhere"})
        assert (answer.status_code, answer.json()["error"]) == (404, "there is no pool 'nowhere'")


class TestEnd:
    async def test_it_ends_with_the_reason(self, broker: httpx.AsyncClient, world: World) -> None:
        world.server()
        session = await ask(broker)
        answer = await broker.post(f"/api/sessions/{session['id']}/end", json={"reason": "went home"})
        ended = answer.json()
        assert (answer.status_code, ended["state"], ended["end_reason"]) == (200, "ended", "went home")
        assert (ended["connection"], ended["server"]["hostname"]) == (None, "desk-0001")
        assert ended["ended_at"] is not None

    async def test_without_a_reason_it_says_who(self, broker: httpx.AsyncClient, world: World) -> None:
        answer = await broker.delete(f"/api/sessions/{world.request().id}")
        assert answer.json()["end_reason"].startswith("ended by broker-")

    async def test_it_may_be_repeated_and_the_first_reason_stays(self, broker: httpx.AsyncClient, world: World) -> None:
        path = f"/api/sessions/{world.request().id}"
        await broker.delete(path, params={"reason": "first"})
        again = await broker.post(f"{path}/end", json={"reason": "second"})
        assert (again.status_code, again.json()["end_reason"]) == (200, "first")

    async def test_the_next_in_the_queue_gets_the_room(self, broker: httpx.AsyncClient, world: World) -> None:
        world.server()
        first, _, third = [await ask(broker, user) for user in ("ada", "bob", "cleo")]
        assert third["state"] == "queued"
        await broker.delete(f"/api/sessions/{first['id']}")
        assert (await broker.get(f"/api/sessions/{third['id']}")).json()["state"] == "assigned"

    async def test_a_draining_server_hears_of_it(self, app: FastAPI, broker: httpx.AsyncClient, world: World) -> None:
        server = world.server()
        session = await ask(broker)
        world.move(server, ServerState.DRAINING)
        await broker.delete(f"/api/sessions/{session['id']}")
        await app.state.sessions.finish()
        assert world.signals.changed == [server]

    async def test_a_running_server_does_not(self, app: FastAPI, broker: httpx.AsyncClient, world: World) -> None:
        world.server()
        await broker.delete(f"/api/sessions/{(await ask(broker))['id']}")
        await app.state.sessions.finish()
        assert world.signals.changed == []
        assert AUTOSCALE in world.signals.scaled

    async def test_an_unknown_one(self, broker: httpx.AsyncClient) -> None:
        assert (await broker.delete("/api/sessions/nothing")).status_code == 404
        assert (await broker.post("/api/sessions/nothing/end")).status_code == 404


class TestDynamicAccounts:
    @pytest.fixture
    def dynamic(self, world: World) -> str:
        world.declare_pool("rdp", "rdp-local", connection={"type": "rdp", "credential_type": "dynamic"})
        return world.server(autoscale="rdp-local")

    async def test_each_session_has_its_own_account(self, broker: httpx.AsyncClient, dynamic: str) -> None:
        ada, bob = [await ask(broker, user, pool="rdp") for user in ("ada", "bob")]
        assert ada["server"]["id"] == bob["server"]["id"] == dynamic
        assert ada["connection"]["username"] != bob["connection"]["username"]
        assert ada["connection"]["password"] != bob["connection"]["password"]
        assert len(ada["connection"]["username"]) <= 20
        assert (await broker.get(f"/api/sessions/{ada['id']}")).json()["connection"] == ada["connection"]

    async def test_its_password_is_sealed_and_forgotten_in_the_end(
        self, broker: httpx.AsyncClient, world: World, dynamic: str
    ) -> None:
        def secrets() -> set[str]:
            with world.store.read() as tx:
                return {secret.get_secret_value() for secret in all_secrets(tx)}

        ada, bob = [await ask(broker, user, pool="rdp") for user in ("ada", "bob")]
        passwords = {ada["connection"]["password"], bob["connection"]["password"]}
        assert passwords <= secrets()
        await broker.delete(f"/api/sessions/{ada['id']}")
        with world.store.write() as tx:
            end_sessions_of_server(tx, dynamic, "it failed", world.store.clock())
        assert not passwords & secrets()

    async def test_sso_without_a_name_says_what_is_wrong(self, broker: httpx.AsyncClient, world: World) -> None:
        world.declare_pool(
            "sso", "sso-local", connection={"type": "rdp", "credential_type": "sso", "sso_domain": "localhost"}
        )
        world.server(autoscale="sso-local")
        session = await ask(broker, "EXAMPLE\\", pool="sso")
        assert session["connection"] is None
        assert "nothing but a domain" in session["no_connection_because"]

    async def test_a_static_server_brings_its_own_connection(self, broker: httpx.AsyncClient, world: World) -> None:
        server = world.server()
        with world.store.write() as tx:
            row = lock_server(tx, server)
            row.autoscale, row.connection = None, {"type": "ssh", "username": "root", "port": 2222}
        session = await ask(broker)
        assert (session["connection"]["type"], session["connection"]["port"]) == ("ssh", 2222)
        assert session["connection"]["ask_for"] == ["password"]


class TestRoles:
    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eDp5"}, {"X-API-Key": ""}])
    async def test_without_a_key(self, http: httpx.AsyncClient, headers: dict[str, str]) -> None:
        answer = await http.get("/api/sessions", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"].startswith("an API key is missing")
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("headers", [{"Authorization": "Bearer pwk_x"}, {"X-API-Key": "pwk_x"}])
    async def test_with_an_unknown_key(self, http: httpx.AsyncClient, headers: dict[str, str]) -> None:
        assert (await http.get("/api/pools", headers=headers)).status_code == 401

    async def test_with_a_revoked_key(self, http: httpx.AsyncClient, world: World) -> None:
        headers = {"X-API-Key": world.key(Role.ADMIN)}
        assert (await http.get("/api/pools", headers=headers)).status_code == 200
        with world.store.write() as tx:
            revoke_key(tx, list_keys(tx)[-1].name, world.store.clock())
        answer = await http.get("/api/pools", headers=headers)
        assert (answer.status_code, "revoked" in answer.json()["error"]) == (401, True)

    async def test_a_check_in_token_is_no_api_key(self, http: httpx.AsyncClient, world: World) -> None:
        headers = {"Authorization": f"Bearer {world.token(world.server())}"}
        assert (await http.get("/api/servers", headers=headers)).status_code == 401

    async def test_read_may_not_request_or_end(self, http: httpx.AsyncClient, world: World) -> None:
        headers = {"X-API-Key": world.key(Role.READ)}
        session = world.request().id
        answers = [
            await http.post("/api/sessions", json={"pool": POOL, "user": "ada"}, headers=headers),
            await http.post(f"/api/sessions/{session}/end", headers=headers),
            await http.delete(f"/api/sessions/{session}", headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [403] * 3
        assert "this needs broker" in answers[0].json()["error"]

    @pytest.mark.parametrize(("role", "sees"), [(Role.READ, False), (Role.BROKER, True), (Role.ADMIN, True)])
    async def test_credentials_are_for_those_who_hand_sessions_over(
        self, http: httpx.AsyncClient, world: World, role: Role, sees: bool
    ) -> None:
        world.server()
        session = world.request().id
        headers = {"Authorization": f"Bearer {world.key(role)}"}
        answer = await http.get(f"/api/sessions/{session}", headers=headers)
        assert answer.json()["state"] == "assigned"
        assert (PASSWORD in answer.text, answer.json()["connection"] is not None) == (sees, sees)

    async def test_read_never_sees_a_secret_anywhere(self, http: httpx.AsyncClient, world: World, app: FastAPI) -> None:
        world.declare(
            "vm_provider", "cloud", {"provider": "sim", "max_instances": 1, "settings": {"key": SecretStr("hush-hush")}}
        )
        world.declare_pool("rdp", "rdp-local", connection={"type": "rdp", "credential_type": "dynamic"})
        servers = [world.server(), world.server(autoscale="rdp-local")]
        sessions = [world.request().id, world.request(pool="rdp").id]
        headers = {"X-API-Key": world.key(Role.READ)}
        seen = ""
        for path in (path for path, methods in app.openapi()["paths"].items() if "get" in methods):
            for values in ({"name": name, "session_id": session} for name in (POOL, *servers) for session in sessions):
                seen += (await http.get(path.format(**values), params={"all": True}, headers=headers)).text
        assert "desk-0001" in seen
        with world.store.read() as tx:
            secrets = [secret.get_secret_value() for secret in all_secrets(tx)]
        assert len(secrets) >= 4
        assert [secret for secret in secrets if secret in seen] == []
