"""Cases on writing and removing what is ours."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from poolwright.dns.base import Changes, DNSProvider
from poolwright.dns.errors import DNSError, InvalidSettings, Transient
from poolwright.dns.names import owner_name
from tests.dns.account import (
    ADDRESS,
    ADDRESS_6,
    OTHER_ADDRESS,
    OURS,
    THEIRS,
    Account,
    forward,
    mark_of,
    marked,
    record_of,
)
from tests.dns.harness import Fault, Feature, Harness, needs


class Writing(Account):
    """`upsert` on a name that is free or ours."""

    @pytest.mark.parametrize(
        "addresses", [(ADDRESS,), (ADDRESS_6,), (ADDRESS, ADDRESS_6), (ADDRESS, OTHER_ADDRESS)], ids=" and ".join
    )
    def test_addresses_and_mark_are_written(
        self, harness: Harness, provider: DNSProvider, name: str, addresses: tuple[str, ...]
    ) -> None:
        changes = provider.upsert(mark_of(), record_of(name, *addresses))
        assert harness.seen() == forward(name, *addresses)
        assert len(changes.written) == len(addresses)
        assert all(address in " ".join(changes.written) for address in addresses)
        assert not changes.removed

    def test_a_repeat_changes_nothing(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name))
        harness.open(OURS).upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ((ADDRESS,), (OTHER_ADDRESS,)),
            ((ADDRESS,), (ADDRESS_6,)),
            ((ADDRESS, ADDRESS_6), (ADDRESS,)),
            ((ADDRESS,), (ADDRESS, OTHER_ADDRESS)),
        ],
        ids=" and ".join,
    )
    def test_the_name_has_exactly_the_new_addresses(
        self, harness: Harness, provider: DNSProvider, name: str, before: tuple[str, ...], after: tuple[str, ...]
    ) -> None:
        provider.upsert(mark_of(), record_of(name, *before))
        provider.upsert(mark_of(), record_of(name, *after))
        assert harness.seen() == forward(name, *after)

    def test_the_ttl_is_as_asked_and_can_change(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        for ttl_seconds in (300, 120):
            provider.upsert(mark_of(), record_of(name, ttl_seconds=ttl_seconds))
            assert harness.ttl_seconds(name, "A") == ttl_seconds

    def test_two_servers_have_two_names(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        other = f"a-a.{harness.base_domain}"
        provider.upsert(mark_of(), record_of(name))
        provider.upsert(mark_of("a-a"), record_of(other, OTHER_ADDRESS))
        assert harness.seen() == forward(name) | forward(other, OTHER_ADDRESS, mark=mark_of("a-a"))

    def test_a_name_further_below_the_zone(self, harness: Harness, provider: DNSProvider) -> None:
        name = f"a.vdi.berlin.{harness.base_domain}"
        provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name)
        provider.delete(mark_of(), name)
        assert not harness.seen()

    @needs(Feature.NESTED_ZONE)
    def test_the_zone_with_the_longest_name_gets_it(self, harness: Harness, provider: DNSProvider) -> None:
        # A service may take it into the outer zone too, where nobody would ever find it.
        name = f"a.agents.{harness.base_domain}"
        provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name)
        assert [owned.fqdn for owned in provider.list_owned()] == [name]
        provider.delete(mark_of(), name)
        assert not harness.seen()

    def test_a_name_in_no_zone_is_refused(self, harness: Harness, provider: DNSProvider) -> None:
        with pytest.raises(InvalidSettings, match=r"a\.no-zone-of-ours\.example"):
            provider.upsert(mark_of(), record_of("a.no-zone-of-ours.example"))
        with pytest.raises(InvalidSettings, match=r"a\.no-zone-of-ours\.example"):
            provider.delete(mark_of(), "a.no-zone-of-ours.example")
        # The end of the text is that of a zone, but no label ends there.
        with pytest.raises(InvalidSettings):
            provider.upsert(mark_of(), record_of(f"a.not{harness.base_domain}"))
        assert not harness.seen()

    def test_a_mark_of_another_controller_is_refused(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        with pytest.raises(InvalidSettings, match=THEIRS):
            provider.upsert(mark_of(controller_id=THEIRS), record_of(name))
        assert not harness.seen()

    def test_many_at_once_write_one_record(self, harness: Harness, name: str) -> None:
        def upsert(_: int) -> Changes | DNSError:
            try:
                return harness.open(OURS).upsert(mark_of(), record_of(name))
            except DNSError as error:
                return error

        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(upsert, range(6)))
        assert all(isinstance(answer, Changes) or answer.retryable for answer in answers)
        assert harness.seen() == forward(name)

    @needs(Fault.LOST_RESPONSE)
    def test_a_repeat_after_a_lost_response(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        with harness.provoke(Fault.LOST_RESPONSE), pytest.raises(Transient):
            provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name)
        provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name)

    def test_a_mark_whose_addresses_somebody_removed_gets_them_again(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        provider.upsert(mark_of(), record_of(name))
        harness.remove(name, "A")
        provider.upsert(mark_of(), record_of(name))
        assert harness.seen() == forward(name)


class Removing(Account):
    """`delete` of what is ours, and of what is not there."""

    def test_nothing_is_left(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name, ADDRESS, ADDRESS_6))
        changes = provider.delete(mark_of(), name)
        assert any(name in one for one in changes.removed)
        assert not harness.seen()

    def test_another_worker_needs_the_mark_and_the_name_alone(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        provider.upsert(mark_of(), record_of(name))
        harness.open(OURS).delete(mark_of(), name)
        assert not harness.seen()

    def test_the_spelling_of_a_name_does_not_matter(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(f"{name.upper()}."))
        assert harness.seen() == forward(name)
        provider.delete(mark_of(), f"{name.upper()}.")
        assert not harness.seen()

    def test_deleting_twice_is_quiet(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name))
        provider.delete(mark_of(), name)
        assert provider.delete(mark_of(), name) == Changes()

    def test_what_never_existed_is_gone(self, provider: DNSProvider, name: str) -> None:
        assert provider.delete(mark_of(), name) == Changes()

    @needs(Fault.LOST_RESPONSE)
    def test_a_repeat_after_a_lost_response_removes_what_is_left(
        self, harness: Harness, provider: DNSProvider, name: str
    ) -> None:
        provider.upsert(mark_of(), record_of(name))
        with harness.provoke(Fault.LOST_RESPONSE), pytest.raises(Transient):
            provider.delete(mark_of(), name)
        provider.delete(mark_of(), name)
        assert not harness.seen()
        assert provider.delete(mark_of(), name) == Changes()

    def test_a_lone_mark_goes_too(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name))
        harness.remove(name, "A")
        assert harness.seen() == {marked(name, mark_of())}
        provider.delete(mark_of(), name)
        assert not harness.seen()

    def test_a_deleted_name_can_be_written_again(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name))
        provider.delete(mark_of(), name)
        provider.upsert(mark_of(), record_of(name, OTHER_ADDRESS))
        assert harness.seen() == forward(name, OTHER_ADDRESS)

    def test_names_that_only_look_alike_stay(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        similar = (f"aa.{harness.base_domain}", f"b.{name}")
        for number, other in enumerate(similar):
            provider.upsert(mark_of(f"other-{number}"), record_of(other))
        stays = harness.seen()
        provider.upsert(mark_of(), record_of(name))
        provider.delete(mark_of(), name)
        assert harness.seen() == stays


class Listing(Account):
    """`list_owned`."""

    def test_empty_zones_have_nothing(self, provider: DNSProvider) -> None:
        assert list(provider.list_owned()) == []

    def test_everything_of_ours_is_listed_in_order(self, harness: Harness, provider: DNSProvider) -> None:
        for server_id in ("c", "a", "b"):
            provider.upsert(mark_of(server_id), record_of(f"{server_id}.{harness.base_domain}", ADDRESS_6, ADDRESS))
        listed = harness.open(OURS).list_owned()
        assert [(one.mark, one.fqdn) for one in listed] == [
            (mark_of(server_id), f"{server_id}.{harness.base_domain}") for server_id in "abc"
        ]
        assert {tuple(map(str, one.addresses)) for one in listed} == {(ADDRESS, ADDRESS_6)}

    def test_nothing_of_others_is_listed(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        harness.open(THEIRS).upsert(mark_of("b", THEIRS), record_of(f"b.{harness.base_domain}"))
        harness.write(f"www.{harness.base_domain}", "A", ADDRESS)
        harness.write(owner_name(f"text.{harness.base_domain}"), "TXT", '"a text of somebody"')
        harness.write(f"misplaced.{harness.base_domain}", "TXT", f'"{mark_of("c").text()}"')
        provider.upsert(mark_of(), record_of(name))
        assert [one.fqdn for one in provider.list_owned()] == [name]

    def test_a_lone_mark_is_listed(self, harness: Harness, provider: DNSProvider, name: str) -> None:
        provider.upsert(mark_of(), record_of(name))
        harness.remove(name, "A")
        (listed,) = provider.list_owned()
        assert (listed.fqdn, listed.addresses) == (name, ())

    def test_what_is_listed_can_be_deleted(self, harness: Harness, provider: DNSProvider) -> None:
        for server_id in ("a", "b"):
            provider.upsert(mark_of(server_id), record_of(f"{server_id}.{harness.base_domain}", ptr=True))
        for owned in provider.list_owned():
            provider.delete(owned.mark, owned.fqdn, owned.addresses)
        assert list(provider.list_owned()) == []
        assert not harness.seen()
