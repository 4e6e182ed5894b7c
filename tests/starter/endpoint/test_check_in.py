from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr

from poolwright.domain.servers import CheckInStatus, Server
from poolwright.domain.states import ServerState
from poolwright.store.check_in_tokens import AUDIENCE, controller_id, mint, signing_key
from poolwright.store.check_ins import reported_images
from poolwright.store.servers import get_server
from tests.starter.endpoint.world import World

PATH = "/api/set_server_status"
RUNNING = {"status": "running", "status_message": "Initialization Complete", "status_progress": "100"}


def stored(world: World, server_id: str) -> Server:
    with world.store.read() as tx:
        return get_server(tx, server_id)


async def report(http: httpx.AsyncClient, token: str, **body: Any) -> httpx.Response:
    return await http.post(PATH, params={"token": token}, json=body or RUNNING)


class TestAcceptedReports:
    async def test_a_report_is_stored_and_its_workflow_hears_of_it(self, http: httpx.AsyncClient, world: World) -> None:
        server = world.server(ServerState.BOOTING)
        answer = await report(
            http, world.token(server), status="configuring", status_message="apt", status_progress="40"
        )
        assert answer.status_code == 202
        assert answer.json() == {"accepted": True, "server_id": server, "state": "booting"}
        assert world.signals.check_ins == [(server, CheckInStatus.CONFIGURING, "apt")]
        assert (stored(world, server).message, stored(world, server).progress) == ("apt", 40)

    async def test_the_images_of_a_docker_agent_stay_known(self, http: httpx.AsyncClient, world: World) -> None:
        server = world.server(ServerState.BOOTING)
        await report(http, world.token(server), status="configuring", images=["desktop:1", "office:2"])
        await report(http, world.token(server))
        with world.store.read() as tx:
            assert reported_images(tx, server) == ["desktop:1", "office:2"]

    async def test_the_token_may_come_as_a_header(self, http: httpx.AsyncClient, world: World) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        answer = await http.post(PATH, headers={"Authorization": f"Bearer {token}"}, json=RUNNING)
        assert answer.status_code == 202

    async def test_the_header_is_preferred(self, http: httpx.AsyncClient, world: World) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        header = {"Authorization": f"Bearer {token}"}
        assert (await http.post(PATH, json=RUNNING, params={"token": "nonsense"}, headers=header)).status_code == 202

    @pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "", "???"])
    async def test_any_content_type_will_do(self, http: httpx.AsyncClient, world: World, content_type: str) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        answer = await http.post(
            PATH, params={"token": token}, content='{"status": "running"}', headers={"Content-Type": content_type}
        )
        assert answer.status_code == 202

    @pytest.mark.parametrize("status", ["starting", "configuring", "running", "error"])
    async def test_each_of_the_four_statuses_is_taken(self, http: httpx.AsyncClient, world: World, status: str) -> None:
        answer = await report(http, world.token(world.server(ServerState.BOOTING)), status=status)
        assert answer.status_code == 202

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [(0, 0), (100, 100), (45.9, 45), ("45.9", 45), ("100%", 100), (" 7 ", 7), ("", None), (None, None)],
    )
    async def test_progress_is_taken_as_number_or_text(
        self, http: httpx.AsyncClient, world: World, sent: object, kept: int | None
    ) -> None:
        server = world.server(ServerState.BOOTING)
        assert (await report(http, world.token(server), status="starting", status_progress=sent)).status_code == 202
        assert stored(world, server).progress == kept

    async def test_keys_that_are_not_known_are_ignored(self, http: httpx.AsyncClient, world: World) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        assert (await report(http, token, status="running", agent_version="1.18", extra={"a": 1})).status_code == 202

    async def test_a_long_message_is_cut_with_a_mark(self, http: httpx.AsyncClient, world: World) -> None:
        server = world.server(ServerState.BOOTING)
        await report(http, world.token(server), status="starting", status_message="x" * 9_000)
        message = stored(world, server).message
        assert len(message) == 2_000
        assert message.endswith("[... 9000 characters in all]")

    async def test_a_token_in_a_message_is_not_kept(self, http: httpx.AsyncClient, world: World) -> None:
        server = world.server(ServerState.BOOTING)
        token = world.token(server)
        await report(http, token, status="starting", status_message=f"+ curl https://pool/?token={token} failed")
        assert stored(world, server).message == "+ curl https://pool/?token=[token] failed"

    async def test_what_no_database_can_keep_is_made_visible(self, http: httpx.AsyncClient, world: World) -> None:
        server = world.server(ServerState.BOOTING)
        content = b'{"status": "starting", "status_message": "a\\u0000b\\ud800c"}'
        answer = await http.post(PATH, params={"token": world.token(server)}, content=content)
        assert answer.status_code == 202
        assert stored(world, server).message == r"a\0b\ud800c"


class TestRepeatedReports:
    async def test_running_on_a_running_server_touches_only_the_store(
        self, http: httpx.AsyncClient, world: World
    ) -> None:
        server = world.server(ServerState.BOOTING)
        token = world.token(server)
        await report(http, token)
        world.move(server, ServerState.RUNNING)
        before = stored(world, server).last_reported_at
        for _ in range(3):
            assert (await report(http, token)).status_code == 202
        after = stored(world, server).last_reported_at
        assert before is not None
        assert after is not None
        assert after > before
        assert len(world.signals.check_ins) == 1

    async def test_running_is_signalled_again_while_the_server_is_not_running(
        self, http: httpx.AsyncClient, world: World
    ) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        await report(http, token)
        await report(http, token)
        assert len(world.signals.check_ins) == 2

    async def test_another_status_on_a_running_server_is_signalled(self, http: httpx.AsyncClient, world: World) -> None:
        token = world.token(world.server())
        await report(http, token)
        await report(http, token, status="error", status_message="the disk is full")
        assert [status for _, status, _ in world.signals.check_ins] == [CheckInStatus.RUNNING, CheckInStatus.ERROR]


class TestTemporalAway:
    async def test_the_script_is_told_to_try_again_and_the_report_is_kept(
        self, http: httpx.AsyncClient, world: World
    ) -> None:
        server = world.server(ServerState.BOOTING)
        world.signals.away = True
        answer = await report(http, world.token(server))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "the report is stored" in answer.json()["error"]
        assert stored(world, server).progress == 100

    async def test_the_next_try_is_signalled(self, http: httpx.AsyncClient, world: World) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        world.signals.away = True
        await report(http, token)
        world.signals.away = False
        assert (await report(http, token)).status_code == 202
        assert len(world.signals.check_ins) == 1

    async def test_a_repeated_report_of_a_running_server_needs_no_temporal(
        self, http: httpx.AsyncClient, world: World
    ) -> None:
        token = world.token(world.server())
        await report(http, token)
        world.signals.away = True
        assert (await report(http, token)).status_code == 202

    async def test_a_workflow_that_does_not_run_is_not_the_script_s_concern(
        self, http: httpx.AsyncClient, world: World
    ) -> None:
        world.signals.lives = False
        assert (await report(http, world.token(world.server(ServerState.BOOTING)))).status_code == 202


class TestTokens:
    async def test_without_a_token(self, http: httpx.AsyncClient) -> None:
        answer = await http.post(PATH, json=RUNNING)
        assert answer.status_code == 401
        assert answer.json()["error"].startswith("a token is missing")
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    async def test_an_expired_token(self, http: httpx.AsyncClient, world: World) -> None:
        old = world.token(world.server(), issued_at=world.store.clock() - timedelta(hours=25))
        answer = await report(http, old)
        assert (answer.status_code, answer.json()) == (401, {"error": "the token has expired"})

    async def test_a_token_of_another_installation(self, http: httpx.AsyncClient, world: World) -> None:
        with world.store.read() as tx:
            ours = signing_key(tx)
        now = world.store.clock()
        server = world.server()
        for foreign in (
            mint(SecretStr("k" * 64), "another", server, 1, now),
            mint(ours, "another", server, 1, now),
        ):
            answer = await report(http, foreign.get_secret_value())
            assert (answer.status_code, answer.json()) == (401, {"error": "the token is not valid here"})

    @pytest.mark.parametrize(
        ("change", "algorithm"),
        [({"aud": "something-else"}, "HS256"), ({"aud": None}, "HS256"), ({"exp": None}, "HS256"), ({}, "HS512")],
    )
    async def test_a_token_for_something_else(
        self, http: httpx.AsyncClient, world: World, change: dict[str, Any], algorithm: str
    ) -> None:
        with world.store.read() as tx:
            key, controller = signing_key(tx), controller_id(tx)
        now = int(world.store.clock().timestamp())
        good = {"iss": controller, "aud": AUDIENCE, "sub": world.server(), "iat": now, "exp": now + 60}
        claims = {name: value for name, value in (good | change).items() if value is not None}
        token = jwt.encode(claims, key.get_secret_value(), algorithm=algorithm)
        assert (await report(http, token)).status_code == 401

    @pytest.mark.parametrize("token", ["nonsense", "a.b.c", "ey.ey.ey", "\u00fc", "."])
    async def test_nonsense(self, http: httpx.AsyncClient, token: str) -> None:
        answer = await report(http, token)
        assert (answer.status_code, answer.json()) == (401, {"error": "the token is not valid here"})


class TestServersThatAreGone:
    @pytest.mark.parametrize(
        ("state", "says"), [(ServerState.DELETING, "is being deleted"), (ServerState.DELETED, "was deleted")]
    )
    async def test_a_server_on_the_way_out(
        self, http: httpx.AsyncClient, world: World, state: ServerState, says: str
    ) -> None:
        answer = await report(http, world.token(world.server(state)))
        assert answer.status_code == 410
        assert says in answer.json()["error"]
        assert world.signals.check_ins == []

    async def test_a_server_that_never_was(self, http: httpx.AsyncClient, world: World) -> None:
        answer = await report(http, world.token("s-unknown"))
        assert answer.status_code == 410
        assert "not known here" in answer.json()["error"]


class TestBadInput:
    @pytest.mark.parametrize(
        ("content", "status", "says"),
        [
            (b"", 422, "body is missing"),
            (b"{", 400, "cannot be read as JSON"),
            (b"\xff\xfe", 400, "cannot be read as JSON"),
            (b"[" * 60_000, 400, "cannot be read as JSON"),
            (b'{"status": ' + b"9" * 10_000 + b"}", 400, "cannot be read as JSON"),
            (b"[]", 422, "body must be a JSON object"),
            (b'"running"', 422, "body must be a JSON object"),
            (b"{}", 422, "body.status is missing"),
            (b'{"status": "bogus"}', 422, "'starting', 'configuring', 'running' or 'error'"),
            (b'{"status": 7}', 422, "'starting', 'configuring', 'running' or 'error'"),
            (b'{"status": "running", "status_message": 7}', 422, "body.status_message"),
            (b'{"status": "running", "status_progress": 101}', 422, "body.status_progress"),
            (b'{"status": "running", "status_progress": -1}', 422, "body.status_progress"),
            (b'{"status": "running", "status_progress": "101"}', 422, "body.status_progress"),
            (b'{"status": "running", "status_progress": "much"}', 422, "must be a number from 0 to 100"),
            (b'{"status": "running", "status_progress": NaN}', 422, "must be a number from 0 to 100"),
            (b'{"status": "running", "status_progress": "inf"}', 422, "must be a number from 0 to 100"),
            (b'{"status": "running", "status_progress": true}', 422, "must be a number from 0 to 100"),
            (b'{"status": "running", "status_progress": [1]}', 422, "body.status_progress"),
        ],
    )
    async def test_it_is_answered_with_a_sentence(
        self, http: httpx.AsyncClient, world: World, content: bytes, status: int, says: str
    ) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        answer = await http.post(PATH, params={"token": token}, content=content)
        assert (answer.status_code, says in answer.json()["error"]) == (status, True), answer.text
        assert world.signals.check_ins == []

    async def test_more_than_64_kib(self, http: httpx.AsyncClient, world: World) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        answer = await report(http, token, status="running", status_message="x" * 65_536)
        assert (answer.status_code, answer.json()) == (413, {"error": "the body is too large: at most 64 KiB"})

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
    async def test_another_method(self, http: httpx.AsyncClient, method: str) -> None:
        answer = await http.request(method, PATH)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST"
        assert "use POST" in answer.json()["error"]
