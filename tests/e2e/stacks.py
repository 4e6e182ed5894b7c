"""The local stack, run as a person runs it: by its command line, in a data directory and on ports of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.servers.ports import reserved_port

PROGRAM = (sys.executable, "-m", "starter.cli")
PATIENCE_SECONDS = 180
"""No test waits longer than this for anything."""


class Stack:
    """One data directory with its ports."""

    def __init__(self, directory: Path, environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        temporal, ui, endpoint, metrics = (reserved_port() for _ in range(4))
        self.ui_url = f"http://127.0.0.1:{ui}"
        self.api_url = f"http://127.0.0.1:{endpoint}"
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("POOLWRIGHT_", "TEMPORAL_"))
        }
        self.environment = {
            **inherited,
            "POOLWRIGHT_DATA_DIRECTORY": str(directory),
            "POOLWRIGHT_TEMPORAL_PORT": str(temporal),
            "POOLWRIGHT_UI_PORT": str(ui),
            "POOLWRIGHT_ENDPOINT_PORT": str(endpoint),
            "POOLWRIGHT_METRICS_PORT": str(metrics),
            **(environment or {}),
        }

    def run(self, *arguments: str, expect: int = 0) -> str:
        """What the command prints. Fails the test on another exit code than expected."""
        done = self._run(*arguments)
        assert done.returncode == expect, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def error(self, *arguments: str) -> str:
        """What the command says on its way to exit code 1."""
        done = self._run(*arguments)
        assert done.returncode == 1, done.stdout
        return done.stderr

    def json(self, *arguments: str) -> Any:
        """The command's answer with `-o json`."""
        return json.loads(self.run(*arguments, "-o", "json"))

    def up(self, *arguments: str) -> None:
        """Start in the background, until it is ready."""
        self.run("up", "--detach", *arguments)

    def down(self, *arguments: str) -> None:
        """Stop."""
        self.run("down", *arguments)

    def is_up(self) -> bool:
        """Whether every component runs, which `status` tells by its exit code."""
        return self._run("status").returncode == 0

    def servers(self) -> list[dict[str, Any]]:
        """All servers that are not deleted."""
        found: list[dict[str, Any]] = self.json("server", "list")
        return found

    def running(self) -> list[dict[str, Any]]:
        """Those that run."""
        return [server for server in self.servers() if server["state"] == "running"]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for it to come true."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < give_up_at, (
                f"not within {PATIENCE_SECONDS} s: {what}\n{self.run('server', 'list')}"
            )
            time.sleep(0.1)

    def until_running(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many servers run and no other exists."""
        self.until(lambda: len(self.servers()) == len(self.running()) == count, f"{count} running servers")
        return self.running()

    def machines(self) -> list[psutil.Process]:
        """Processes of this installation's machines: those that carry its mark in their environment."""
        found = []
        for process in psutil.process_iter():
            try:
                directory = process.environ().get("HOME", "")
            except psutil.Error:
                continue
            if directory.startswith(str(self.directory / "local-machines")):
                found.append(process)
        return found

    def machine_names(self) -> set[str]:
        """The machines that have a directory."""
        root = self.directory / "local-machines"
        return {path.name for path in root.iterdir() if path.is_dir()} if root.exists() else set()

    def component(self, name: str) -> psutil.Process:
        """The process of one component: `supervisor`, `temporal`, `worker`, `endpoint`."""
        stack = json.loads((self.directory / "stack.json").read_text())
        for identity in (stack["supervisor"], *stack["components"]):
            if identity["name"] == name:
                return psutil.Process(identity["process_id"])
        raise AssertionError(f"no component {name} in {stack}")

    def kill_everything(self) -> None:
        """kill -9 of supervisor, components and machines."""
        stack = json.loads((self.directory / "stack.json").read_text())
        identities = [stack["supervisor"], *stack["components"]]
        for process in [psutil.Process(identity["process_id"]) for identity in identities] + self.machines():
            with _gone_is_fine():
                process.kill()
                process.wait(10)

    def clean_up(self) -> None:
        """Leave no process behind, whatever the test did."""
        subprocess.run(
            [*PROGRAM, "down"], env=self.environment, capture_output=True, timeout=PATIENCE_SECONDS, check=False
        )
        for process in self.machines():
            with _gone_is_fine():
                process.kill()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


@contextmanager
def stack_in(directory: Path, environment: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """A stack that is not started yet, and leaves nothing behind."""
    stack = Stack(directory, environment)
    try:
        yield stack
    finally:
        stack.clean_up()


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return
