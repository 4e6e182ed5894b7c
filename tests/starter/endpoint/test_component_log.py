from typing import Any

import httpx
import pytest

from poolwright.domain.states import ServerState
from poolwright.store.check_ins import LogLine, logs
from starter.endpoint import component_log
from tests.starter.endpoint.world import World

PATH = "/api/component_log"
LINE = {
    "host": "desk-0001",
    "application": "windows-startup-script",
    "levelname": "INFO",
    "message": "joined the domain",
    "ingest_date": "2030-01-31 09:00:00",
}


def kept(world: World, server_id: str) -> list[LogLine]:
    with world.store.read() as tx:
        return logs(tx, server_id)


async def send(http: httpx.AsyncClient, token: str, *lines: dict[str, Any]) -> httpx.Response:
    return await http.post(PATH, json={"token": token, "logs": lines})


class TestLines:
    async def test_they_are_kept_in_order(self, http: httpx.AsyncClient, world: World) -> None:
        server = world.server(ServerState.BOOTING)
        answer = await send(http, world.token(server), LINE, LINE | {"message": "done", "levelname": "WARNING"})
        assert (answer.status_code, answer.json()) == (202, {"accepted": True, "lines": 2})
        assert [(line.level, line.message) for line in kept(world, server)] == [
            ("INFO", "joined the domain"),
            ("WARNING", "done"),
        ]
        assert kept(world, server)[0].application == "windows-startup-script"
        assert kept(world, server)[0].at == "2030-01-31 09:00:00"

    @pytest.mark.parametrize("where", ["header", "query"])
    async def test_the_token_may_come_outside_the_body(self, http: httpx.AsyncClient, world: World, where: str) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        headers = {"Authorization": f"Bearer {token}"} if where == "header" else {}
        params = {"token": token} if where == "query" else {}
        answer = await http.post(PATH, json={"logs": [LINE]}, headers=headers, params=params)
        assert answer.status_code == 202

    async def test_what_is_missing_or_odd_is_taken(self, http: httpx.AsyncClient, world: World) -> None:
        server = world.server(ServerState.BOOTING)
        odd: dict[str, Any] = {"levelname": None, "ingest_date": 1893488400, "message": "a\0b", "more": []}
        assert (await send(http, world.token(server), {}, odd)).status_code == 202
        assert kept(world, server)[1] == LogLine(at="1893488400", application="", level="", message="a\\0b")

    async def test_a_long_message_is_cut_with_a_mark(self, http: httpx.AsyncClient, world: World) -> None:
        server = world.server(ServerState.BOOTING)
        await send(http, world.token(server), LINE | {"message": "x" * 10_000, "application": "y" * 999})
        [line] = kept(world, server)
        assert len(line.message) == 4_000
        assert line.message.endswith("[... 10000 characters in all]")
        assert len(line.application) == 255

    async def test_tokens_in_messages_are_not_kept(self, http: httpx.AsyncClient, world: World) -> None:
        server = world.server(ServerState.BOOTING)
        token = world.token(server)
        await send(http, token, LINE | {"message": f"+ curl -H 'Authorization: Bearer {token}'"})
        assert kept(world, server)[0].message == "+ curl -H 'Authorization: Bearer [token]'"

    async def test_only_the_newest_are_kept(
        self, http: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(component_log, "LOG_LINES_KEPT", 5)
        servers = [world.server(ServerState.BOOTING) for _ in range(2)]
        for round_number in range(3):
            for server in servers:
                lines = [LINE | {"message": f"{round_number}.{line}"} for line in range(3)]
                await send(http, world.token(server), *lines)
        for server in servers:
            assert [line.message for line in kept(world, server)] == ["1.1", "1.2", "2.0", "2.1", "2.2"]


class TestRefusals:
    async def test_without_a_token(self, http: httpx.AsyncClient) -> None:
        assert (await http.post(PATH, json={"logs": []})).status_code == 401

    async def test_with_a_bad_token(self, http: httpx.AsyncClient) -> None:
        assert (await send(http, "nonsense")).status_code == 401

    async def test_of_a_server_that_is_gone(self, http: httpx.AsyncClient, world: World) -> None:
        assert (await send(http, world.token(world.server(ServerState.DELETED)), LINE)).status_code == 410

    async def test_too_many_lines(self, http: httpx.AsyncClient, world: World) -> None:
        answer = await send(http, world.token(world.server(ServerState.BOOTING)), *[LINE] * 501)
        assert answer.status_code == 422
        assert "500" in answer.json()["error"]

    async def test_too_large_a_body(self, http: httpx.AsyncClient, world: World) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        lines = [LINE | {"message": "x" * 10_000}] * 110
        answer = await send(http, token, *lines)
        assert (answer.status_code, answer.json()["error"]) == (413, "the body is too large: at most 1,024 KiB")

    async def test_a_token_never_comes_back_in_an_error(self, http: httpx.AsyncClient, world: World) -> None:
        token = world.token(world.server(ServerState.BOOTING))
        answer = await http.post(PATH, json={"token": [token], "logs": {token: token}})
        assert answer.status_code == 422
        assert token not in answer.text
