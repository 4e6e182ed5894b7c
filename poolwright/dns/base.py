"""The one protocol of all DNS providers. No method waits: each writes or asks once and returns.

What is written for a server: its address records at `<server id>.<base domain>`, its owner mark as a TXT record at
`names.owner_name` of it, and where the provider serves the reverse zone, a PTR record with a mark of its own beside it.
Address records and mark appear, change and vanish together. Where a service has no transaction over both but notes of
its own on records, the mark is such a note (Azure: metadata of each record set).

The mark is a claim on the A and AAAA records of its name, and on nothing else there. What bears no mark, or another
one, is never changed and never removed, not even when it appears between a look and a write: each write carries its
condition.

One name has one mark. Where somebody wrote a second one beside it, nobody rewrites the name, and each mark is removed
by itself: the last takes the address records along. (At DigitalOcean, which has no conditions, the oldest does.)
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv6Address
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, Field

from poolwright.dns.names import Address, record_name
from poolwright.domain.base import Model
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark

LONGEST_TTL_SECONDS = 2**31 - 1


def _a_host_can_have(address: Address) -> Address:
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"{address} is no address of one machine")
    if isinstance(address, IPv6Address) and address.scope_id:
        raise ValueError(f"{address} means something on one machine only: a record cannot hold its scope")
    return address


HostAddress = Annotated[Address, AfterValidator(_a_host_can_have)]


class AddressRecord(Model):
    """What a name is to resolve to."""

    fqdn: Annotated[str, AfterValidator(record_name)]
    """Lower-case, without a dot at its end."""
    addresses: tuple[HostAddress, ...] = Field(min_length=1)
    """All of them: an IPv4 address becomes an A record, an IPv6 address an AAAA record."""
    ttl_seconds: int = Field(default=60, ge=1, le=LONGEST_TTL_SECONDS)
    ptr: bool = True
    """Also write the way back from each address to the name, where the provider serves the reverse zone."""


class OwnedRecord(Model):
    """Records that bear this controller's mark."""

    mark: OwnerMark
    fqdn: str
    """The name that the mark claims. Of a PTR record whose target is none of ours: the reverse name."""
    addresses: tuple[Address, ...] = ()
    """From address records and from PTR records; empty when only the mark is left."""


class Changes(Model):
    """What a call did, in words for the server's story."""

    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left undone, and why."""


class DNSProvider(Protocol):
    """An account at a DNS service with its settings. Instances may be shared by threads.

    Every method raises only the errors of `poolwright.dns.errors`, finishes within a client-side timeout, and puts no
    secret into a message. `controller_id` is fixed when the provider is opened. The zone of a name is the one with the
    longest name that the provider serves and that the name lies in; `InvalidSettings` when there is none.
    """

    def check(self, base_domain: str) -> Sequence[Finding]:
        """Ask the provider whether records below this domain can be written, removed and listed: all problems at once.

        Changes nothing.
        """
        ...

    def upsert(self, mark: OwnerMark, record: AddressRecord) -> Changes:
        """Let the name have exactly these addresses, whatever of ours it had before.

        Repeatable at every crash point. The PTR record of an address that the name no longer has goes too. A reverse
        name that is taken, or that none of the configured reverse zones holds, does not fail the call: `notes` says so.
        A PTR record that this controller once wrote for another server is taken over, since the address has moved on.

        Raises `NameTaken` when the name has records without this mark, and `InvalidSettings` for a mark of another
        controller.
        """
        ...

    def delete(self, mark: OwnerMark, fqdn: str, addresses: Iterable[Address] = ()) -> Changes:
        """Remove what bears this mark at the name, and the PTR records of its addresses.

        Works from the mark and the name alone; `addresses` adds those whose PTR records the name no longer tells of.
        Repeatable. Returning means gone: nothing with this mark is at the name or at those addresses any more. What was
        never there, or is not ours, is a success that removed nothing.
        """
        ...

    def list_owned(self) -> Sequence[OwnedRecord]:
        """Everything that bears this controller's mark in all zones, one entry per mark and name, ordered by name.

        All or an error: a list that may lack something is never returned.
        """
        ...


class DNSProviderFactory(Protocol):
    """What each provider package offers to the registry."""

    def __call__(self, settings: Mapping[str, Any], controller_id: str) -> DNSProvider:
        """Open the provider. `settings` are this provider's own, secrets resolved.

        Raises pydantic's ValidationError.
        """
        ...
