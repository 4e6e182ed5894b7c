"""The endpoint as a process of its own, with Temporal away."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from poolwright.domain.states import ServerState
from poolwright.store.api_keys import Role
from starter.settings import Settings
from tests.servers.ports import reserved_port
from tests.starter.endpoint.world import POOL, World

pytestmark = pytest.mark.slow

SERVE = """
import asyncio
from starter.endpoint.serve import serve
from starter.settings import load_settings
asyncio.run(serve(load_settings()))
"""


class Endpoint:
    """A running endpoint process and the installation that it serves."""

    def __init__(self, directory: Path) -> None:
        self.settings = Settings(data_directory=directory, endpoint_port=reserved_port())
        self.world = World.new(self.settings.open_store())
        self.log = directory / "stderr.log"
        self.output = directory / "stdout.log"
        environment = {**os.environ, **self.settings.environment(), "TEMPORAL_ADDRESS": f"127.0.0.1:{reserved_port()}"}
        with self.log.open("wb") as log, self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE],
                env=environment,
                stdout=output,
                stderr=log,
                cwd=Path(__file__).resolve().parents[3],
            )
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.settings.endpoint_port}", trust_env=False, timeout=60
        )

    def until_up(self) -> None:
        give_up_at = time.monotonic() + 60
        while True:
            try:
                self.http.get("/healthz")
            except httpx.TransportError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < give_up_at, self.log.read_text()
                time.sleep(0.05)
            else:
                return

    def close(self) -> None:
        self.http.close()
        self.process.kill()
        self.process.wait()
        self.world.store.close()


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    """A running endpoint."""
    endpoint = Endpoint(tmp_path)
    endpoint.until_up()
    yield endpoint
    endpoint.close()


class TestServe:
    def test_it_serves_without_temporal_and_shows_no_token(self, endpoint: Endpoint) -> None:
        world, http = endpoint.world, endpoint.http
        server, token = world.server(ServerState.BOOTING), world.token(world.server(ServerState.BOOTING))
        key = world.key(Role.BROKER)

        assert http.get("/readyz").json()["missing"] == ["temporal"]
        answer = http.post(f"/api/set_server_status?token={token}", json={"status": "running"})
        assert (answer.status_code, "Server" in answer.headers) == (503, False)
        assert http.post(f"/api/set_server_status?token={token}x", json={"status": "running"}).status_code == 401
        world.move(server, ServerState.CONFIGURING, ServerState.RUNNING)
        session = http.post("/api/sessions", json={"pool": POOL, "user": "ada"}, headers={"X-API-Key": key})
        assert session.json()["state"] == "assigned"

        endpoint.process.terminate()
        endpoint.process.wait(20)
        log = endpoint.log.read_text()
        assert "POST /api/set_server_status 503" in log
        assert "POST /api/sessions 201" in log
        for secret in (token, token[:30], key, session.json()["connection"]["password"]):
            assert secret not in log
        assert endpoint.output.read_text() == ""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_stops_gracefully(self, endpoint: Endpoint, number: signal.Signals) -> None:
        session = endpoint.world.request().id
        headers = {"X-API-Key": endpoint.world.key(Role.BROKER)}
        answers: list[httpx.Response] = []

        def wait() -> None:
            answers.append(endpoint.http.get(f"/api/sessions/{session}", params={"wait_seconds": 60}, headers=headers))

        waiting = threading.Thread(target=wait)
        waiting.start()
        # A second request over another connection: by its answer the first has long begun to wait.
        httpx.get(f"{endpoint.http.base_url}/api/sessions/{session}", params={"wait_seconds": 0.5}, headers=headers)
        endpoint.process.send_signal(number)
        assert endpoint.process.wait(20) == 0, endpoint.log.read_text()
        waiting.join(20)
        assert answers[0].json()["state"] == "queued"
        assert "Traceback" not in endpoint.log.read_text()

    def test_a_second_one_on_the_same_port_says_so(self, endpoint: Endpoint) -> None:
        second = run(endpoint.settings)
        assert second.returncode != 0
        assert "address already in use" in second.stderr

    def test_it_ends_if_it_can_never_connect_to_temporal(self, tmp_path: Path) -> None:
        broken = tmp_path / "temporal.toml"
        broken.write_text("not = toml = at all")
        settings = Settings(data_directory=tmp_path, endpoint_port=reserved_port())
        ended = run(settings, TEMPORAL_CONFIG_FILE=str(broken))
        assert ended.returncode != 0
        assert "Temporal's settings cannot be used" in ended.stderr


def run(settings: Settings, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the endpoint to its end."""
    return subprocess.run(
        [sys.executable, "-c", SERVE],
        env={**os.environ, **settings.environment(), **variables},
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        timeout=60,
    )
