"""Cases on what is not ours: it stays as it is, whatever is asked and whenever it appears."""

import pytest

from poolwright.dns.base import DNSProvider
from poolwright.dns.errors import NameTaken
from poolwright.dns.names import owner_name
from tests.dns.account import (
    ADDRESS,
    OTHER_ADDRESS,
    OURS,
    THEIRS,
    Account,
    forward,
    mark_of,
    marked,
    record_of,
)
from tests.dns.harness import Feature, Harness, Seen, needs

FOREIGN = {
    "an address": ("A", OTHER_ADDRESS),
    "the very address that we want": ("A", ADDRESS),
    "an address of the other family": ("AAAA", "2001:db8::99"),
    "an alias": ("CNAME", "somewhere.example."),
    "a text": ("TXT", '"v=spf1 -all"'),
    "a mail exchange": ("MX", "10 mail.example."),
}


class ForeignRecords(Account):
    """Records that somebody else made, without a mark."""

    @pytest.mark.parametrize(("kind", "data"), FOREIGN.values(), ids=FOREIGN.keys())
    def test_a_name_with_foreign_records_is_taken(
        self, harness: Harness, provider: DNSProvider, name: str, kind: str, data: str
    ) -> None:
        harness.write(name, kind, data)
        before = harness.seen()
        with pytest.raises(NameTaken, match=name):
            provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == before

    def test_a_foreign_text_where_the_mark_would_be(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        harness.write(owner_name(name), "TXT", '"a text of somebody"')
        with pytest.raises(NameTaken, match=name):
            provider.upsert(mark_of(), record_of(name))
        provider.delete(mark_of(), name)
        assert harness.seen() == {Seen(owner_name(name), "TXT", '"a text of somebody"')}

    @pytest.mark.parametrize(("kind", "data"), FOREIGN.values(), ids=FOREIGN.keys())
    def test_deleting_leaves_foreign_records(
        self, harness: Harness, provider: DNSProvider, name: str, kind: str, data: str
    ) -> None:
        harness.write(name, kind, data)
        before = harness.seen()
        assert not provider.delete(mark_of(), name).removed
        assert harness.seen() == before

    def test_other_records_beside_our_addresses_stay(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name))
        harness.write(name, "MX", "10 mail.example.")
        beside = Seen(name, "MX", "10 mail.example.")
        provider.upsert(mark_of(), record_of(name, OTHER_ADDRESS))
        assert harness.seen() == forward(name, OTHER_ADDRESS) | {beside}
        provider.delete(mark_of(), name)
        assert harness.seen() == {beside}

    def test_an_alias_put_in_the_place_of_our_addresses_stays(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        provider.upsert(mark_of(), record_of(name))
        harness.remove(name, "A")
        harness.write(name, "CNAME", "somewhere.example.")
        with pytest.raises(NameTaken, match=name):
            provider.upsert(mark_of(), record_of(name))
        provider.delete(mark_of(), name)
        assert harness.seen() == {Seen(name, "CNAME", "somewhere.example.")}

    def test_addresses_whose_mark_somebody_removed_are_no_longer_ours(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        provider.upsert(mark_of(), record_of(name))
        harness.remove(owner_name(name), "TXT")
        with pytest.raises(NameTaken, match=name):
            provider.upsert(mark_of(), record_of(name, OTHER_ADDRESS))
        assert not provider.delete(mark_of(), name).removed
        assert harness.seen() == {Seen(name, "A", ADDRESS)}

    @needs(Feature.WILDCARDS)
    @pytest.mark.parametrize(
        ("kind", "data"), [("A", OTHER_ADDRESS), ("CNAME", "somewhere.example."), ("TXT", '"any"')]
    )
    def test_a_wildcard_takes_no_name(
        self, harness: Harness, provider: DNSProvider, name: str, kind: str, data: str
    ) -> None:
        wildcard = Seen(f"*.{harness.base_domain}", kind, data)
        harness.write(*wildcard)
        assert not provider.delete(mark_of(), name).removed
        provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name) | {wildcard}
        provider.upsert(mark_of(), record_of(name, OTHER_ADDRESS))
        provider.delete(mark_of(), name)
        assert harness.seen() == {wildcard}


class ForeignMarks(Account):
    """Records that bear another mark: that of another controller, or of another server of ours."""

    def test_another_controllers_records_are_not_written(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        theirs = mark_of(controller_id=THEIRS)
        harness.open(THEIRS).upsert(theirs, record_of(name, OTHER_ADDRESS))
        with pytest.raises(NameTaken, match=THEIRS):
            provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name, OTHER_ADDRESS, mark=theirs)

    @pytest.mark.parametrize("controller_id", [OURS, THEIRS])
    def test_another_controllers_records_are_not_deleted(
        self, harness: Harness, provider: DNSProvider, name: str, controller_id: str
    ) -> None:
        theirs = mark_of(controller_id=THEIRS)
        harness.open(THEIRS).upsert(theirs, record_of(name))
        changes = provider.delete(mark_of(controller_id=controller_id), name)
        assert not changes.removed
        assert any(name in note and THEIRS in note for note in changes.notes)
        assert harness.seen() == forward(name, mark=theirs)

    def test_another_servers_records_are_neither_written_nor_deleted(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        # A mark whose beginning is the same, too.
        other = mark_of("ab")
        provider.upsert(other, record_of(name))
        with pytest.raises(NameTaken, match=name):
            provider.upsert(mark_of(), record_of(name, OTHER_ADDRESS))
        assert not provider.delete(mark_of(), name).removed
        assert harness.seen() == forward(name, mark=other)

    @needs(Feature.SEVERAL_MARKS)
    @pytest.mark.parametrize("order", ["ab", "ba"])
    def test_the_last_of_two_marks_takes_the_name_along(
        self, harness: Harness, provider: DNSProvider, name: str, order: str
    ) -> None:
        provider.upsert(mark_of("a"), record_of(name))
        harness.write(*marked(name, mark_of("b")))
        first, last = map(mark_of, order)
        assert provider.delete(first, name).removed
        assert [one.mark for one in provider.list_owned()] == [last]
        assert provider.delete(last, name).removed
        assert not harness.seen()

    @needs(Feature.SEVERAL_MARKS)
    def test_another_controllers_mark_beside_ours_stays(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        theirs = marked(name, mark_of(controller_id=THEIRS))
        provider.upsert(mark_of(), record_of(name))
        harness.write(*theirs)
        changes = provider.delete(mark_of(), name)
        assert any(THEIRS in note for note in changes.notes)
        assert theirs in harness.seen()
        assert marked(name, mark_of()) not in harness.seen()


class Races(Account):
    """What appears or changes while our change is on its way."""

    @needs(Feature.MEANWHILE)
    @pytest.mark.parametrize(("kind", "data"), FOREIGN.values(), ids=FOREIGN.keys())
    def test_a_foreign_record_that_comes_first_stays(
        self, harness: Harness, provider: DNSProvider, name: str, kind: str, data: str
    ) -> None:
        harness.meanwhile(lambda: harness.write(name, kind, data))
        with pytest.raises(NameTaken, match=name):
            provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == {Seen(name, kind, data)}

    @needs(Feature.MEANWHILE)
    def test_another_controller_that_comes_first_has_the_name(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        theirs = mark_of(controller_id=THEIRS)
        harness.meanwhile(lambda: _write_marked(harness, name, THEIRS))
        with pytest.raises(NameTaken, match=THEIRS):
            provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name, mark=theirs)

    @needs(Feature.MEANWHILE)
    def test_a_name_that_changes_hands_is_not_deleted(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name))

        def hand_over() -> None:
            harness.remove(owner_name(name), "TXT")
            harness.write(*marked(name, mark_of(controller_id=THEIRS)))

        harness.meanwhile(hand_over)
        assert not provider.delete(mark_of(), name).removed
        assert harness.seen() == forward(name, mark=mark_of(controller_id=THEIRS))

    @needs(Feature.SEVERAL_MARKS, Feature.MEANWHILE)
    def test_two_marks_that_are_removed_at_once_leave_nothing(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        provider.upsert(mark_of("a"), record_of(name))
        harness.write(*marked(name, mark_of("b")))

        def the_other_goes() -> None:
            harness.remove(owner_name(name), "TXT")
            harness.write(*marked(name, mark_of("a")))

        harness.meanwhile(the_other_goes)
        provider.delete(mark_of("a"), name)
        assert not harness.seen()


def _write_marked(harness: Harness, name: str, controller_id: str) -> None:
    for record in forward(name, mark=mark_of(controller_id=controller_id)):
        harness.write(*record)
