"""What the README promises a newcomer, done by the command line on the local provider."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from poolwright.store.installation import upgrade
from poolwright.store.sealing import new_key
from starter.settings import Settings
from tests.e2e.stacks import Stack, stack_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with the example pool, up."""
    with stack_in(tmp_path_factory.mktemp("newcomer")) as found:
        found.up()
        yield found


class TestFirstMinutes:
    """In the order in which a person does it."""

    def test_two_servers_stand_ready(self, stack: Stack) -> None:
        servers = stack.until_running(2)
        keys = {"id", "hostname", "pool", "zone", "provider", "state", "progress", "message", "address", "created_at"}
        assert all(keys <= server.keys() for server in servers)
        assert {server["hostname"] for server in servers} == {"demo-0001", "demo-0002"}
        assert all(server["progress"] == 100 for server in servers)

    def test_a_session_is_assigned_at_once_and_the_pool_refills(self, stack: Stack) -> None:
        stack.until_running(2)
        session = stack.json("session", "request", "--pool", "demo", "--user", "ada", "--wait")
        assert {"id", "state", "server", "connection", "queued_seconds"} <= session.keys()
        assert session["state"] == "assigned"
        assert session["queued_seconds"] < 1
        connection = session["connection"]
        with socket.create_connection((connection["address"], connection["port"]), timeout=10) as client:
            assert client.recv(100).startswith(b"Hello demo, this is demo-000")
        stack.until_running(3)

    def test_explain_says_why(self, stack: Stack) -> None:
        explained = stack.json("explain", "demo")
        assert {"at", "numbers", "actions", "reasons"} <= explained.keys()
        assert explained["reasons"]

    def test_a_server_ends_with_its_session(self, stack: Stack) -> None:
        (session,) = stack.json("session", "list")
        stack.run("session", "end", session["id"])
        left = stack.until_running(2)
        assert session["server"]["id"] not in {server["id"] for server in left}
        assert len(stack.machine_names()) == 2

    def test_drain_undrain_and_delete(self, stack: Stack) -> None:
        first, _second = stack.until_running(2)
        stack.run("server", "drain", first["hostname"], "--wait")
        stack.until(lambda: first["id"] not in {server["id"] for server in stack.servers()}, "the drained one goes")
        stack.until_running(2)

    def test_a_paused_pool_makes_nothing(self, stack: Stack) -> None:
        first, second = stack.until_running(2)
        stack.run("pool", "pause", "demo")
        stack.run("server", "delete", first["id"], "--wait")
        assert [server["id"] for server in stack.servers()] == [second["id"]]
        stack.run("pool", "resume", "demo")
        stack.until_running(2)

    def test_the_docs_page_and_health_answer(self, stack: Stack) -> None:
        for path in ("/docs", "/healthz", "/readyz", "/openapi.json"):
            assert httpx.get(stack.api_url + path, timeout=10).status_code == httpx.codes.OK

    def test_a_second_up_is_refused_with_a_clear_message(self, stack: Stack) -> None:
        stack.run("up", "--no-view", expect=5)

    def test_down_and_up_find_the_same_servers(self, stack: Stack) -> None:
        before = {server["id"] for server in stack.until_running(2)}
        processes = {process.pid for process in stack.machines()}
        stack.down()
        assert {process.pid for process in stack.machines()} == processes
        stack.up()
        assert {server["id"] for server in stack.until_running(2)} == before
        assert {process.pid for process in stack.machines()} == processes

    def test_down_can_delete_the_servers(self, stack: Stack) -> None:
        stack.down("--delete-servers")
        assert stack.machines() == []
        assert stack.machine_names() == set()
        stack.up()
        stack.until_running(2)


class TestPorts:
    """A port that somebody else uses."""

    def test_a_taken_port_is_named_with_the_flag_that_changes_it(self, tmp_path: Path) -> None:
        with stack_in(tmp_path) as other, socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            other.environment["POOLWRIGHT_UI_PORT"] = str(taken.getsockname()[1])
            other.run("up", "--detach", expect=5)
            assert not (tmp_path / "stack.json").exists()


class TestKeys:
    """Data that was sealed with another key."""

    def test_that_is_said_and_nothing_stays_behind(self, tmp_path: Path) -> None:
        settings = Settings(data_directory=tmp_path)
        with closing(settings.open_store()) as store:
            upgrade(store)
        settings.secrets_key_file().write_text(new_key())
        with stack_in(tmp_path) as other:
            assert other.error("up", "--detach").startswith("Error: the secret installation/check-in-key was sealed")
            assert not (tmp_path / "stack.json").exists()
