"""What only the RFC 2136 provider has: keys, several servers, unsigned messages, transfers and transports."""

import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import dns.message
import pytest
from dns.rcode import Rcode

from activities.swept_things import dns_records
from poolwright.dns.base import Changes, DNSProvider
from poolwright.dns.errors import AuthenticationFailed, InvalidSettings, PermissionDenied, Transient
from poolwright.dns.names import owner_name
from poolwright.dns.registry import open_dns_provider
from poolwright.domain.resources import SweepMode, SweepSettings
from poolwright.domain.sweep import orphans
from tests.dns.account import ADDRESS, OURS, REVERSE, THEIRS, forward, mark_of, marked, record_of, reverse
from tests.dns.harness import Seen
from tests.dns.relay import Relay
from tests.servers.bind9 import (
    BROKEN_ZONE,
    DELEGATED,
    NESTED_REVERSE_ZONE,
    NESTED_ZONE,
    REVERSE_ZONE,
    REVERSE_ZONE_6,
    ZONE,
    Access,
    Key,
    Nameserver,
    Record,
    new_keys,
    throw_away_nameserver,
)

pytestmark = pytest.mark.slow

NAME = f"a.{ZONE}"
HOUR = 3600


@pytest.fixture
def server(bind9: Nameserver) -> Iterator[Nameserver]:
    """The run's server, whose zones are empty before and after."""
    yield bind9
    bind9.clear()


@pytest.fixture
def relay(server: Nameserver) -> Iterator[Relay]:
    """A way to the server that can make trouble."""
    with closing(Relay(server.port)) as relay:
        yield relay


@pytest.fixture
def another_relay(server: Nameserver) -> Iterator[Relay]:
    """Another way to the same server, as if it were a second one with the same zones."""
    with closing(Relay(server.port)) as relay:
        yield relay


def open_for(*ports: int, key: Key | None, **settings: Any) -> DNSProvider:
    """A provider that asks these ports of 127.0.0.1 in turn."""
    servers = [f"127.0.0.1:{port}" for port in ports]
    known: Mapping[str, Any] = {"servers": servers, "key": key and key._asdict(), "zones": [ZONE]}
    return open_dns_provider("rfc2136", {**known, **settings}, OURS)


def seen(server: Nameserver) -> frozenset[Seen]:
    return frozenset(Seen(record.name, record.kind, record.data) for record in server.records())


def write_read_and_remove(provider: DNSProvider, server: Nameserver) -> None:
    """The whole way of a record."""
    provider.upsert(mark_of(), record_of(NAME))
    assert seen(server) == forward(NAME)
    assert [one.fqdn for one in provider.list_owned()] == [NAME]
    assert list(provider.check(ZONE)) == []
    provider.delete(mark_of(), NAME)
    assert not seen(server)


class TestTextsBesideTheMark:
    def test_they_stay_and_what_is_ours_goes(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.updater, reverse_zones=[REVERSE_ZONE])
        provider.upsert(mark_of(), record_of(NAME, ptr=True))
        beside = {Seen(owner_name(name), "TXT", '"a text of somebody"') for name in (NAME, REVERSE)}
        for record in beside:
            server.add(Record(*record))
        provider.upsert(mark_of(), record_of(NAME, ptr=True))
        assert seen(server) == forward(NAME) | reverse(REVERSE, NAME) | beside
        changes = provider.delete(mark_of(), NAME)
        assert (len(changes.removed), changes.notes) == (2, ())
        assert seen(server) == beside
        assert provider.list_owned() == []

    def test_another_mark_beside_ours_keeps_the_addresses(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.updater)
        provider.upsert(mark_of(), record_of(NAME))
        theirs = marked(NAME, mark_of(controller_id=THEIRS))
        server.add(Record(*theirs))
        changes = provider.delete(mark_of(), NAME)
        assert (changes.removed, THEIRS in changes.notes[0]) == ((f"{NAME} owner mark",), True)
        assert seen(server) == forward(NAME, mark=mark_of(controller_id=THEIRS))


class TestKeys:
    @pytest.mark.parametrize("name", ["updater", "updater_384", "updater_512"])
    def test_each_algorithm(self, server: Nameserver, name: str) -> None:
        write_read_and_remove(open_for(server.port, key=getattr(server.keys, name)), server)

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [({"name": "nobody"}, "BADKEY"), ({"algorithm": "hmac-sha512"}, "BADKEY"), ({"secret": "c29t"}, "BADSIG")],
        ids=["name", "algorithm", "secret"],
    )
    def test_a_wrong_key(
        self, server: Nameserver, wrong: Mapping[str, str], told: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        key = server.keys.updater._replace(**wrong)
        provider = open_for(server.port, key=key)
        with caplog.at_level(logging.DEBUG), pytest.raises(AuthenticationFailed, match=told) as refusal:
            provider.upsert(mark_of(), record_of(NAME))
        with pytest.raises(AuthenticationFailed, match=told):
            provider.list_owned()
        (finding,) = provider.check(ZONE)
        assert finding.setting == "key"
        assert told in finding.problem
        said = "".join([*traceback.format_exception(refusal.value), repr(finding), repr(provider), caplog.text])
        assert key.secret not in said
        assert not seen(server)

    def test_clocks_that_are_far_apart(self, server: Nameserver, monkeypatch: pytest.MonkeyPatch) -> None:
        provider = open_for(server.port, key=server.keys.updater)
        with monkeypatch.context() as patch:
            patch.setattr(dns.message, "time", SimpleNamespace(time=lambda: time.time() - HOUR))
            with pytest.raises(AuthenticationFailed, match=r"BADTIME.*NTP"):
                provider.upsert(mark_of(), record_of(NAME))
        assert not seen(server)

    def test_a_key_that_may_not_write(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.reader)
        with pytest.raises(PermissionDenied, match="allow-update"):
            provider.upsert(mark_of(), record_of(NAME))
        with pytest.raises(PermissionDenied):
            provider.delete(mark_of(), NAME)
        (finding,) = provider.check(ZONE)
        assert (finding.setting, "update-policy" in finding.remedy) == ("zones", True)
        assert not seen(server)

    def test_a_key_that_may_not_transfer_writes_and_removes_but_cannot_sweep(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.writer)
        provider.upsert(mark_of(), record_of(NAME))
        with pytest.raises(PermissionDenied, match="allow-transfer"):
            provider.list_owned()
        (finding,) = provider.check(ZONE)
        assert (finding.setting, "allow-transfer" in finding.remedy) == ("zones", True)
        provider.delete(mark_of(), NAME)
        assert not seen(server)

    def test_no_key_where_one_is_asked_for(self, server: Nameserver) -> None:
        with pytest.raises(PermissionDenied):
            open_for(server.port, key=None).upsert(mark_of(), record_of(NAME))

    def test_no_key_where_none_is_asked_for(self) -> None:
        with throw_away_nameserver(access=Access.ANYBODY) as open_to_all:
            write_read_and_remove(open_for(open_to_all.port, key=None), open_to_all)


class TestUnbelievableAnswers:
    """Whoever can send us packets must not be able to tell us that a record is gone, or written."""

    @pytest.mark.parametrize("code", [Rcode.NOERROR, Rcode.NXRRSET, Rcode.YXDOMAIN, Rcode.REFUSED])
    def test_one_that_is_not_signed(self, server: Nameserver, relay: Relay, code: Rcode) -> None:
        provider = open_for(relay.port, key=server.keys.updater)
        provider.upsert(mark_of(), record_of(NAME))
        with relay.troubled(answers=lambda message: unsigned_answer(message, code)):
            with pytest.raises(Transient, match="not signed"):
                provider.delete(mark_of(), NAME)
            with pytest.raises(Transient, match="not signed"):
                provider.upsert(mark_of(), record_of(NAME))
        assert seen(server) == forward(NAME)

    def test_one_that_is_signed_with_another_key(self, server: Nameserver, relay: Relay) -> None:
        imposter = new_keys().updater
        provider = open_for(relay.port, key=server.keys.updater)
        answers = {"answers": lambda message: signed_answer(message, imposter)}
        with relay.troubled(**answers), pytest.raises(AuthenticationFailed):
            provider.delete(mark_of(), NAME)

    def test_one_that_is_no_message(self, server: Nameserver, relay: Relay) -> None:
        provider = open_for(relay.port, key=server.keys.updater)
        with relay.troubled(answers=lambda _: b"HTTP/1.1 400 Bad Request"), pytest.raises(Transient):
            provider.delete(mark_of(), NAME)

    def test_one_that_ends_in_the_middle(self, server: Nameserver, relay: Relay) -> None:
        provider = open_for(relay.port, key=server.keys.updater)
        provider.upsert(mark_of(), record_of(NAME))
        with relay.troubled(cuts_answers=True), pytest.raises(Transient):
            provider.list_owned()
        assert [one.fqdn for one in provider.list_owned()] == [NAME]


class TestServers:
    def test_the_next_is_asked_when_one_refuses_connections(self, server: Nameserver, relay: Relay) -> None:
        relay.close()
        write_read_and_remove_but_for_the_check(open_for(relay.port, server.port, key=server.keys.updater), server)

    def test_the_next_is_asked_when_one_is_silent_and_then_keeps_being_asked(
        self, server: Nameserver, relay: Relay, another_relay: Relay
    ) -> None:
        provider = open_for(relay.port, another_relay.port, key=server.keys.updater, timeout_seconds=0.2)
        with relay.troubled(is_silent=True):
            provider.upsert(mark_of(), record_of(NAME))
            provider.delete(mark_of(), NAME)
        assert relay.messages == 1
        assert another_relay.messages >= 2

    def test_a_change_whose_answer_was_lost_is_made_once(
        self, server: Nameserver, relay: Relay, another_relay: Relay
    ) -> None:
        provider = open_for(relay.port, another_relay.port, key=server.keys.updater)
        with relay.troubled(loses_answers_to_updates=True):
            provider.upsert(mark_of(), record_of(NAME))
        assert seen(server) == forward(NAME)

    def test_an_answer_is_an_answer_and_the_next_is_not_asked(
        self, server: Nameserver, relay: Relay, another_relay: Relay
    ) -> None:
        with throw_away_nameserver() as rekeyed, relay.redirected(rekeyed.port):
            provider = open_for(relay.port, another_relay.port, key=server.keys.updater)
            with pytest.raises(AuthenticationFailed):
                provider.upsert(mark_of(), record_of(NAME))
        assert another_relay.messages == 0

    def test_all_that_are_down_are_named(self, server: Nameserver, relay: Relay, another_relay: Relay) -> None:
        relay.close()
        another_relay.close()
        provider = open_for(relay.port, another_relay.port, key=server.keys.updater)
        with pytest.raises(Transient) as failure:
            provider.upsert(mark_of(), record_of(NAME))
        assert all(f"127.0.0.1:{port}" in str(failure.value) for port in (relay.port, another_relay.port))

    def test_one_that_is_down_is_found_though_the_other_serves(self, server: Nameserver, relay: Relay) -> None:
        relay.close()
        (finding,) = open_for(relay.port, server.port, key=server.keys.updater).check(ZONE)
        assert finding.setting == "servers"
        assert f"127.0.0.1:{relay.port}" in finding.problem

    def test_records_outlive_the_server_and_go_once_it_is_back(self) -> None:
        with throw_away_nameserver() as server:
            provider = open_for(server.port, key=server.keys.updater)
            provider.upsert(mark_of(), record_of(NAME))
            server.stop()
            for call in (lambda: provider.delete(mark_of(), NAME), provider.list_owned):
                with pytest.raises(Transient):
                    call()
            server.start()
            assert [one.fqdn for one in provider.list_owned()] == [NAME]
            provider.delete(mark_of(), NAME)
            assert not seen(server)


class TestZones:
    def test_one_that_the_server_does_not_have(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.updater, zones=["elsewhere.test"])
        with pytest.raises(InvalidSettings, match="not authoritative"):
            provider.upsert(mark_of(), record_of("a.elsewhere.test"))
        with pytest.raises(InvalidSettings, match="not authoritative"):
            provider.list_owned()

    def test_records_are_found_outside_of_a_zone_that_is_younger(self, server: Nameserver) -> None:
        name = f"a.{NESTED_ZONE}"
        open_for(server.port, key=server.keys.updater).upsert(mark_of(), record_of(name))
        assert seen(server) == forward(name)
        provider = open_for(server.port, key=server.keys.updater, zones=[ZONE, NESTED_ZONE])
        provider.upsert(mark_of(), record_of(name, "192.0.2.6"))
        assert provider.delete(mark_of(), name).removed
        assert not seen(server)

    def test_pointers_are_found_outside_of_a_reverse_zone_that_is_younger(self, server: Nameserver) -> None:
        record = record_of(NAME, "2001:db8:ffff::5", ptr=True)
        open_for(server.port, key=server.keys.updater, reverse_zones=[REVERSE_ZONE_6]).upsert(mark_of(), record)
        assert len(seen(server)) == 4
        zones = [REVERSE_ZONE_6, NESTED_REVERSE_ZONE]
        provider = open_for(server.port, key=server.keys.updater, reverse_zones=zones)
        assert len(provider.delete(mark_of(), NAME).removed) == 2
        assert not seen(server)

    def test_one_that_the_server_cannot_load(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.updater, zones=[BROKEN_ZONE])
        for call in (lambda: provider.upsert(mark_of(), record_of(f"a.{BROKEN_ZONE}")), provider.list_owned):
            with pytest.raises(Transient, match="SERVFAIL"):
                call()

    def test_a_base_domain_that_others_have_is_found(self, server: Nameserver) -> None:
        (finding,) = open_for(server.port, key=server.keys.updater).check(f"vdi.{DELEGATED}")
        assert finding.setting == "base_domain"
        assert "delegated" in finding.problem

    def test_a_base_domain_that_is_no_domain_is_found(self, server: Nameserver) -> None:
        (finding,) = open_for(server.port, key=server.keys.updater).check("not a domain")
        assert finding.setting == "base_domain"

    def test_a_check_leaves_the_zone_as_it_is(self, server: Nameserver) -> None:
        before = server.serial()
        provider = open_for(server.port, key=server.keys.updater, reverse_zones=[REVERSE_ZONE])
        assert list(provider.check(ZONE)) == []
        assert server.serial() == before

    def test_a_repeat_leaves_the_zone_as_it_is(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.updater)
        provider.upsert(mark_of(), record_of(NAME))
        before = server.serial()
        provider.upsert(mark_of(), record_of(NAME))
        assert server.serial() == before

    def test_a_transfer_of_many_messages_is_read_whole(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.updater)
        provider.upsert(mark_of("zz"), record_of(f"zz.{ZONE}"))
        server.add(*(Record(f"filler-{number}.{ZONE}", "TXT", f'"{"x" * 200}"') for number in range(700)))
        assert [one.fqdn for one in provider.list_owned()] == [f"zz.{ZONE}"]

    def test_without_reverse_zones_nothing_is_said_of_them(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.updater)
        changes = provider.upsert(mark_of(), record_of(NAME, ptr=True))
        assert changes == Changes(written=(f"{NAME} A {ADDRESS}",))


class TestTakingOverAPointer:
    def test_one_that_changes_hands_at_the_last_moment_stays(self, server: Nameserver, relay: Relay) -> None:
        provider = open_for(relay.port, key=server.keys.updater, reverse_zones=[REVERSE_ZONE])
        provider.upsert(mark_of(), record_of(NAME, ptr=True))
        theirs = Record(owner_name(REVERSE), "TXT", f'"{mark_of(controller_id=THEIRS).text()}"')

        def change_hands() -> None:
            server.remove(theirs.name)
            server.add(theirs)

        # The name is claimed, then the reverse name, and the third update takes over what this controller has there.
        relay.before_next_update(lambda: relay.before_next_update(lambda: relay.before_next_update(change_hands)))
        changes = provider.upsert(mark_of("b"), record_of(f"b.{ZONE}", ptr=True))
        assert len(changes.notes) == 1
        assert {Seen(REVERSE, "PTR", f"{NAME}."), Seen(*theirs[:3])} <= seen(server)


class TestSweep:
    def test_two_rounds_leave_what_lives_and_what_is_not_ours(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.updater, reverse_zones=[REVERSE_ZONE])
        provider.upsert(mark_of("lives"), record_of(f"lives.{ZONE}", "192.0.2.7", ptr=True))
        server.add(Record(f"www.{ZONE}", "A", ADDRESS))
        stays = seen(server)
        for server_id in ("lost", "lost-too"):
            provider.upsert(mark_of(server_id), record_of(f"{server_id}.{ZONE}", ptr=True))
        settings = SweepSettings(mode=SweepMode.DELETE, grace_seconds=HOUR, cap=10)
        first_seen: Mapping[str, datetime] = {}
        for now in (datetime(2026, 5, 4, 12, tzinfo=UTC), datetime(2026, 5, 4, 13, tzinfo=UTC)):
            things = {thing.owned.key: thing for thing in dns_records(provider, now)}
            remembered = [thing.owned.remembered(first_seen) for thing in things.values()]
            plan = orphans(remembered, {"lives"}, OURS, settings, now)
            first_seen = plan.first_seen()
            for verdict in plan.delete:
                assert things[verdict.owned.key].delete()
        assert plan.summary() == "2 orphans to delete, 1 with a living server"
        assert seen(server) == stays


class TestUDP:
    def test_the_whole_way_of_a_record(self, server: Nameserver) -> None:
        provider = open_for(server.port, key=server.keys.updater, transport="udp", reverse_zones=[REVERSE_ZONE])
        provider.upsert(mark_of(), record_of(NAME, ptr=True))
        assert seen(server) == forward(NAME) | reverse(REVERSE, NAME)
        assert list(provider.check(ZONE)) == []
        provider.delete(mark_of(), NAME)
        assert not seen(server)

    def test_a_server_that_is_down(self, server: Nameserver, relay: Relay) -> None:
        # Nothing listens there for UDP.
        provider = open_for(relay.port, key=server.keys.updater, transport="udp", timeout_seconds=0.2)
        with pytest.raises(Transient):
            provider.upsert(mark_of(), record_of(NAME))


def write_read_and_remove_but_for_the_check(provider: DNSProvider, server: Nameserver) -> None:
    provider.upsert(mark_of(), record_of(NAME))
    assert [one.fqdn for one in provider.list_owned()] == [NAME]
    provider.delete(mark_of(), NAME)
    assert not seen(server)


def unsigned_answer(message: bytes, code: Rcode) -> bytes:
    answer = dns.message.make_response(dns.message.from_wire(message, keyring=False))
    answer.set_rcode(code)
    return wire_of(answer)


def signed_answer(message: bytes, key: Key) -> bytes:
    query = dns.message.from_wire(message, keyring=False)
    answer = dns.message.make_response(query)
    answer.use_tsig(key.signer())
    answer.request_mac = query.mac or b""
    return wire_of(answer)


def wire_of(answer: dns.message.Message) -> bytes:
    wire = answer.to_wire()
    assert wire is not None
    return wire
