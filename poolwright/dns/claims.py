"""What every DNS provider says of names that somebody has claimed, and how it lists those that are ours."""

from collections.abc import Iterable, Sequence
from typing import Final

from poolwright.dns.base import AddressRecord, OwnedRecord
from poolwright.dns.errors import InvalidSettings, NameTaken, Transient
from poolwright.dns.names import Address
from poolwright.domain.identities import OwnerMark
from poolwright.domain.wording import listed

ATTEMPTS: Final = 5
"""How often a provider looks and writes again before it gives a busy name back to whoever asked."""

TURNS: Final = 10
"""How often a call waits for its turn at a busy account, once its operation has begun."""


def refuse_another_controllers(mark: OwnerMark, record: AddressRecord, controller_id: str) -> None:
    """Raise `InvalidSettings` unless the mark is one of this controller."""
    if mark.controller_id != controller_id:
        raise InvalidSettings(
            f"{record.fqdn} was to bear the mark of controller {mark.controller_id}, but the DNS provider is open for "
            f"{controller_id}; open it for the controller that owns the server"
        )


def occupant(marks: Sequence[OwnerMark]) -> str:
    """Who has a name, from the marks at it: the end of a sentence."""
    if not marks:
        return "has records without an owner mark"
    return f"bears the owner {'mark' if len(marks) == 1 else 'marks'} {listed([mark.text() for mark in marks])}"


def name_taken(fqdn: str, marks: Sequence[OwnerMark]) -> NameTaken:
    """The error for a name that somebody else has."""
    return NameTaken(
        f"{fqdn} {occupant(marks)}, so it was left alone; remove what is there, or choose another base domain"
    )


def left_alone(fqdn: str, marks: Sequence[OwnerMark]) -> tuple[str, ...]:
    """The notes of a deletion that found these marks of others; none when there are none."""
    return (f"{fqdn} was left alone: it {occupant(marks)}",) if marks else ()


def too_busy(fqdn: str) -> Transient:
    """The error for a name that changed under each of our writes."""
    return Transient(f"the records of {fqdn} kept changing while they were written; nothing is half-done, ask again")


def in_order(address: Address) -> tuple[int, int]:
    """A sort key for addresses of both families."""
    return address.version, int(address)


def owned_records(claims: Iterable[tuple[OwnerMark, str, Iterable[Address]]]) -> list[OwnedRecord]:
    """These claims as the protocol lists them: one entry per mark and name, ordered by name."""
    found: dict[tuple[str, str], tuple[OwnerMark, set[Address]]] = {}
    for mark, fqdn, addresses in claims:
        found.setdefault((fqdn, mark.server_id), (mark, set()))[1].update(addresses)
    return [
        OwnedRecord(mark=mark, fqdn=fqdn, addresses=tuple(sorted(addresses, key=in_order)))
        for (fqdn, _), (mark, addresses) in sorted(found.items(), key=lambda item: item[0])
    ]
