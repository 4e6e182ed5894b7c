"""Scripts that run in guests, for real: once, whole, at the chosen path, with output and exit code; and addresses."""

import base64
import gzip
import random
import time
from collections.abc import Callable

import pytest
import tree_sitter_powershell
from pydantic import SecretStr
from tree_sitter import Language, Parser

from poolwright.providers.base import ScriptResult
from poolwright.providers.errors import InvalidSettings, NotFound, Throttled, Transient
from poolwright.providers.proxmox.guest import PART_CHARACTERS, parts_of
from poolwright.providers.proxmox.guest_programs import command, part_path, powershell_program
from poolwright.providers.proxmox.provider import ProxmoxProvider
from poolwright.providers.proxmox.settings import OSType
from tests.conformance.specs import THEIRS, spec_of
from tests.providers.proxmox.conftest import Open
from tests.wire.proxmox import ProxmoxCluster

pytestmark = pytest.mark.slow

SPEC = spec_of("a")
NUMBER = SPEC.number or 0
REFERENCE = str(NUMBER)
TRIES = 400


def booted(cluster: ProxmoxCluster, provider: ProxmoxProvider, *addresses: str) -> ProxmoxProvider:
    provider.create(SPEC)
    provider.get(REFERENCE)
    cluster.boot(NUMBER, *addresses)
    return provider


@pytest.fixture
def guest(cluster: ProxmoxCluster, provider: ProxmoxProvider) -> ProxmoxProvider:
    """A provider whose only VM runs, with its agent."""
    return booted(cluster, provider)


def until_finished(provider: ProxmoxProvider, script: str) -> ScriptResult:
    for _ in range(TRIES):
        result = provider.run_startup_script(REFERENCE, SecretStr(script))
        if result.finished:
            return result
        time.sleep(0.01)
    raise AssertionError("the script does not end")


def until(condition: Callable[[], bool]) -> None:
    for _ in range(TRIES):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it does not come")


class TestScripts:
    def test_output_and_exit_code_are_told(self, guest: ProxmoxProvider) -> None:
        result = until_finished(guest, "#!/bin/bash\necho Grüße\necho trouble >&2\nexit 7\n")
        assert result == ScriptResult(finished=True, exit_code=7, output="Grüße\ntrouble\n")

    def test_the_end_of_a_long_output_is_told(self, guest: ProxmoxProvider) -> None:
        result = until_finished(guest, "seq 100000\n")
        assert result.output.endswith("\n99999\n100000\n")
        assert len(result.output) == 16_384

    def test_the_script_is_at_the_chosen_path_and_only_its_owner_reads_it(
        self, cluster: ProxmoxCluster, guest: ProxmoxProvider
    ) -> None:
        until_finished(guest, "exit 0\n")
        directory = cluster.guest_directory(NUMBER)
        assert [path.name for path in directory.iterdir()] == ["poolwright-startup"]
        marker = directory / "poolwright-startup"
        assert marker.stat().st_mode & 0o077 == 0
        assert (marker / "startup.sh").read_text() == "exit 0\n"

    def test_a_script_of_several_parts_arrives_whole(self, cluster: ProxmoxCluster, guest: ProxmoxProvider) -> None:
        noise = base64.b64encode(random.Random(1).randbytes(120_000)).decode()
        script = f"#!/bin/bash\necho whole\nexit 0\n# {noise}\n"
        assert until_finished(guest, script).output == "whole\n"
        assert cluster.count("POST", "/agent/file-write") == len(parts_of(script.encode())) == 3
        assert (cluster.guest_directory(NUMBER) / "poolwright-startup" / "startup.sh").read_text() == script

    def test_a_long_script_is_asked_for_while_it_runs(self, cluster: ProxmoxCluster, guest: ProxmoxProvider) -> None:
        gate = cluster.guest_directory(NUMBER) / "gate"
        script = f"until [ -e '{gate}' ]; do sleep 0.02; done\necho through\n"
        assert guest.run_startup_script(REFERENCE, SecretStr(script)).finished is False
        assert guest.run_startup_script(REFERENCE, SecretStr(script)).finished is False
        gate.touch()
        assert until_finished(guest, script).output == "through\n"
        assert cluster.count("POST", "/agent/exec") == 1

    def test_another_worker_waits_for_the_same_run(
        self, cluster: ProxmoxCluster, guest: ProxmoxProvider, opened: Open
    ) -> None:
        gate, runs = (cluster.guest_directory(NUMBER) / name for name in ("gate", "runs"))
        script = f"echo run >> '{runs}'\nuntil [ -e '{gate}' ]; do sleep 0.02; done\nexit 5\n"
        assert guest.run_startup_script(REFERENCE, SecretStr(script)).finished is False
        another = opened()
        assert another.run_startup_script(REFERENCE, SecretStr(script)).finished is False
        gate.touch()
        assert until_finished(another, script).exit_code == until_finished(guest, script).exit_code == 5
        assert runs.read_text() == "run\n"

    def test_a_lost_answer_runs_nothing_twice(self, cluster: ProxmoxCluster, guest: ProxmoxProvider) -> None:
        runs = cluster.guest_directory(NUMBER) / "runs"
        script = f"echo run >> '{runs}'\n"
        for end in ("/agent/file-write", "/agent/exec", "/agent/exec-status"):
            cluster.loses_answers_to = end
            with pytest.raises(Transient):
                guest.run_startup_script(REFERENCE, SecretStr(script))
        cluster.loses_answers_to = ""
        assert until_finished(guest, script).exit_code == 0
        assert runs.read_text() == "run\n"

    def test_a_guest_that_restarts_itself_has_had_its_run(
        self, cluster: ProxmoxCluster, guest: ProxmoxProvider
    ) -> None:
        directory = cluster.guest_directory(NUMBER)
        script = "echo joining the domain\nsleep 60\n"
        assert guest.run_startup_script(REFERENCE, SecretStr(script)).finished is False
        until(lambda: "joining" in (directory / "poolwright-startup" / "output").read_text())
        cluster.restart_guest(NUMBER)
        (directory / "poolwright-startup" / "process").write_text("1 another-boot\n")
        result = until_finished(guest, script)
        assert result.exit_code is None
        assert result.output.startswith("The guest was restarted")
        assert result.output.endswith("joining the domain\n")

    def test_parts_that_are_damaged_run_nothing_and_are_written_again(
        self, cluster: ProxmoxCluster, guest: ProxmoxProvider
    ) -> None:
        directory = cluster.guest_directory(NUMBER)
        (directory / "poolwright-startup.part000").write_text("bm9pc2U=")
        with pytest.raises(Transient, match="damaged"):
            until_finished(guest, "exit 4\n")
        assert list(directory.iterdir()) == []
        assert until_finished(guest, "exit 4\n").exit_code == 4

    def test_a_directory_that_does_not_exist_is_said(self, cluster: ProxmoxCluster, opened: Open) -> None:
        provider = booted(cluster, opened(startup_script_path="/no/such/directory"))
        with pytest.raises(InvalidSettings, match=r"/no/such/directory.*startup_script_path"):
            provider.run_startup_script(REFERENCE, SecretStr("exit 0\n"))


class TestAgent:
    def test_one_that_does_not_answer_yet_is_no_error(self, cluster: ProxmoxCluster, provider: ProxmoxProvider) -> None:
        provider.create(SPEC)
        provider.get(REFERENCE)
        assert provider.run_startup_script(REFERENCE, SecretStr("exit 0\n")) == ScriptResult(finished=False)
        cluster.boot(NUMBER)
        cluster.vm(NUMBER).agent_hangs = True
        assert provider.run_startup_script(REFERENCE, SecretStr("exit 0\n")) == ScriptResult(finished=False)
        cluster.vm(NUMBER).agent_hangs = False
        assert until_finished(provider, "exit 0\n").exit_code == 0

    def test_a_cluster_that_wants_fewer_calls_is_heard(self, cluster: ProxmoxCluster, guest: ProxmoxProvider) -> None:
        too_many = cluster.failing(429, "Too Many Requests", ("POST", "/agent/exec"))
        with too_many, pytest.raises(Throttled):
            guest.run_startup_script(REFERENCE, SecretStr("exit 0\n"))

    def test_nothing_runs_in_vms_of_others(self, guest: ProxmoxProvider, opened: Open) -> None:
        for reference in (REFERENCE, "5000"):
            with pytest.raises(NotFound):
                opened(THEIRS).run_startup_script(reference, SecretStr("exit 0\n"))


class TestAddresses:
    @pytest.mark.parametrize(
        ("told", "address", "private_address"),
        [
            (["10.0.0.7"], "10.0.0.7", "10.0.0.7"),
            (["10.0.0.7", "8.8.4.4"], "8.8.4.4", "10.0.0.7"),
            (["2a00:1450::7", "10.0.0.7"], "2a00:1450::7", "10.0.0.7"),
            (["fd00::7", "10.0.0.7"], "10.0.0.7", "10.0.0.7"),
            (["fe80::7", "169.254.3.4", "127.0.0.2"], None, None),
        ],
    )
    def test_loopback_and_link_local_are_none_and_ipv4_goes_first(
        self,
        cluster: ProxmoxCluster,
        provider: ProxmoxProvider,
        told: list[str],
        address: str | None,
        private_address: str | None,
    ) -> None:
        seen = booted(cluster, provider, *told).get(REFERENCE)
        assert (seen.address, seen.private_address) == (address, private_address)

    def test_bridges_inside_the_guest_are_not_its_address(
        self, cluster: ProxmoxCluster, guest: ProxmoxProvider
    ) -> None:
        docker = {
            "name": "docker0",
            "hardware-address": "02:42:00:00:00:01",
            "ip-addresses": [{"ip-address": "10.0.0.1", "ip-address-type": "ipv4", "prefix": 16}],
        }
        own = guest.get(REFERENCE).address
        cluster.vm(NUMBER).agent["interfaces"].insert(0, docker)
        assert guest.get(REFERENCE).address == own != "10.0.0.1"


class TestWindows:
    def test_the_program_is_powershell(self) -> None:
        program = powershell_program(r"C:\Users\O'Brien", "0" * 64)
        tree = Parser(Language(tree_sitter_powershell.language())).parse(program.encode())
        assert not tree.root_node.has_error
        assert r"'C:\Users\O''Brien'" in program

    def test_it_is_handed_over_encoded(self) -> None:
        arguments = command(OSType.WINDOWS, r"C:\Windows\Temp", b"exit 0")
        assert arguments[0] == "powershell.exe"
        program = base64.b64decode(arguments[-1]).decode("utf-16-le")
        assert program == powershell_program(r"C:\Windows\Temp", program.split("-ne '")[1][:64])
        # CreateProcess takes no more.
        assert len(" ".join(arguments)) < 32_767

    def test_parts_are_written_where_they_are_looked_for(self, cluster: ProxmoxCluster, opened: Open) -> None:
        assert part_path(OSType.WINDOWS, "C:\\Windows\\Temp\\", 1) == r"C:\Windows\Temp\poolwright-startup.part001"
        assert part_path(OSType.LINUX, "/var/tmp/", 12) == "/var/tmp/poolwright-startup.part012"


class TestParts:
    @pytest.mark.parametrize("size", [0, 1, 1_000, 200_000])
    def test_they_make_the_script_again(self, size: int) -> None:
        script = random.Random(size).randbytes(size)
        parts = parts_of(script)
        assert gzip.decompress(base64.b64decode("".join(parts))) == script
        assert all(0 < len(part) <= PART_CHARACTERS and part.isascii() for part in parts)
