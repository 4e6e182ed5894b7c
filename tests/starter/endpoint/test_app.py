import json
import logging
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from poolwright.domain.states import ServerState
from starter.answers import Explanation, SessionAnswer
from starter.endpoint.check_in import CheckInAnswer
from starter.endpoint.errors import ErrorAnswer
from tests.starter.endpoint.world import POOL, World


class TestHealth:
    async def test_the_process_is_up(self, http: httpx.AsyncClient, world: World) -> None:
        world.signals.away = True
        assert (await http.get("/healthz")).json() == {"status": "up"}

    async def test_it_is_ready_with_database_and_temporal(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"ready": True, "missing": [], "error": None})

    async def test_it_is_not_ready_without_temporal(self, http: httpx.AsyncClient, world: World) -> None:
        world.signals.away = True
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"ready": False, "missing": ["temporal"], "error": "Temporal does not answer"}

    async def test_it_is_not_ready_with_an_outdated_database(self, http: httpx.AsyncClient, world: World) -> None:
        world.signals.away = True
        with world.store.write() as tx:
            tx.execute(text("DELETE FROM alembic_version"))
        answer = await http.get("/readyz")
        assert answer.json()["missing"] == ["database", "temporal"]
        assert "poolwright database upgrade" in answer.json()["error"]

    async def test_it_is_not_ready_without_a_database(
        self, http: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fails_to_connect(world, monkeypatch)
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()["error"]) == (503, "the database does not answer")


class TestDocumentation:
    async def test_the_page_needs_nothing_from_elsewhere(self, http: httpx.AsyncClient) -> None:
        page = (await http.get("/docs")).text
        assert re.findall(r"https?://[^\s\"']+", page) == []
        parts = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
        assert len(parts) >= 2
        for part in parts:
            assert (await http.get(part)).status_code == 200

    async def test_every_route_says_what_it_does_and_with_which_errors(self, app: FastAPI) -> None:
        for path, methods in app.openapi()["paths"].items():
            for method, operation in methods.items():
                where = f"{method} {path}"
                assert operation["summary"], where
                assert operation["description"], where
                if path.startswith("/api/"):
                    assert {"401", "503"} <= set(operation["responses"]), where
                    assert operation["security"], where


class TestGuide:
    GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text()

    def test_its_examples_have_the_keys_of_the_answers(self) -> None:
        examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", self.GUIDE, re.DOTALL)]
        shapes = {frozenset(example) for example in examples}
        for answer in (SessionAnswer, Explanation, CheckInAnswer, ErrorAnswer):
            assert frozenset(answer.model_fields) in shapes, answer

    def test_it_names_every_route(self, app: FastAPI) -> None:
        for path in app.openapi()["paths"]:
            assert path.rpartition("{")[0] in self.GUIDE, path


class TestErrors:
    async def test_an_unknown_address(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/api/nothing")
        assert (answer.status_code, answer.json()) == (404, {"error": "there is nothing at this address: see /docs"})

    async def test_a_wrong_method(self, broker: httpx.AsyncClient) -> None:
        answer = await broker.put(f"/api/pools/{POOL}")
        assert (answer.status_code, answer.json()["error"]) == (405, "PUT is not understood here: use GET")

    async def test_a_wrong_method_is_told_of_every_right_one(self, broker: httpx.AsyncClient) -> None:
        answer = await broker.put("/api/sessions")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
        assert answer.json()["error"] == "PUT is not understood here: use GET or POST"

    async def test_files_are_only_read(self, http: httpx.AsyncClient) -> None:
        answer = await http.post("/static-offline-docs/swagger-ui.css")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")

    async def test_each_thing_that_is_wrong_is_listed(self, broker: httpx.AsyncClient) -> None:
        body = {"pool": "?", "kind": "?", "zone": 3, "usr": "ada"}
        answer = await broker.post("/api/sessions", json=body)
        assert {problem["where"] for problem in answer.json()["problems"]} == {
            "body.pool",
            "body.user",
            "body.kind",
            "body.zone",
            "body.usr",
        }
        assert answer.json()["error"].endswith("; and 2 more")

    async def test_a_bug_is_answered_with_an_id_that_is_in_the_log(
        self,
        http: httpx.AsyncClient,
        world: World,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async def breaks(*_: object) -> bool:
            raise ZeroDivisionError("the secret is 42")

        monkeypatch.setattr(world.signals, "check_in", breaks)
        token = world.token(world.server(ServerState.BOOTING))
        with caplog.at_level(logging.INFO):
            answer = await http.post("/api/set_server_status", params={"token": token}, json={"status": "running"})
        incident = answer.json()["incident"]
        assert answer.status_code == 500
        assert answer.json()["error"] == f"something went wrong here; the log has more under {incident}"
        ours = "".join(
            f"{entry.message}{entry.exc_text}" for entry in caplog.records if entry.name[:10] == "poolwright"
        )
        assert f"incident {incident}: POST /api/set_server_status" in ours
        assert "ZeroDivisionError" in ours
        assert token not in ours

    async def test_a_database_that_is_away_is_worth_another_try(
        self, broker: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fails_to_connect(world, monkeypatch)
        answer = await broker.get("/api/pools")
        assert (answer.status_code, answer.json()) == (503, {"error": "the database does not answer: try again"})
        assert int(answer.headers["Retry-After"]) > 0

    async def test_answers_are_kept_by_nobody(self, broker: httpx.AsyncClient) -> None:
        assert (await broker.get("/api/pools")).headers["Cache-Control"] == "no-store"


class TestAccessLog:
    async def test_it_has_no_query_strings_and_one_line_for_each_request(
        self, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, "poolwright.access"):
            await http.post("/api/set_server_status?token=eyJtb2Rl.secret.x", json={})
            await http.get("/a%0Ab%20c?token=secret")
        lines = [record.getMessage() for record in caplog.records if record.name == "poolwright.access"]
        assert re.fullmatch(r"127\.0\.0\.1 POST /api/set_server_status 422 \d+ ms", lines[0])
        assert re.fullmatch(r"127\.0\.0\.1 GET /a%0Ab%20c 404 \d+ ms", lines[1])
        assert len(lines) == 2


def fails_to_connect(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the database is away."""

    def connect(*_: Any, **__: Any) -> None:
        raise OperationalError("connect", {}, ConnectionRefusedError("nobody is there"))

    world.store.engine.dispose()
    monkeypatch.setattr(world.store.engine.dialect, "connect", connect)
