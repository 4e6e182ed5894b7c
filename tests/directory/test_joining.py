"""Machines that are not of the project's making join with what it made."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from poolwright.directory.active_directory import ComputerDirectory
from poolwright.domain.identities import OwnerMark
from poolwright.domain.startup_script import render
from tests.directory.conftest import Site
from tests.servers.domain_member import DomainMember
from tests.servers.samba import DOMAIN, SYSTEM_PATH

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "examples/startup-scripts/join-linux.sh"
# Programs that would change this computer. All else in the script is the real thing.
STAND_INS = ("apt-get", "dnf", "pam-auth-update", "sssd", "systemctl")


def adcli_join(member: DomainMember, password: str) -> bool:
    joined = member.run(
        "adcli", "join", f"--domain={DOMAIN}", "--login-type=computer", "--stdin-password", entered=password
    )
    return joined.returncode == 0


def is_joined(member: DomainMember) -> bool:
    return member.run("adcli", "testjoin", f"--domain={DOMAIN}").returncode == 0


class TestOneTimePassword:
    def test_a_machine_joins_with_it_once_and_only_with_it(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, tmp_path: Path
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        password = record.join_password.get_secret_value()
        member = DomainMember(site.domain_controller, tmp_path, hostname)
        assert not adcli_join(member, "not-the-password")
        assert adcli_join(member, password)
        assert is_joined(member)
        assert not site.domain_controller.kinit(f"{hostname.upper()}$", password)
        assert not adcli_join(member, password)

    def test_a_machine_whose_record_is_deleted_is_out(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, tmp_path: Path
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        member = DomainMember(site.domain_controller, tmp_path, hostname)
        assert adcli_join(member, record.join_password.get_secret_value())
        assert directory.delete(mark, record.object_guid, recursive=True)
        assert not is_joined(member)

    def test_a_name_can_be_used_again_by_the_next_machine(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, tmp_path: Path
    ) -> None:
        first = directory.create_or_reset(mark, hostname, site.ou)
        directory.delete(mark, first.object_guid, recursive=True)
        later = mark.model_copy(update={"server_id": f"{mark.server_id}b"})
        second = directory.create_or_reset(later, hostname, site.ou)
        member = DomainMember(site.domain_controller, tmp_path, hostname)
        assert adcli_join(member, second.join_password.get_secret_value())


@contextmanager
def check_in_endpoint() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Address of an endpoint, and what was reported to it: token, status and message."""
    reports: list[tuple[str, str, str]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reports.append((self.headers["Authorization"], body["status"], body["status_message"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", reports
        finally:
            server.shutdown()
            thread.join()


class TestLinuxStartupScript:
    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        stand_ins = tmp_path / "stand-ins"
        stand_ins.mkdir()
        for name in STAND_INS:
            (stand_ins / name).write_text("#!/bin/sh\nexit 0\n")
            (stand_ins / name).chmod(0o755)
        return f"{stand_ins}:{SYSTEM_PATH}"

    def test_it_joins_and_checks_in_and_may_run_again(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, tmp_path: Path, path: str
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        # The image has another name; the script changes it.
        member = DomainMember(site.domain_controller, tmp_path / "member", "image")
        with check_in_endpoint() as (address, reports):
            script = self.rendered(hostname, record.join_password.get_secret_value(), address)
            first = member.run("bash", entered=script, environment={"PATH": path})
            assert first.returncode == 0, first.stdout + first.stderr
            assert is_joined(member)
            again = member.run("bash", entered=script, environment={"PATH": path})
            assert again.returncode == 0, again.stdout + again.stderr
        assert {token for token, _, _ in reports} == {"Bearer the-token"}
        statuses = [status for _, status, _ in reports]
        assert (statuses[0], statuses[-1]) == ("starting", "running")
        assert statuses.count("running") == 2

    def test_a_failure_is_reported_at_once(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str, tmp_path: Path, path: str
    ) -> None:
        directory.create_or_reset(mark, hostname, site.ou)
        member = DomainMember(site.domain_controller, tmp_path / "member", hostname)
        with check_in_endpoint() as (address, reports):
            script = self.rendered(hostname, "not-the-password", address).replace("try 6 20 join", "try 2 0 join")
            assert member.run("bash", entered=script, environment={"PATH": path}).returncode != 0
        assert reports[-1] == ("Bearer the-token", "error", f"The startup script failed at: Joining {DOMAIN}")

    def rendered(self, hostname: str, password: str, address: str) -> str:
        values = {
            "domain": DOMAIN,
            "server_hostname": hostname,
            "ad_join_credential": password,
            "upstream_auth_address": address,
            "checkin_jwt": "the-token",
        }
        # The endpoint of this test has no certificate.
        return render(SCRIPT.read_text(), values, "server").get_secret_value().replace("https://", "http://")
