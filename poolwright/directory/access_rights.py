"""What an access list allows an account to do with computer records. Pure: bytes in, answers out.

The rights are worked out from the OU's own list rather than by trying: whoever creates a record may do all with it, so
a try would succeed where tomorrow's service account fails.
"""

import struct
from collections.abc import Iterator, Sequence, Set
from typing import Final, NamedTuple
from uuid import UUID

COMPUTER: Final = UUID("bf967a86-0de6-11d0-a285-00aa003049e2")
RESET_PASSWORD: Final = UUID("00299570-246d-11d0-a768-00aa006e0529")
ACCOUNT_RESTRICTIONS: Final = UUID("4c164200-20c0-11d0-a768-00aa006e0529")
USER_ACCOUNT_CONTROL: Final = UUID("bf967a68-0de6-11d0-a285-00aa003049e2")

_CREATE_CHILD: Final = 0x1
_DELETE_CHILD: Final = 0x2
_WRITE_PROPERTY: Final = 0x20
_DELETE_TREE: Final = 0x40
_CONTROL_ACCESS: Final = 0x100
_DELETE: Final = 0x10000
_FULL_CONTROL: Final = 0xF01FF
_GENERIC_ALL: Final = 0x10000000
_GENERIC_WRITE: Final = 0x40000000

_CONTAINER_INHERIT: Final = 0x2
_INHERIT_ONLY: Final = 0x8
_ALLOWED: Final = 0
_DENIED: Final = 1
_ALLOWED_OBJECT: Final = 5
_DENIED_OBJECT: Final = 6

_DOMAIN_SID: Final = bytes.fromhex("010500000000000515000000")
_DOMAIN_ADMINS: Final = struct.pack("<I", 512)
_ACCOUNT_OPERATORS: Final = bytes.fromhex("0102000000000005200000002402") + b"\0\0"


class Right(NamedTuple):
    """One right: a bit of the mask, narrowed to types where `objects` is not empty."""

    mask: int
    objects: frozenset[UUID]
    on_computers: bool
    """True: on each computer record below the OU. False: on the OU itself."""


class Needed(NamedTuple):
    """Something that the service account has to be able to do."""

    what: str
    any_of: tuple[Right, ...]
    grant: str
    """Arguments of Windows' `dsacls` that give it, with `{account}` for the account's name."""


NEEDED: Final = (
    Needed(
        what="create computer records",
        any_of=(Right(_CREATE_CHILD, frozenset({COMPUTER}), on_computers=False),),
        grant='/G "{account}:CC;computer"',
    ),
    Needed(
        what="delete computer records",
        any_of=(
            Right(_DELETE_CHILD, frozenset({COMPUTER}), on_computers=False),
            Right(_DELETE, frozenset(), on_computers=True),
        ),
        grant='/G "{account}:DC;computer"',
    ),
    Needed(
        what="delete computer records together with objects below them",
        any_of=(Right(_DELETE_TREE, frozenset(), on_computers=True),),
        grant='/I:S /G "{account}:DT;;computer"',
    ),
    Needed(
        what="reset the password of computer records",
        any_of=(Right(_CONTROL_ACCESS, frozenset({RESET_PASSWORD}), on_computers=True),),
        grant='/I:S /G "{account}:CA;Reset Password;computer"',
    ),
    Needed(
        what="write the account restrictions of computer records",
        any_of=(Right(_WRITE_PROPERTY, frozenset({ACCOUNT_RESTRICTIONS, USER_ACCOUNT_CONTROL}), on_computers=True),),
        grant='/I:S /G "{account}:WP;Account Restrictions;computer"',
    ),
)
"""The least that the service account needs on an OU."""


class AccessEntry(NamedTuple):
    """One line of an access list."""

    allows: bool
    flags: int
    mask: int
    sid: bytes
    object_type: UUID | None = None
    inherited_by: UUID | None = None

    def decides(self, right: Right, sids: Set[bytes]) -> bool:
        """Whether this line settles the question, one way or the other."""
        if self.sid not in sids or not self._reaches(right.on_computers):
            return False
        return bool(self.mask & right.mask) and (self.object_type is None or self.object_type in right.objects)

    def _reaches(self, computers: bool) -> bool:
        if not computers:
            return not self.flags & _INHERIT_ONLY
        return bool(self.flags & _CONTAINER_INHERIT) and self.inherited_by in {None, COMPUTER}


def missing(security_descriptor: bytes, sids: Set[bytes]) -> Sequence[Needed]:
    """What an account with these security identifiers (its own and its groups') may not do in this OU.

    `security_descriptor` is the OU's, in the form in which a directory gives it. Raises ValueError unless it has an
    access list.
    """
    entries = read_access_list(security_descriptor)
    return [needed for needed in NEEDED if not any(_granted(entries, right, sids) for right in needed.any_of)]


def read_access_list(security_descriptor: bytes) -> Sequence[AccessEntry]:
    """The lines of the descriptor's access list, in order. Raises ValueError where there is none."""
    try:
        start = struct.unpack_from("<I", security_descriptor, 16)[0]
        if start == 0:
            raise ValueError("the security descriptor has no access list")
        count = struct.unpack_from("<H", security_descriptor, start + 4)[0]
        return list(_read_entries(security_descriptor, start + 8, count))
    except (struct.error, IndexError) as error:
        raise ValueError(f"the security descriptor is cut off: {error}") from error


def _granted(entries: Sequence[AccessEntry], right: Right, sids: Set[bytes]) -> bool:
    # The first line that matches decides: denials come before grants of the same origin.
    verdict = next((entry.allows for entry in entries if entry.decides(right, sids)), None)
    if verdict is None and right.on_computers:
        # Each new record also gets what its class gives by default, which is everything, to these two.
        return any(_is_domain_admins(sid) or sid == _ACCOUNT_OPERATORS for sid in sids)
    return bool(verdict)


def _is_domain_admins(sid: bytes) -> bool:
    return sid.startswith(_DOMAIN_SID) and sid.endswith(_DOMAIN_ADMINS)


def _read_entries(data: bytes, position: int, count: int) -> Iterator[AccessEntry]:
    for _ in range(count):
        kind, flags, size, mask = struct.unpack_from("<BBHI", data, position)
        body = data[position + 8 : position + size]
        position += size
        mask = _without_generic_bits(mask)
        if kind in {_ALLOWED, _DENIED}:
            yield AccessEntry(kind == _ALLOWED, flags, mask, body)
        elif kind in {_ALLOWED_OBJECT, _DENIED_OBJECT}:
            object_type, inherited_by, sid = _read_object_types(body)
            yield AccessEntry(kind == _ALLOWED_OBJECT, flags, mask, sid, object_type, inherited_by)


def _read_object_types(body: bytes) -> tuple[UUID | None, UUID | None, bytes]:
    present = struct.unpack_from("<I", body)[0]
    rest = body[4:]
    object_type = inherited_by = None
    if present & 1:
        object_type, rest = UUID(bytes_le=rest[:16]), rest[16:]
    if present & 2:
        inherited_by, rest = UUID(bytes_le=rest[:16]), rest[16:]
    return object_type, inherited_by, rest


def _without_generic_bits(mask: int) -> int:
    """Lines that only computers inherit may still hold the shorthands for several rights."""
    if mask & _GENERIC_ALL:
        mask |= _FULL_CONTROL
    if mask & _GENERIC_WRITE:
        mask |= _WRITE_PROPERTY
    return mask
