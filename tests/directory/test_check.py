"""The check of an LDAP config finds each thing that would fail later, and nothing else."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dns.resolver import Resolver
from ldap3 import Connection

from poolwright.directory.active_directory import ComputerDirectory
from poolwright.domain.findings import Finding
from tests.directory.administrator import COMPUTER, DELEGATION
from tests.directory.conftest import CONTROLLER, Site
from tests.directory.relay import Relay
from tests.servers.certificates import Authority
from tests.servers.ports import reserved_port
from tests.servers.samba import BASE_DN, DOMAIN

pytestmark = pytest.mark.slow

WORDS = {
    "create": "may not create computer records in",
    "delete": "may not delete computer records in",
    "reset the password": "may not reset the password of computer records in",
    "account restrictions": "may not write the account restrictions of computer records in",
    "objects below": "may not delete computer records together with objects below them in",
}


def problems(findings: Sequence[Finding]) -> list[str]:
    return [finding.problem for finding in findings]


class TestRights:
    def test_an_account_with_just_the_documented_rights_passes(self, site: Site, directory: ComputerDirectory) -> None:
        assert directory.check([site.ou, site.difficult_ou]) == []

    def test_an_account_without_rights_lacks_every_one(self, site: Site, directory: ComputerDirectory) -> None:
        findings = directory.check([site.other_ou])
        assert len(findings) == len(WORDS)
        for words in WORDS.values():
            assert any(words in problem for problem in problems(findings))
        assert {finding.setting for finding in findings} == {"ou_dn"}
        assert all(f'dsacls "{site.other_ou}"' in finding.remedy for finding in findings)

    @pytest.mark.parametrize("missing", list(DELEGATION))
    def test_each_right_that_is_missing_is_named_alone(
        self, site: Site, directory: ComputerDirectory, missing: str
    ) -> None:
        ou = site.administrator.add_ou(f"OU=Without {missing},{BASE_DN}")
        site.administrator.delegate(ou, site.account_sid, *(right for right in DELEGATION if right != missing))
        (finding,) = directory.check([ou])
        assert WORDS[missing] in finding.problem

    def test_rights_that_come_from_a_group_and_from_above_count(self, site: Site, directory: ComputerDirectory) -> None:
        sid = site.administrator.add_group("Desktop keepers", site.config.service_account_dn)
        parent = site.administrator.add_ou(f"OU=Parent,{BASE_DN}")
        site.administrator.grant(parent, f"(A;CI;GA;;;{sid})")
        assert directory.check([site.administrator.add_ou(f"OU=Child,{parent}")]) == []

    def test_a_denial_outweighs_a_grant(self, site: Site, directory: ComputerDirectory) -> None:
        """As the protection from accidental deletion sets it."""
        ou = site.administrator.add_ou(f"OU=Protected,{BASE_DN}")
        site.administrator.delegate(ou, site.account_sid)
        site.administrator.grant(ou, "(D;;DC;;;WD)")
        (finding,) = directory.check([ou])
        assert WORDS["delete"] in finding.problem
        site.administrator.grant(ou, f"(OA;CIIO;SD;;{COMPUTER};{site.account_sid})")
        assert directory.check([ou]) == []

    def test_an_administrator_lacks_nothing(self, site: Site) -> None:
        directory = site.open(
            service_account_dn=f"Administrator@{DOMAIN}",
            service_account_password=site.domain_controller.administrator_password,
        )
        assert directory.check([site.other_ou]) == []


class TestPlaces:
    def test_every_ou_that_is_wrong_is_named(self, site: Site, directory: ComputerDirectory) -> None:
        wrong = [f"OU=Nowhere,{BASE_DN}", "OU=Desktops,DC=other,DC=test", "Desktops"]
        findings = directory.check([site.ou, *wrong])
        assert [finding.setting for finding in findings] == ["ou_dn"] * 3
        assert all(ou in problem for ou, problem in zip(wrong, problems(findings), strict=True))

    def test_another_domain_than_the_domain_controllers_is_told(self, site: Site) -> None:
        found = problems(site.open(search_base="DC=corp,DC=example").check([]))
        assert any("serves the domain DC=ad,DC=test" in problem for problem in found)

    def test_a_server_that_is_no_domain_controller_is_told(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        search = Connection.search

        def as_other_servers(connection: Connection, base: str, *rest: Any, **more: Any) -> bool:
            # They have no such attributes.
            more = more if base else {**more, "attributes": ["supportedLDAPVersion"]}
            return bool(search(connection, base, *rest, **more))

        monkeypatch.setattr(Connection, "search", as_other_servers)
        (finding,) = site.open().check([])
        assert finding.setting == "urls"
        assert "is no domain controller of an Active Directory" in finding.problem

    def test_dns_without_the_domain_is_told(self, site: Site) -> None:
        nowhere = Resolver(configure=False)
        nowhere.nameservers = ["127.0.0.1"]
        nowhere.port = reserved_port()
        nowhere.lifetime = 1
        directory = ComputerDirectory(site.config, CONTROLLER, resolver=nowhere)
        for problem, name in zip(
            problems(directory.check([])), ("_ldap._tcp.dc._msdcs", "_kerberos._tcp"), strict=True
        ):
            assert f"DNS gives no service record {name}.{DOMAIN}" in problem


class TestConnections:
    def test_each_domain_controller_is_asked(self, site: Site) -> None:
        port = reserved_port()
        with Relay((site.domain_controller.address, 636)) as relay:
            urls = (f"ldaps://127.0.0.1:{port}", f"ldaps://localhost:{relay.port}", site.domain_controller.url)
            away, untrusted = site.open(urls=urls).check([site.ou])
        assert (away.setting, untrusted.setting) == ("urls", "ca_file")
        assert f"127.0.0.1:{port} cannot be reached" in away.problem
        assert "'localhost'" in untrusted.problem

    def test_a_wrong_password_is_tried_once(self, site: Site) -> None:
        with Relay((site.domain_controller.address, 636)) as relay:
            directory = site.open(
                urls=(site.domain_controller.url, relay.url), service_account_password="not-the-password"
            )
            (finding,) = directory.check([site.ou])
            assert relay.accepted == 0
        assert "wrong name or password" in finding.problem

    def test_an_untrusted_certificate_and_a_missing_file_are_findings(self, site: Site, tmp_path: Path) -> None:
        (untrusted,) = site.open(ca_file=str(Authority(tmp_path, "other.pem").file)).check([site.ou])
        (absent,) = site.open(ca_file=str(tmp_path / "absent.pem")).check([site.ou])
        assert (untrusted.setting, absent.setting) == ("ca_file", "ca_file")
        assert "cannot be trusted" in untrusted.problem
        assert "absent.pem" in absent.problem


class TestTimes:
    def at(self, site: Site, ahead: timedelta) -> Sequence[Finding]:
        directory = ComputerDirectory(
            site.config, CONTROLLER, clock=lambda: datetime.now(UTC) + ahead, resolver=site.resolver()
        )
        return directory.check([])

    @pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(minutes=-4)])
    def test_clocks_that_differ_are_told(self, site: Site, ahead: timedelta) -> None:
        (finding,) = self.at(site, ahead)
        assert "differ by 2" in finding.problem
        assert finding.remedy == "let both follow the same time servers"

    def test_a_certificate_about_to_end_is_told(self, site: Site) -> None:
        found = problems(self.at(site, timedelta(days=20)))
        assert any("is only valid until" in problem for problem in found)
