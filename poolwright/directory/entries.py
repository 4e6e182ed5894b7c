"""Reading objects from a directory."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from ldap3 import BASE, LEVEL, SUBTREE, Connection
from ldap3.core.exceptions import LDAPNoSuchObjectResult

from poolwright.directory.ldap_errors import require_success
from poolwright.directory.records import OwnedComputer
from poolwright.domain.identities import OwnerMark

OUR_ATTRIBUTES: Final = ("objectGUID", "sAMAccountName", "description", "whenCreated")

_PAGED_RESULTS: Final = "1.2.840.113556.1.4.319"


class Entry(NamedTuple):
    """An object with the attributes that were asked for, as bytes: the schema is never read."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]

    def first(self, name: str) -> bytes | None:
        """The attribute's first value, or None."""
        values = self.attributes.get(name)
        return values[0] if values else None

    def text(self, name: str) -> str:
        """The attribute's first value as text; empty when it has none."""
        return (self.first(name) or b"").decode("utf-8", errors="replace")

    @property
    def object_guid(self) -> UUID:
        """Needs `objectGUID` among the attributes."""
        return UUID(bytes_le=self.attributes["objectGUID"][0])

    @property
    def lasting_name(self) -> str:
        """What a change names it by: its `dn` may be another object's by then. Needs `objectGUID` as well."""
        return named_by(self.object_guid)

    @property
    def mark(self) -> OwnerMark | None:
        """The owner mark, which is kept in the description: the machine itself may not write that."""
        return OwnerMark.parse(self.text("description"))

    def owned(self, mark: OwnerMark) -> OwnedComputer:
        """As the record that bears this mark. Needs `OUR_ATTRIBUTES`."""
        return OwnedComputer(
            object_guid=self.object_guid,
            dn=self.dn,
            name=self.text("sAMAccountName").removesuffix("$").upper(),
            mark=mark,
            created_at=read_time(self.text("whenCreated")),
        )


def named_by(object_guid: UUID) -> str:
    """A name that the object keeps wherever it is moved to, and that no other object ever has."""
    return f"<GUID={object_guid}>"


def entry_at(
    connection: Connection, base: str, attributes: Sequence[str] = OUR_ATTRIBUTES, **options: Any
) -> Entry | None:
    """The object with this name (a distinguished name, `<GUID=...>`, or empty for the server itself), or None."""
    try:
        connection.search(base, "(objectClass=*)", BASE, attributes=list(attributes), **options)
    except LDAPNoSuchObjectResult:
        return None
    require_success(connection)
    return next(_entries(connection), None)


def names_below(connection: Connection, dn: str, at_most: int) -> Sequence[str]:
    """Names of the objects directly below this one."""
    connection.search(dn, "(objectClass=*)", LEVEL, attributes=["1.1"], paged_size=at_most)
    require_success(connection)
    return [entry.dn for entry in _entries(connection)]


def search(connection: Connection, base: str, condition: str, page_size: int) -> Iterator[Entry]:
    """All objects below `base` that match, with `OUR_ATTRIBUTES`.

    Always in pages: a domain controller cuts longer answers off, and the library does not raise for it.
    """
    cookie = None
    while True:
        connection.search(
            base, condition, SUBTREE, attributes=list(OUR_ATTRIBUTES), paged_size=page_size, paged_cookie=cookie
        )
        require_success(connection)
        yield from _entries(connection)
        cookie = _next_page(connection)
        if not cookie:
            return


def read_time(text: str) -> datetime:
    """The time that a directory writes as `20300131235959.0Z`."""
    return datetime.strptime(text, "%Y%m%d%H%M%S.%fZ").replace(tzinfo=UTC)


def _next_page(connection: Connection) -> bytes | None:
    paged = connection.result.get("controls", {}).get(_PAGED_RESULTS)
    return paged["value"]["cookie"] if paged else None


def _entries(connection: Connection) -> Iterator[Entry]:
    # A search at the top of a domain is also answered with references to its other partitions.
    for item in connection.response or ():
        if item["type"] == "searchResEntry":
            yield Entry(item["dn"], item["raw_attributes"])
