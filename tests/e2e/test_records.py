"""Machines with a computer record and a DNS name through the whole stack, the worker killed again and again: in the end
nothing of ours is left, nothing foreign is touched, and no secret was seen on the way."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from poolwright.store.secrets import all_secrets
from starter.settings import Settings
from tests.e2e.stacks import Stack, stack_in
from tests.e2e.test_secrets import Watcher
from tests.servers.bind9 import ZONE, Nameserver, Record
from tests.servers.organizational_unit import OrganizationalUnit, new_organizational_unit
from tests.servers.samba import DomainController

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BASE = f"e2e.{ZONE}"
FOREIGN = Record(f"www.{BASE}", "A", "192.0.2.98")
EXAMPLE = Path(__file__).parents[2] / "examples" / "startup-scripts" / "local-demo.sh"
JOIN = "test -n {ad_join_credential:sh}\ntest {domain:sh} = ad.test"


class Lived(NamedTuple):
    """What is left of a stack whose servers came and went under kills."""

    stack: Stack
    command_lines: set[str]
    secrets: list[str]
    """Every secret that there was while the servers ran: join passwords, bind password, key of the DNS server."""
    names_while_running: set[str]
    computers_while_running: set[str]
    servers_while_running: list[dict[str, str]]


def write_configuration(directory: Path, unit: OrganizationalUnit, names: Nameserver) -> Path:
    directory.mkdir()
    script = EXAMPLE.read_text().replace("set -euo pipefail", f"set -euo pipefail\n{JOIN}")
    (directory / "startup.sh").write_text(script)
    key = names.keys.updater
    documents = [
        {"kind": "zone", "name": "default"},
        {"kind": "pool", "name": "desks", "type": "server"},
        {
            "kind": "vm_provider",
            "name": "local",
            "provider": "local",
            "max_instances": 3,
            "startup_script_file": "startup.sh",
        },
        {
            "kind": "dns_provider",
            "name": "campus",
            "provider": "rfc2136",
            "settings": {
                "servers": [f"127.0.0.1:{names.port}"],
                "key": {"name": key.name, "algorithm": key.algorithm, "secret": key.secret},
                "zones": [ZONE],
            },
        },
        {"kind": "ldap", "name": "corp", **unit.ldap},
        {
            "kind": "autoscale",
            "name": "desks-local",
            "type": "server",
            "pool": "desks",
            "zone": "default",
            "vm_provider": "local",
            "minimum_available_sessions": 2,
            "hostname_pattern": "e2e-{n:04}",
            "connection": {"type": "ssh", "username": "demo"},
            "computer_record": {"ldap": "corp", "ou_dn": unit.dn, "recursive_cleanup": True},
            "dns": {"provider": "campus", "base_domain": BASE},
        },
    ]
    (directory / "desks.yaml").write_text(yaml.safe_dump_all(documents))
    return directory / "desks.yaml"


def kill_worker(stack: Stack, times: int) -> None:
    for _ in range(times):
        stack.component("worker").kill()
        time.sleep(0.6)  # moments of a life, not a condition: each kill meets another step
        stack.until(stack.is_up, "the worker is back")


def stored_secrets(stack: Stack) -> list[str]:
    store = Settings(data_directory=stack.directory).open_store()
    with store.read() as tx:
        found = [secret.get_secret_value() for secret in all_secrets(tx)]
    store.close()
    return found


def addresses(names: Nameserver) -> set[str]:
    return {record.name for record in names.records() if record.kind == "A"}


@pytest.fixture(scope="module")
def unit(domain_controller: DomainController) -> OrganizationalUnit:
    """An OU of this test's own, with one foreign computer in it."""
    unit = new_organizational_unit(domain_controller)
    unit.administrator.add_computer("E2E-0001", unit.dn)
    return unit


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, unit: OrganizationalUnit, bind9: Nameserver) -> Iterator[Lived]:
    """Two servers made, one deleted and made anew, all deleted, and the worker killed all the while."""
    directory = tmp_path_factory.mktemp("records")
    bind9.add(FOREIGN)
    with stack_in(directory / "data") as stack, Watcher() as watcher:
        stack.up("--apply", str(write_configuration(directory / "configuration", unit, bind9)))
        kill_worker(stack, 4)
        first, _ = stack.until_running(2)
        secrets = stored_secrets(stack)
        stack.run("server", "delete", first["id"])
        kill_worker(stack, 3)
        stack.until(lambda: first["id"] not in {one["id"] for one in stack.servers()}, "the deletion goes on")
        servers = stack.until_running(2)
        secrets += stored_secrets(stack)
        names, computers = addresses(bind9), unit.computers()
        stack.down("--delete-servers")
        yield Lived(stack, watcher.seen, secrets, names, computers, servers)
    bind9.clear()


class TestRecords:
    def test_each_server_had_exactly_its_own(self, lived: Lived) -> None:
        ids = {server["id"] for server in lived.servers_while_running}
        assert lived.names_while_running == {f"{one}.{BASE}" for one in ids} | {FOREIGN.name}
        hostnames = {server["hostname"].upper() for server in lived.servers_while_running}
        assert lived.computers_while_running == hostnames | {"E2E-0001"}
        assert "E2E-0001" not in hostnames

    def test_nothing_of_ours_is_left_and_nothing_foreign_is_touched(
        self, lived: Lived, unit: OrganizationalUnit, bind9: Nameserver
    ) -> None:
        assert bind9.records() == {FOREIGN}
        assert unit.computers() == {"E2E-0001"}
        assert lived.stack.machines() == []


class TestSecrets:
    def test_there_were_some_to_look_for(self, lived: Lived, unit: OrganizationalUnit, bind9: Nameserver) -> None:
        assert {unit.password, bind9.keys.updater.secret} < set(lived.secrets)
        assert len(set(lived.secrets)) >= 5

    def test_no_process_list_shows_one(self, lived: Lived) -> None:
        assert [line for line in lived.command_lines if any(secret in line for secret in lived.secrets)] == []

    def test_no_log_shows_one(self, lived: Lived) -> None:
        logs = {path.name: path.read_text(errors="replace") for path in (lived.stack.directory / "logs").iterdir()}
        assert {"temporal.log", "worker.log", "endpoint.log"} <= logs.keys()
        assert [name for name, text in logs.items() if any(secret in text for secret in lived.secrets)] == []

    @pytest.mark.parametrize("database", ["temporal.db", "poolwright.db"])
    def test_no_database_shows_one(self, lived: Lived, database: str) -> None:
        stored = b"".join(path.read_bytes() for path in lived.stack.directory.glob(f"{database}*"))
        assert b"desks-local" in stored, "the file holds what it should"
        assert [1 for secret in lived.secrets if secret.encode() in stored] == []
