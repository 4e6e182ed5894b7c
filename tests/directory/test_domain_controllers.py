"""Connections: only encrypted and verified ones, and another domain controller where one is away."""

from pathlib import Path

import pytest

from poolwright.directory import open_directory
from poolwright.directory.active_directory import ComputerDirectory
from poolwright.directory.domain_controllers import REST_SECONDS, DomainControllers
from poolwright.directory.errors import (
    AuthenticationFailed,
    CertificateRefused,
    InvalidSettings,
    Transient,
    Unreachable,
)
from poolwright.domain.identities import OwnerMark
from poolwright.domain.resources import LDAPConfig
from tests.directory.conftest import CONTROLLER, Site
from tests.directory.relay import Relay
from tests.servers.certificates import Authority
from tests.servers.ports import reserved_port

SETTINGS = LDAPConfig.model_validate(
    {
        "name": "corp",
        "urls": ["ldaps://dc1.corp.example"],
        "search_base": "DC=corp,DC=example",
        "service_account_dn": "CN=svc,DC=corp,DC=example",
        "service_account_password": "secret",
    }
)


def settings(**changes: object) -> LDAPConfig:
    return LDAPConfig.model_validate({**SETTINGS.model_dump(), **changes})


class TestSettings:
    def test_every_url_is_read_with_its_port_and_once(self) -> None:
        urls = ("ldaps://dc1.corp.example", "LDAPS://DC2.corp.example:3269/", "ldaps://dc1.corp.example:636")
        controllers = DomainControllers(settings(urls=urls)).all
        assert [str(controller) for controller in controllers] == ["dc1.corp.example", "dc2.corp.example:3269"]

    def test_a_plain_connection_is_refused_before_anything_is_sent(self) -> None:
        with pytest.raises(InvalidSettings, match=r"'ldap://dc1' is not encrypted; .* write each as ldaps://"):
            open_directory(settings(urls=("ldaps://dc2", "ldap://dc1")), CONTROLLER)

    def test_all_wrong_urls_are_named_at_once(self) -> None:
        urls = ("ldap://dc1", "dc2.corp.example", "https://dc3", "ldaps://dc4:x", "ldaps://dc5/DC=corp")
        with pytest.raises(InvalidSettings) as refused:
            open_directory(settings(urls=urls), CONTROLLER)
        assert all(url in str(refused.value) for url in urls)

    def test_a_password_in_a_url_is_not_repeated(self) -> None:
        with pytest.raises(InvalidSettings, match="number 2 is not of the form") as refused:
            open_directory(settings(urls=("ldaps://dc1", "ldaps://svc:hunter2@dc2")), CONTROLLER)
        assert "hunter2" not in str(refused.value)

    def test_an_empty_password_would_be_an_anonymous_logon(self) -> None:
        with pytest.raises(InvalidSettings, match="service_account_password of LDAP config 'corp' is empty"):
            open_directory(settings(service_account_password=""), CONTROLLER)

    @pytest.mark.parametrize("base", ["OU=Desktops", "corp.example", ""])
    def test_a_search_base_without_a_domain_is_refused(self, base: str) -> None:
        with pytest.raises(InvalidSettings, match="search_base"):
            open_directory(settings(search_base=base), CONTROLLER)

    def test_a_ca_file_that_is_missing_is_named(self, tmp_path: Path) -> None:
        directory = open_directory(settings(ca_file=str(tmp_path / "absent.pem")), CONTROLLER)
        with pytest.raises(InvalidSettings, match=r"ca_file '.*absent.pem'"):
            directory.find(OwnerMark(controller_id=CONTROLLER, server_id="s1"))

    def test_a_ca_file_without_a_certificate_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "empty.pem").write_text("nothing")
        directory = open_directory(settings(ca_file=str(tmp_path / "empty.pem")), CONTROLLER)
        with pytest.raises(InvalidSettings, match=r"ca_file '.*empty.pem'"):
            directory.find(OwnerMark(controller_id=CONTROLLER, server_id="s1"))

    def test_a_directory_without_its_library_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "poolwright.directory.active_directory", None)
        with pytest.raises(InvalidSettings, match=r"install poolwright\[directory\]"):
            open_directory(SETTINGS, CONTROLLER)


@pytest.mark.slow
class TestCertificates:
    def test_a_certificate_of_another_authority_is_refused(self, site: Site, mark: OwnerMark, tmp_path: Path) -> None:
        other = Authority(tmp_path, "other.pem")
        with pytest.raises(CertificateRefused, match="cannot be trusted: unable to get local issuer"):
            site.open(ca_file=str(other.file)).find(mark)

    def test_the_systems_authorities_do_not_know_it_either(self, site: Site, mark: OwnerMark) -> None:
        with pytest.raises(CertificateRefused, match="see that the system has the certificate"):
            site.open(ca_file=None).find(mark)

    def test_a_certificate_for_another_name_is_refused(self, site: Site, mark: OwnerMark) -> None:
        with (
            Relay((site.domain_controller.address, 636)) as relay,
            pytest.raises(CertificateRefused, match="is not valid for 'localhost'"),
        ):
            site.open(urls=(f"ldaps://localhost:{relay.port}",)).find(mark)

    def test_the_port_for_unencrypted_ldap_is_no_way_in(self, site: Site, mark: OwnerMark) -> None:
        with pytest.raises(Unreachable):
            site.open(urls=(f"{site.domain_controller.url}:389",)).find(mark)


@pytest.mark.slow
class TestLogon:
    def test_a_wrong_password_is_told_from_trouble_and_tried_once(self, site: Site, mark: OwnerMark) -> None:
        with Relay((site.domain_controller.address, 636)) as second:
            directory = site.open(
                urls=(site.domain_controller.url, second.url), service_account_password="not-the-password"
            )
            with pytest.raises(AuthenticationFailed, match="wrong name or password; correct service_account_dn"):
                directory.find(mark)
            assert second.accepted == 0

    def test_a_disabled_account_is_named_as_such(self, site: Site, mark: OwnerMark) -> None:
        site.administrator.add_account("svc-disabled", "Disabled-Passw0rd", disabled=True)
        directory = site.open(service_account_dn="svc-disabled@ad.test", service_account_password="Disabled-Passw0rd")
        with pytest.raises(AuthenticationFailed, match="the account is disabled"):
            directory.find(mark)


@pytest.mark.slow
class TestFailover:
    def test_another_domain_controller_does_the_work_of_one_that_is_away(self, site: Site, mark: OwnerMark) -> None:
        with Relay(None) as hanging:
            urls = (
                f"ldaps://127.0.0.1:{reserved_port()}",
                hanging.url,
                "ldaps://dc9.invalid",
                site.domain_controller.url,
            )
            directory = site.open(urls=urls, connection_timeout_seconds=1)
            assert directory.find(mark) is None
            assert hanging.accepted == 1
            # It is not asked again while it rests.
            assert directory.find(mark) is None
            assert hanging.accepted == 1

    def test_one_that_failed_is_tried_last_for_a_while(self, site: Site) -> None:
        now = 1000.0
        with Relay(None) as hanging, Relay((site.domain_controller.address, 636)) as working:
            config = site.changed(urls=(hanging.url, working.url), connection_timeout_seconds=1)
            controllers = DomainControllers(config, monotonic=lambda: now)

            def used() -> int:
                with controllers.connected("asking") as (_, controller):
                    return controller.port

            assert [used(), used()] == [working.port, working.port]
            assert hanging.accepted == 1
            now += REST_SECONDS
            assert used() == working.port
            assert hanging.accepted == 2

    def test_one_that_rests_is_still_better_than_none(self, site: Site) -> None:
        port = reserved_port()
        controllers = DomainControllers(site.changed(urls=(f"ldaps://127.0.0.1:{port}",)))
        for _ in range(2):
            with (
                pytest.raises(Unreachable, match=f"127.0.0.1:{port} cannot be reached: .*refused"),
                controllers.connected("asking"),
            ):
                pass

    def test_where_all_are_away_each_is_named(self, site: Site, mark: OwnerMark) -> None:
        with Relay(None) as hanging:
            directory = site.open(urls=(hanging.url, "ldaps://dc9.invalid"), connection_timeout_seconds=1)
            with pytest.raises(Unreachable, match=f"{hanging.port} cannot be reached: .*timed out; dc9.invalid cannot"):
                directory.find(mark)

    def test_an_answer_that_is_lost_is_unknown_and_asking_again_mends_it(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        with Relay((site.domain_controller.address, 636)) as relay:
            # Long enough for the logon, not for the record.
            relay.break_after_bytes = 1000
            through_relay = site.open(urls=(relay.url, site.domain_controller.url))
            with pytest.raises(Transient, match=f"creating 'CN={hostname.upper()},.*ask again"):
                through_relay.create_or_reset(mark, hostname, site.ou)
            record = through_relay.create_or_reset(mark, hostname, site.ou)
            assert relay.accepted == 1
        assert directory.delete(mark, record.object_guid, recursive=False)
