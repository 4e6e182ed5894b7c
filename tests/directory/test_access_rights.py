"""Access lists as a directory gives them."""

import struct
from uuid import UUID

import pytest

from poolwright.directory.access_rights import COMPUTER, NEEDED, RESET_PASSWORD, missing, read_access_list

ACCOUNT = bytes.fromhex("010500000000000515000000") + struct.pack("<4I", 1, 2, 3, 1103)
OTHER = bytes.fromhex("010500000000000515000000") + struct.pack("<4I", 1, 2, 3, 1104)
DOMAIN_ADMINS = bytes.fromhex("010500000000000515000000") + struct.pack("<4I", 1, 2, 3, 512)
ACCOUNT_OPERATORS = bytes.fromhex("01020000000000052000000024020000")
USER = UUID("bf967aba-0de6-11d0-a285-00aa003049e2")

INHERITED_BY_ALL = 0x2
INHERITED_ONLY = 0xA
GENERIC_ALL = 0x10000000
FULL_CONTROL = 0xF01FF


def entry(kind: int, flags: int, mask: int, sid: bytes, types: tuple[UUID | None, UUID | None] | None = None) -> bytes:
    body = b""
    if types is not None:
        body = struct.pack("<I", sum(bit for bit, each in zip((1, 2), types, strict=True) if each))
        body += b"".join(each.bytes_le for each in types if each)
    body += sid
    return struct.pack("<BBHI", kind, flags, 8 + len(body), mask) + body


def descriptor(*entries: bytes) -> bytes:
    body = b"".join(entries)
    header = struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 20)
    return header + struct.pack("<BBHHH", 4, 0, 8 + len(body), len(entries), 0) + body


def lacking(*entries: bytes, sids: frozenset[bytes] = frozenset({ACCOUNT})) -> set[str]:
    return {needed.what for needed in missing(descriptor(*entries), sids)}


ALL = {needed.what for needed in NEEDED}
ON_COMPUTERS = {
    "delete computer records together with objects below them",
    "reset the password of computer records",
    "write the account restrictions of computer records",
}


class TestMissing:
    def test_an_empty_list_gives_nothing(self) -> None:
        assert lacking() == ALL

    def test_full_control_of_the_ou_alone_does_not_reach_the_computers(self) -> None:
        assert lacking(entry(0, 0, FULL_CONTROL, ACCOUNT)) == ON_COMPUTERS

    def test_full_control_that_is_inherited_gives_all(self) -> None:
        assert lacking(entry(0, INHERITED_BY_ALL, FULL_CONTROL, ACCOUNT)) == set()

    def test_the_shorthand_for_full_control_counts(self) -> None:
        # Whoever may delete a record itself needs no right on the OU for it.
        assert lacking(entry(0, INHERITED_ONLY, GENERIC_ALL, ACCOUNT)) == {"create computer records"}

    def test_another_accounts_rights_do_not_count(self) -> None:
        assert lacking(entry(0, INHERITED_BY_ALL, FULL_CONTROL, OTHER)) == ALL

    def test_a_denial_that_comes_first_decides(self) -> None:
        full = entry(0, INHERITED_BY_ALL, FULL_CONTROL, ACCOUNT)
        denied = entry(6, INHERITED_ONLY, 0x100, ACCOUNT, (RESET_PASSWORD, COMPUTER))
        assert lacking(denied, full) == {"reset the password of computer records"}
        assert lacking(full, denied) == set()

    def test_what_only_users_inherit_does_not_count(self) -> None:
        assert lacking(entry(5, INHERITED_ONLY, FULL_CONTROL, ACCOUNT, (None, USER))) == ALL

    def test_a_right_to_other_things_does_not_count(self) -> None:
        assert lacking(entry(5, 0, 0x3, ACCOUNT, (USER, None))) == ALL

    @pytest.mark.parametrize("sid", [DOMAIN_ADMINS, ACCOUNT_OPERATORS])
    def test_some_groups_may_do_all_with_any_computer(self, sid: bytes) -> None:
        assert lacking(sids=frozenset({sid})) == {"create computer records"}


class TestReading:
    def test_kinds_of_entries_that_are_not_known_are_passed_over(self) -> None:
        read = read_access_list(descriptor(entry(9, 0, 1, ACCOUNT), entry(0, 0, 1, ACCOUNT)))
        assert [each.sid for each in read] == [ACCOUNT]

    @pytest.mark.parametrize("broken", [b"", b"\1\0\4\x80", descriptor(entry(0, 0, 1, ACCOUNT))[:24]])
    def test_what_is_cut_off_is_refused(self, broken: bytes) -> None:
        with pytest.raises(ValueError, match="cut off"):
            read_access_list(broken)

    def test_a_descriptor_without_a_list_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no access list"):
            read_access_list(bytes(20))
