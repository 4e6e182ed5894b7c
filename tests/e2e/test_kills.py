"""kill -9 at many moments: the same servers afterwards, none twice, none lost, no process left over."""

import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.stacks import Stack, stack_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def settled(stack: Stack) -> None:
    """Two running servers, one machine for each, and nothing else."""
    servers = stack.until_running(2)
    assert stack.machine_names() == {f"pw-{server['id']}" for server in servers}
    homes = {process.environ()["HOME"] for process in stack.machines() if process.status() != psutil.STATUS_ZOMBIE}
    assert {Path(home).name for home in homes} == stack.machine_names()


class TestEverythingKilled:
    """The computer lost power, as far as processes can tell."""

    def test_the_same_servers_run_again(self, tmp_path: Path) -> None:
        with stack_in(tmp_path) as stack:
            stack.up()
            before = {server["id"] for server in stack.until_running(2)}
            stack.kill_everything()
            assert stack.machines() == []
            stack.up()
            settled(stack)
            assert {server["id"] for server in stack.servers()} == before


class TestComponentsKilled:
    """The supervisor starts a dead component again; nothing that was in flight is lost or done twice."""

    @pytest.mark.parametrize("component", ["worker", "temporal", "endpoint"])
    def test_while_servers_are_being_made(self, tmp_path: Path, component: str) -> None:
        with stack_in(tmp_path) as stack:
            stack.up()
            ids = set()
            for _ in range(4):
                stack.component(component).kill()
                time.sleep(0.7)  # moments of a life, not a condition: each kill meets another step
                ids |= {server["id"] for server in stack.servers()}
                stack.until(stack.is_up, f"{component} is back")
            settled(stack)
            assert len(ids | {server["id"] for server in stack.servers()}) == 2

    def test_while_a_server_goes(self, tmp_path: Path) -> None:
        with stack_in(tmp_path) as stack:
            stack.up()
            first, second = stack.until_running(2)
            stack.run("server", "delete", first["id"])
            stack.component("worker").kill()
            stack.until(lambda: first["id"] not in {one["id"] for one in stack.servers()}, "the deletion goes on")
            settled(stack)
            assert second["id"] in {server["id"] for server in stack.servers()}

    def test_the_supervisor_alone(self, tmp_path: Path) -> None:
        with stack_in(tmp_path) as stack:
            stack.up()
            before = {server["id"] for server in stack.until_running(2)}
            supervisor = stack.component("supervisor")
            supervisor.kill()
            supervisor.wait(10)
            stack.up()
            settled(stack)
            assert {server["id"] for server in stack.servers()} == before
