"""No password shows: not in messages, logs, what prints an object, or a process list."""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from poolwright.directory.active_directory import ComputerDirectory
from poolwright.directory.errors import DirectoryError
from poolwright.directory.join_password import as_unicode_pwd, new_join_password
from poolwright.domain.identities import OwnerMark
from tests.directory.conftest import Site
from tests.directory.relay import Relay
from tests.servers.certificates import Authority
from tests.servers.samba import BASE_DN


class TestJoinPassword:
    def test_it_is_long_random_and_of_letters_and_digits(self) -> None:
        passwords = {new_join_password().get_secret_value() for _ in range(200)}
        assert len(passwords) == 200
        for password in passwords:
            assert len(password) == 32
            assert password.isascii()
            assert password.isalnum()
            assert any(map(str.islower, password))
            assert any(map(str.isupper, password))
            assert any(map(str.isdigit, password))

    def test_it_goes_to_the_directory_in_quotes_and_in_utf_16(self) -> None:
        password = new_join_password()
        assert as_unicode_pwd(password).decode("utf-16-le") == f'"{password.get_secret_value()}"'


def everything_shown(error: BaseException) -> str:
    """The traceback with causes, and each object that an error carries."""
    shown = traceback.format_exception(error)
    current: BaseException | None = error
    while current is not None:
        shown += [repr(current), repr(vars(current)), repr(current.args)]
        current = current.__cause__ or current.__context__
    return "".join(shown)


@pytest.mark.slow
class TestNothingShows:
    def test_a_record_hides_its_password(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        record = directory.create_or_reset(mark, hostname, site.ou)
        password = record.join_password.get_secret_value()
        shown = f"{record} {record!r} {record.model_dump()} {record.model_dump_json()}"
        assert password not in shown

    def test_the_directory_hides_the_service_accounts_password(self, site: Site, directory: ComputerDirectory) -> None:
        assert site.config.service_account_password.get_secret_value() not in f"{directory!r} {vars(directory)!r}"

    def test_no_error_shows_one(
        self, site: Site, mark: OwnerMark, hostname: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[str] = []

        def remembered() -> object:
            password = new_join_password()
            made.append(password.get_secret_value())
            return password

        monkeypatch.setattr("poolwright.directory.active_directory.new_join_password", remembered)
        site.administrator.add_computer(hostname.upper(), site.other_ou)
        with Relay(None) as hanging, Relay((site.domain_controller.address, 636)) as breaking:
            breaking.break_after_bytes = 1000
            failures: list[Callable[[], object]] = [
                lambda: site.open().create_or_reset(mark, hostname, site.ou),
                lambda: site.open().create_or_reset(mark, f"{hostname}a", site.other_ou),
                lambda: site.open().create_or_reset(mark, f"{hostname}b", f"OU=Nowhere,{BASE_DN}"),
                lambda: site.open(urls=(breaking.url,)).create_or_reset(mark, f"{hostname}c", site.ou),
                lambda: site.open(urls=(hanging.url,), connection_timeout_seconds=1).find(mark),
                lambda: site.open(service_account_dn="nobody").find(mark),
                lambda: site.open(ca_file=str(Authority(tmp_path, "other.pem").file)).find(mark),
                lambda: site.open(urls=("ldap://dc1",)).find(mark),
            ]
            service_password = site.config.service_account_password.get_secret_value()
            for fail in failures:
                with pytest.raises(DirectoryError) as failed:
                    fail()
                shown = everything_shown(failed.value)
                for secret in [service_password, *made]:
                    assert secret not in shown
        assert len(made) == 4

    def test_no_log_and_no_process_list_shows_one(
        self,
        site: Site,
        directory: ComputerDirectory,
        mark: OwnerMark,
        hostname: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        passwords = [site.config.service_account_password.get_secret_value()]
        for _ in range(2):
            record = directory.create_or_reset(mark, hostname, site.ou)
            passwords.append(record.join_password.get_secret_value())
        own = psutil.Process()
        shown = caplog.text + " ".join(" ".join(each.cmdline()) for each in [own, *own.children(recursive=True)])
        for password in passwords:
            assert password not in shown
