"""Cases on PTR records."""

import pytest

from poolwright.dns.base import DNSProvider
from poolwright.dns.names import owner_name
from tests.dns.account import (
    ADDRESS,
    ADDRESS_6,
    OTHER_ADDRESS,
    OTHER_REVERSE,
    REVERSE,
    REVERSE_6,
    THEIRS,
    Account,
    forward,
    mark_of,
    marked,
    record_of,
    reverse,
)
from tests.dns.harness import Feature, Harness, Seen, needs


class Reverse(Account):
    """The way back from an address to its name."""

    @needs(Feature.REVERSE)
    def test_it_is_written_for_both_families(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        changes = provider.upsert(mark_of(), record_of(name, ADDRESS, ADDRESS_6, ptr=True))
        assert harness.seen() == forward(name, ADDRESS, ADDRESS_6) | reverse(REVERSE, name) | reverse(REVERSE_6, name)
        assert len(changes.written) == 4
        assert not changes.notes

    @needs(Feature.REVERSE)
    def test_it_goes_with_the_name_alone(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name, ADDRESS, ADDRESS_6, ptr=True))
        changes = provider.delete(mark_of(), name)
        assert len(changes.removed) == 3
        assert not harness.seen()

    @needs(Feature.REVERSE)
    def test_it_is_written_only_if_asked_for(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name, ptr=False))
        assert harness.seen() == forward(name)

    @needs(Feature.REVERSE)
    def test_it_goes_when_it_is_no_longer_asked_for(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name, ptr=True))
        provider.upsert(mark_of(), record_of(name, ptr=False))
        assert harness.seen() == forward(name)

    @needs(Feature.REVERSE)
    def test_it_follows_the_address(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name, ADDRESS, ptr=True))
        changes = provider.upsert(mark_of(), record_of(name, OTHER_ADDRESS, ptr=True))
        assert harness.seen() == forward(name, OTHER_ADDRESS) | reverse(OTHER_REVERSE, name)
        assert any(REVERSE in one for one in changes.removed)

    @needs(Feature.REVERSE)
    def test_a_repeat_changes_nothing(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        for _ in range(2):
            changes = provider.upsert(mark_of(), record_of(name, ptr=True))
            assert not changes.notes
        assert harness.seen() == forward(name) | reverse(REVERSE, name)

    @needs(Feature.REVERSE)
    def test_a_foreign_one_stays_and_the_name_is_written_all_the_same(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        foreign = Seen(REVERSE, "PTR", "dhcp-5.example.")
        harness.write(*foreign)
        changes = provider.upsert(mark_of(), record_of(name, ptr=True))
        assert any(REVERSE in note for note in changes.notes)
        assert harness.seen() == forward(name) | {foreign}
        provider.delete(mark_of(), name)
        assert harness.seen() == {foreign}

    @needs(Feature.REVERSE)
    def test_another_controllers_stays(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        theirs, their_name = mark_of("b", THEIRS), f"b.{harness.base_domain}"
        harness.open(THEIRS).upsert(theirs, record_of(their_name, ptr=True))
        before = harness.seen()
        changes = provider.upsert(mark_of(), record_of(name, ptr=True))
        assert any(THEIRS in note for note in changes.notes)
        provider.delete(mark_of(), name)
        assert harness.seen() == before

    @needs(Feature.REVERSE)
    def test_an_address_that_is_used_again_leads_to_its_new_name(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        successor, its_name = mark_of("b"), f"b.{harness.base_domain}"
        provider.upsert(mark_of(), record_of(name, ptr=True))
        provider.upsert(successor, record_of(its_name, ptr=True))
        assert reverse(REVERSE, its_name, successor) <= harness.seen()
        provider.delete(mark_of(), name)
        assert harness.seen() == forward(its_name, mark=successor) | reverse(REVERSE, its_name, successor)

    @needs(Feature.REVERSE)
    def test_one_that_somebody_turned_to_another_name_stays(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        provider.upsert(mark_of(), record_of(name, ptr=True))
        turned = Seen(REVERSE, "PTR", "somewhere.example.")
        harness.remove(REVERSE, "PTR")
        harness.write(*turned)
        provider.delete(mark_of(), name)
        assert harness.seen() == {turned}

    @needs(Feature.REVERSE)
    def test_an_address_in_no_reverse_zone_is_told(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        changes = provider.upsert(mark_of(), record_of(name, "198.51.100.7", ptr=True))
        assert any("198.51.100.7" in note for note in changes.notes)
        assert harness.seen() == forward(name, "198.51.100.7")

    @needs(Feature.REVERSE)
    def test_one_whose_name_is_gone_is_listed_and_can_be_deleted(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        provider.upsert(mark_of(), record_of(name, ptr=True))
        harness.remove(name, "A")
        harness.remove(owner_name(name), "TXT")
        (stray,) = provider.list_owned()
        assert (stray.mark, stray.fqdn, [str(address) for address in stray.addresses]) == (mark_of(), name, [ADDRESS])
        provider.delete(stray.mark, stray.fqdn, stray.addresses)
        assert not harness.seen()

    @needs(Feature.REVERSE)
    def test_a_lone_mark_of_one_is_listed_and_can_be_deleted(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        provider.upsert(mark_of(), record_of(name, ptr=True))
        for lost, kind in ((name, "A"), (owner_name(name), "TXT"), (REVERSE, "PTR")):
            harness.remove(lost, kind)
        (stray,) = provider.list_owned()
        assert (stray.mark, stray.fqdn) == (mark_of(), REVERSE)
        provider.delete(stray.mark, stray.fqdn, stray.addresses)
        assert not harness.seen()
        assert list(provider.list_owned()) == []

    @needs(Feature.REVERSE, Feature.SEVERAL_MARKS)
    @pytest.mark.parametrize("order", ["ab", "ba"])
    def test_the_last_of_two_marks_takes_it_along(
        self, harness: Harness, provider: DNSProvider, name: str, order: str
    ) -> None:
        provider.upsert(mark_of("a"), record_of(name, ptr=True))
        for place in (name, REVERSE):
            harness.write(*marked(place, mark_of("b")))
        first, last = map(mark_of, order)
        provider.delete(first, name)
        provider.delete(last, name)
        assert not harness.seen()
