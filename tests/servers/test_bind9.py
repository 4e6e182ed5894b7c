"""The name servers that other tests stand on do what those tests assume."""

import os
from pathlib import Path

import psutil
import pytest

from tests.servers.bind9 import DELEGATED, NESTED_ZONE, ZONE, Nameserver, Record, server_program

pytestmark = pytest.mark.slow

RECORDS = (
    Record(f"a.{ZONE}", "A", "192.0.2.5"),
    Record(f"a.{NESTED_ZONE}", "TXT", '"text"', 300),
    Record("5.2.0.192.in-addr.arpa", "PTR", f"a.{ZONE}."),
)


class TestNameserver:
    def test_records_are_written_read_and_removed(self, bind9: Nameserver) -> None:
        assert not bind9.records()
        before = bind9.serial()
        bind9.add(*RECORDS)
        assert bind9.records() == set(RECORDS)
        assert bind9.serial() > before
        bind9.remove(RECORDS[0].name, kind="TXT")
        assert bind9.records() == set(RECORDS)
        bind9.clear()
        assert not bind9.records()

    def test_clearing_keeps_what_the_zones_are_born_with(self, bind9: Nameserver) -> None:
        bind9.clear()
        bind9.add(Record(f"www.{DELEGATED}", "A", "192.0.2.7"))
        bind9.clear()
        assert not bind9.records()

    def test_it_does_not_run_as_root(self, bind9: Nameserver) -> None:
        (server,) = (process for process in psutil.Process().children() if process.name() == "named")
        assert 0 not in server.uids()
        assert os.geteuid() in (0, server.uids().real)


class TestMissing:
    def test_a_person_is_told_what_to_install(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("CI", raising=False)
        with pytest.raises(pytest.skip.Exception, match="apt install bind9"):
            server_program(str(tmp_path))

    def test_ci_fails(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("CI", "true")
        with pytest.raises(pytest.fail.Exception, match="apt install bind9"):
            server_program(str(tmp_path))
