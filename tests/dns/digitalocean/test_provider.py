"""What the DigitalOcean provider does beyond the suite: crashes, rivals, twins, long lists."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from poolwright.dns.base import Changes, DNSProvider
from poolwright.dns.errors import (
    NameTaken,
    Throttled,
    Transient,
)
from poolwright.dns.names import owner_name
from tests.dns.account import ADDRESS, ADDRESS_6, OTHER_ADDRESS, OURS, THEIRS, forward, mark_of, marked, record_of
from tests.dns.digitalocean.account import DOMAIN, DigitalOceanHarness, writes
from tests.dns.harness import Seen
from tests.wire.server import Cut, Request

pytestmark = pytest.mark.slow

NAME = f"a.{DOMAIN}"


def nth_write(number: int) -> Callable[[Request], bool]:
    """The so-many-th write from now on, counted from 0."""
    counted = itertools.count()
    return lambda request: writes(request) and next(counted) == number


class TestCrashes:
    """A worker that dies at any write leaves only what a repeat, a removal or a sweep finds."""

    @pytest.mark.parametrize("cut", Cut)
    @pytest.mark.parametrize("number", range(3))
    def test_while_writing(self, harness: DigitalOceanHarness, provider: DNSProvider, number: int, cut: Cut) -> None:
        record = record_of(NAME, ADDRESS, ADDRESS_6)
        for finish in ("repeat", "delete"):
            with harness.server.fault(cut, nth_write(number)), pytest.raises(Transient):
                provider.upsert(mark_of(), record)
            left = harness.seen()
            assert [one.fqdn for one in provider.list_owned()] == ([NAME] if left else [])
            if finish == "repeat":
                provider.upsert(mark_of(), record)
                assert harness.seen() == forward(NAME, ADDRESS, ADDRESS_6)
            provider.delete(mark_of(), NAME)
            assert not harness.seen()

    @pytest.mark.parametrize("cut", Cut)
    @pytest.mark.parametrize("number", range(3))
    def test_while_removing(self, harness: DigitalOceanHarness, provider: DNSProvider, number: int, cut: Cut) -> None:
        provider.upsert(mark_of(), record_of(NAME, ADDRESS, ADDRESS_6))
        with harness.server.fault(cut, nth_write(number)), pytest.raises(Transient):
            provider.delete(mark_of(), NAME)
        assert [one.fqdn for one in provider.list_owned()] == ([NAME] if harness.seen() else [])
        provider.delete(mark_of(), NAME)
        assert not harness.seen()

    @pytest.mark.parametrize("cut", Cut)
    @pytest.mark.parametrize("number", range(2))
    def test_while_the_address_changes(
        self, harness: DigitalOceanHarness, provider: DNSProvider, number: int, cut: Cut
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        with harness.server.fault(cut, nth_write(number)), pytest.raises(Transient):
            provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS))
        assert marked(NAME, mark_of()) in harness.seen()
        provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS))
        assert harness.seen() == forward(NAME, OTHER_ADDRESS)


class TestRivals:
    """What somebody else does between our look and our write."""

    @pytest.mark.parametrize(
        ("kind", "data"), [("A", OTHER_ADDRESS), ("AAAA", ADDRESS_6), ("CNAME", "x.example."), ("MX", "mail.example.")]
    )
    def test_a_record_that_comes_first_stays_and_our_mark_goes_again(
        self, harness: DigitalOceanHarness, provider: DNSProvider, kind: str, data: str
    ) -> None:
        harness.meanwhile(lambda: harness.write(NAME, kind, data))
        with pytest.raises(NameTaken, match=NAME):
            provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == {Seen(NAME, kind, data)}

    def test_an_alias_that_comes_after_the_mark_stays(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        def after_the_mark(request: Request) -> bool:
            if request.method == "POST" and request.json["type"] == "A":
                harness.write(NAME, "CNAME", "x.example.")
            return False

        with harness.server.fault(Cut.BEFORE, after_the_mark), pytest.raises(NameTaken, match=NAME):
            provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == {Seen(NAME, "CNAME", "x.example.")}

    def test_the_older_of_two_marks_has_the_name(self, harness: DigitalOceanHarness, provider: DNSProvider) -> None:
        theirs = marked(NAME, mark_of(controller_id=THEIRS))
        harness.meanwhile(lambda: harness.write(*theirs))
        with pytest.raises(NameTaken, match=THEIRS):
            provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == {theirs}

    def test_a_later_mark_does_not_take_it_and_stays_for_its_writer_to_remove(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        theirs = mark_of(controller_id=THEIRS)
        provider.upsert(mark_of(), record_of(NAME))
        harness.write(*marked(NAME, theirs))
        other = harness.open(THEIRS)
        with pytest.raises(NameTaken, match=OURS):
            other.upsert(theirs, record_of(NAME, OTHER_ADDRESS))
        assert [(one.fqdn, one.addresses) for one in other.list_owned()] == [(NAME, ())]
        provider.upsert(mark_of(), record_of(NAME, OTHER_ADDRESS))
        assert harness.seen() == {*forward(NAME, OTHER_ADDRESS), marked(NAME, theirs)}
        other.delete(theirs, NAME)
        assert harness.seen() == forward(NAME, OTHER_ADDRESS)

    def test_two_controllers_at_once_end_with_one_owner(self, harness: DigitalOceanHarness) -> None:
        def upsert(controller_id: str) -> bool:
            try:
                harness.open(controller_id).upsert(mark_of(controller_id=controller_id), record_of(NAME))
            except NameTaken:
                return False
            return True

        for _ in range(5):
            with ThreadPoolExecutor(2) as threads:
                outcomes = dict(zip((OURS, THEIRS), threads.map(upsert, (OURS, THEIRS)), strict=True))
            (winner,) = (controller_id for controller_id, won in outcomes.items() if won)
            assert harness.seen() == forward(NAME, mark=mark_of(controller_id=winner))
            harness.open(winner).delete(mark_of(controller_id=winner), NAME)
            harness.clock.advance(60)

    def test_addresses_written_while_the_mark_was_removed_go_again(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.remove(NAME, "A")
        harness.meanwhile(lambda: harness.remove(owner_name(NAME), "TXT"))
        with pytest.raises(NameTaken):
            provider.upsert(mark_of(), record_of(NAME))
        assert not harness.seen()


class TestTwins:
    """The same record twice, from lost answers or from two workers at once."""

    def test_of_an_address_the_oldest_stays(self, harness: DigitalOceanHarness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        (first,) = (record["id"] for record in harness.account.domains[DOMAIN].values() if record["type"] == "A")
        harness.write(NAME, "A", ADDRESS)
        provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)
        assert first in harness.account.domains[DOMAIN]

    def test_of_a_mark_the_oldest_stays(self, harness: DigitalOceanHarness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.write(*marked(NAME, mark_of()))
        provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)

    def test_all_go_with_the_name(self, harness: DigitalOceanHarness, provider: DNSProvider) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.write(NAME, "A", ADDRESS)
        harness.write(*marked(NAME, mark_of()))
        provider.delete(mark_of(), NAME)
        assert not harness.seen()

    def test_another_worker_that_was_faster_leaves_one_record(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        def write_all() -> None:
            for one in sorted(forward(NAME)):
                harness.write(*one)

        harness.meanwhile(write_all)
        provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)

    def test_another_worker_that_has_another_address_leaves_none_without_a_mark(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        def is_found_by_the_other(request: Request) -> bool:
            if request.method == "GET" and harness.seen() == {marked(NAME, mark_of())}:
                harness.write(NAME, "A", OTHER_ADDRESS)
            return False

        with harness.server.fault(Cut.BEFORE, is_found_by_the_other):
            provider.upsert(mark_of(), record_of(NAME))
        assert harness.seen() == forward(NAME)

    @pytest.mark.parametrize("had", [(), (ADDRESS,)], ids=["the mark alone", "an address"])
    def test_an_address_that_is_written_during_the_removal_goes_too(
        self, harness: DigitalOceanHarness, provider: DNSProvider, had: tuple[str, ...]
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME, ADDRESS))
        if not had:
            harness.remove(NAME, "A")
        looks = itertools.count()

        def is_the_first_look(request: Request) -> bool:
            if request.method == "GET" and next(looks) == 0:
                harness.account.before_next_page = lambda: harness.write(NAME, "A", OTHER_ADDRESS)
            return False

        with harness.server.fault(Cut.BEFORE, is_the_first_look):
            provider.delete(mark_of(), NAME)
        assert not harness.seen()

    def test_an_address_in_another_spelling_is_the_same(
        self, harness: DigitalOceanHarness, provider: DNSProvider
    ) -> None:
        harness.write(*marked(NAME, mark_of()))
        harness.write(NAME, "AAAA", "2001:0DB8:0::5")
        harness.server.requests.clear()
        provider.upsert(mark_of(), record_of(NAME, ADDRESS_6, ttl_seconds=1800))
        assert not harness.server.count(writes)


class TestLongLists:
    """A domain has more records than a page."""

    @pytest.fixture
    def crowd(self, harness: DigitalOceanHarness) -> int:
        for number in range(450):
            harness.write(f"host-{number}.{DOMAIN}", "A", ADDRESS)
        return 450

    def test_all_of_ours_are_listed(self, harness: DigitalOceanHarness, provider: DNSProvider, crowd: int) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.server.requests.clear()
        assert [one.fqdn for one in provider.list_owned()] == [NAME]
        assert all(request.parameter("per_page") == "200" for request in harness.server.requests)

    def test_a_name_is_looked_up_by_itself(
        self, harness: DigitalOceanHarness, provider: DNSProvider, crowd: int
    ) -> None:
        provider.upsert(mark_of(), record_of(NAME))
        harness.server.requests.clear()
        provider.delete(mark_of(), NAME)
        looks = [request.parameter("name") for request in harness.server.requests if request.method == "GET"]
        assert looks == 2 * [NAME, owner_name(NAME)]
        assert len(harness.seen()) == crowd

    def test_a_removal_between_two_pages_hides_nothing(
        self, harness: DigitalOceanHarness, provider: DNSProvider, crowd: int
    ) -> None:
        for number in range(10):
            server = mark_of(f"s{number}")
            provider.upsert(server, record_of(f"s{number}.{DOMAIN}"))
            harness.clock.advance(60)

        def remove_some() -> None:
            for number in range(300):
                harness.remove(f"host-{number}.{DOMAIN}", "A")

        harness.account.before_next_page = remove_some
        assert len(provider.list_owned()) == 10

    def test_many_at_once_share_their_looks(self, harness: DigitalOceanHarness, provider: DNSProvider) -> None:
        def life(number: int) -> None:
            server, name = mark_of(f"s{number}"), f"s{number}.{DOMAIN}"
            tried(lambda: provider.upsert(server, record_of(name, f"192.0.2.{number}")))
            tried(lambda: provider.delete(server, name))

        def tried(call: Callable[[], Changes]) -> None:
            while True:
                try:
                    call()
                except Throttled as busy:
                    harness.clock.advance(busy.retry_after_seconds or 1)
                else:
                    return

        harness.server.requests.clear()
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(life, range(40)))
        assert not harness.seen()
        assert harness.server.count(writes) == 4 * 40
        # Alone, each life looks five times.
        assert harness.server.count() - harness.server.count(writes) < 5 * 40
