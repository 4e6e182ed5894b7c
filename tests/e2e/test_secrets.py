"""Recognisable secrets are planted; then everything that people, programs and disks can see is searched for them."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.stacks import Stack, stack_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PASSWORD = "planted-connection-password-8c1f"
KEY = "planted-private-key-77ab"
PASSPHRASE = "planted-passphrase-19de"
TOKEN_START = "eyJhbGciOi"
"""How every JSON web token begins that is signed with HS256."""
SECRETS = (PASSWORD, KEY, PASSPHRASE, TOKEN_START)

CONFIGURATION = """
kind: zone
name: default
---
kind: vm_provider
name: local
provider: local
max_instances: 4
startup_script_file: startup.sh
---
kind: pool
name: demo
type: server
---
kind: autoscale
name: demo-local
type: server
pool: demo
zone: default
vm_provider: local
minimum_available_sessions: 1
connection:
  type: ssh
  username: demo
  password: {password}
  use_user_ssh_key: false
  private_key: file:key.pem
  private_key_passphrase: env:PLANTED_PASSPHRASE
"""


class Watcher:
    """Collects the command line of every process that is ever seen."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            for process in psutil.process_iter():
                try:
                    self.seen.add(" ".join(process.cmdline()))
                except psutil.Error:
                    continue


def files(directory: Path, example_script: str) -> Path:
    """The configuration, with a startup script that uses the planted password."""
    directory.mkdir()
    script = example_script.replace("set -euo pipefail", "set -euo pipefail\ntest -n {connection_password:sh}")
    (directory / "startup.sh").write_text(script)
    (directory / "key.pem").write_text(KEY + "\n")
    (directory / "pools.yaml").write_text(CONFIGURATION.format(password=PASSWORD))
    return directory / "pools.yaml"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, set[str], str]]:
    """A stack in which a server booted, was used and went; the command lines seen; all that the CLI printed."""
    directory = tmp_path_factory.mktemp("secrets")
    example = Path(__file__).parents[2] / "examples" / "startup-scripts" / "local-demo.sh"
    configuration = files(directory / "configuration", example.read_text())
    with (
        stack_in(directory / "data", {"PLANTED_PASSPHRASE": PASSPHRASE}) as stack,
        Watcher() as watcher,
    ):
        stack.up("--apply", str(configuration))
        stack.until_running(1)
        printed = [stack.run("apply", str(configuration)), stack.run("export"), stack.run("get", "autoscale", "--all")]
        session = stack.json("session", "request", "--pool", "demo", "--user", "ada", "--wait")
        server = session["server"]["id"]
        printed += [stack.run("server", "show", server), stack.run("server", "logs", server)]
        stack.run("session", "end", session["id"])
        stack.until(lambda: server not in {one["id"] for one in stack.servers()}, "the used server goes")
        stack.until_running(1)
        printed += [stack.run("server", "list"), stack.run("pool", "show", "demo"), stack.run("explain", "demo")]
        yield stack, watcher.seen, "\n".join(printed)


class TestNoSecretIsShown:
    """Each place on its own, so that a leak is named."""

    def test_not_in_process_lists(self, lived: tuple[Stack, set[str], str]) -> None:
        _, seen, _ = lived
        assert any("startup.sh" in line for line in seen), "the startup script was seen to run"
        assert [line for line in seen if any(secret in line for secret in SECRETS)] == []

    def test_not_in_what_the_command_line_prints(self, lived: tuple[Stack, set[str], str]) -> None:
        assert [secret for secret in SECRETS if secret in lived[2]] == []

    def test_not_in_logs(self, lived: tuple[Stack, set[str], str]) -> None:
        logs = {path.name: path.read_text(errors="replace") for path in (lived[0].directory / "logs").iterdir()}
        assert {"temporal.log", "worker.log", "endpoint.log"} <= logs.keys()
        assert [(name, secret) for name, text in logs.items() for secret in SECRETS if secret in text] == []

    @pytest.mark.parametrize("database", ["temporal.db", "poolwright.db"])
    def test_not_in_databases(self, lived: tuple[Stack, set[str], str], database: str) -> None:
        stored = b"".join(path.read_bytes() for path in lived[0].directory.glob(f"{database}*"))
        assert b"demo-local" in stored, "the file holds what it should"
        assert [secret for secret in SECRETS if secret.encode() in stored] == []

    def test_the_session_s_client_gets_what_it_needs(self, lived: tuple[Stack, set[str], str]) -> None:
        stack = lived[0]
        session = stack.json("session", "request", "--pool", "demo", "--user", "bob", "--wait")
        assert session["connection"]["password"] == PASSWORD
