"""Whatever comes in, the answer is never that something went wrong here."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolwright.domain.states import ServerState
from tests.starter.endpoint.world import POOL, World

pytestmark = pytest.mark.slow

ANYTHING = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.sampled_from(["running", "error", POOL, "desktop", "100", "-1", "\0", "\ud800", "x" * 5_000, 10**400]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


def bodies(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Objects with the schema's keys, each of them left out, odd or likely, and things that are no such objects."""
    keys: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(schema["properties"], values)
    if "logs" in keys:
        line = {"message": values, "levelname": values, "ingest_date": values, "application": values}
        keys["logs"] |= st.lists(st.fixed_dictionaries({}, optional=line), max_size=3)
    likely = {"status": "running", "pool": POOL, "user": "ada"}
    right = {name: st.just(likely[name]) for name in schema["properties"] if name in likely}
    return st.one_of(
        st.fixed_dictionaries({}, optional=keys),
        st.fixed_dictionaries(right, optional={name: one for name, one in keys.items() if name not in right}),
        values,
    )


def contents(schema: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Bodies as JSON, and bytes that are none."""
    return bodies(schema).map(lambda body: json.dumps(body).encode()) | st.binary(max_size=200)


def schema_of(app: FastAPI, path: str) -> dict[str, Any]:
    """The JSON schema of the body that this path takes."""
    description = app.openapi()
    schema = description["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    [reference] = [one["$ref"] for one in schema.get("anyOf", [schema]) if "$ref" in one]
    return dict(description["components"]["schemas"][reference.rpartition("/")[2]])


@pytest.fixture
def token(world: World) -> str:
    """A good token."""
    return world.token(world.server(ServerState.BOOTING))


class TestBodies:
    @pytest.mark.parametrize(
        "path", ["/api/set_server_status", "/api/component_log", "/api/sessions", "/api/sessions/{session_id}/end"]
    )
    @given(data=st.data())
    @ANYTHING
    async def test_none_breaks_anything(
        self, app: FastAPI, http: httpx.AsyncClient, broker: httpx.AsyncClient, token: str, path: str, data: Any
    ) -> None:
        content = data.draw(contents(schema_of(app, path)))
        if "sessions" in path:
            answer = await broker.post(path.format(session_id="n0"), content=content)
        else:
            answer = await http.post(path, params={"token": token}, content=content)
        assert answer.status_code < 500, answer.text
        if answer.is_error:
            assert answer.json()["error"]


class TestAddresses:
    @given(
        token=texts.filter(lambda token: token < "\ud800"),
        header=st.binary(max_size=60).filter(lambda value: not set(value) & set(b"\0\r\n")),
    )
    @ANYTHING
    async def test_no_credential_breaks_anything(self, http: httpx.AsyncClient, token: str, header: bytes) -> None:
        headers = [(b"Authorization", header), (b"X-API-Key", header)]
        sent = token.encode("utf-8", "replace").decode()
        body = {"status": "running", "logs": []}
        for path in ("/api/set_server_status", "/api/component_log"):
            assert (await http.post(path, params={"token": sent}, json=body)).status_code == 401
            assert (await http.post(path, headers=headers, json=body)).status_code == 401
        assert (await http.get("/api/sessions", headers=headers)).status_code == 401

    @given(
        name=texts,
        parameters=st.dictionaries(st.sampled_from(["pool", "all", "limit", "at", "reason"]), texts, max_size=5),
    )
    @ANYTHING
    async def test_no_name_and_no_parameter_breaks_anything(
        self, broker: httpx.AsyncClient, name: str, parameters: dict[str, str]
    ) -> None:
        odd = httpx.QueryParams({key: _sendable(value) for key, value in parameters.items()})
        path = "".join(f"%{byte:02X}" for byte in _sendable(name).encode())
        for url in ("/api/sessions", f"/api/sessions/{path}", f"/api/pools/{path}/explain", f"/api/servers/{path}"):
            assert (await broker.get(url, params=odd)).status_code < 500
        for url in (f"/api/pools/{POOL}/explain", "/api/servers"):
            assert (await broker.get(url, params=odd)).status_code < 500
        assert (await broker.delete(f"/api/sessions/{path}", params=odd)).status_code < 500


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
