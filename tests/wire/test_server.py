"""The stand-in for a vendor does what harnesses rely on."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.wire.guard import only_this_machine
from tests.wire.server import Cut, Request, Response, WireServer


class Echo:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, request: Request) -> Response:
        self.seen.append(request.path)
        return Response(201, {"method": request.method, "query": dict(request.query), "body": request.body.decode()})


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def server(echo: Echo) -> Iterator[WireServer]:
    with WireServer(echo) as server:
        yield server


class TestAnswers:
    def test_the_app_answers_as_json(self, server: WireServer) -> None:
        response = httpx.post(f"{server.url}/a%20b?x=1&x=2", content="hello")
        assert response.status_code == 201
        assert response.json() == {"method": "POST", "query": {"x": ["1", "2"]}, "body": "hello"}
        assert server.requests[0].path == "/a b"
        assert server.requests[0].parameter("x") == "1"

    def test_https_is_served_with_a_certificate_of_its_own_authority(self, echo: Echo, tmp_path: Path) -> None:
        with WireServer(echo, tls_directory=tmp_path) as server:
            context = ssl.create_default_context(cafile=str(server.ca_file))
            assert httpx.get(server.url, verify=context).status_code == 201
            with pytest.raises(httpx.ConnectError):
                httpx.get(server.url, verify=ssl.create_default_context())


class TestFaults:
    def test_an_answer_takes_the_place_of_the_app(self, server: WireServer, echo: Echo) -> None:
        with server.fault(Response(503, {"why": "busy"}), times=1):
            assert httpx.get(server.url).status_code == 503
            assert httpx.get(server.url).status_code == 201
        assert len(echo.seen) == 1

    @pytest.mark.parametrize(("cut", "effects"), [(Cut.BEFORE, 0), (Cut.AFTER, 1)])
    def test_a_connection_breaks_before_or_after_the_effect(
        self, server: WireServer, echo: Echo, cut: Cut, effects: int
    ) -> None:
        with server.fault(cut, lambda request: request.method == "PUT"), pytest.raises(httpx.HTTPError):
            httpx.put(server.url)
        assert len(echo.seen) == effects

    def test_others_pass(self, server: WireServer) -> None:
        with server.fault(Response(500), lambda request: request.method == "PUT"):
            assert httpx.get(server.url).status_code == 201


class TestGuard:
    def test_another_host_is_refused_and_named(self, server: WireServer) -> None:
        with only_this_machine() as left:
            assert httpx.get(server.url).status_code == 201
            with pytest.raises(socket.gaierror):
                socket.getaddrinfo("vendor.example", 443)
        assert left == ["vendor.example"]
