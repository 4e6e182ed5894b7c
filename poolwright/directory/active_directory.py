"""Computer records in Active Directory."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ldap3 import Connection
from ldap3.core import exceptions as ldap
from ldap3.utils.conv import escape_filter_chars
from pydantic import SecretStr

from poolwright.directory import changes, checks
from poolwright.directory.domain_controllers import DomainController, DomainControllers
from poolwright.directory.entries import Entry, entry_at, named_by, names_below, search
from poolwright.directory.errors import (
    AuthenticationFailed,
    CertificateRefused,
    DirectoryError,
    HasChildren,
    InvalidSettings,
    NameTaken,
    NotOurs,
    Transient,
    Unreachable,
)
from poolwright.directory.join_password import new_join_password
from poolwright.directory.ldap_errors import words_of
from poolwright.directory.names import domain_of, require_domain
from poolwright.directory.new_computer import NewComputer, enable
from poolwright.directory.records import ComputerRecord, OwnedComputer
from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.domain.resources import LDAPConfig

if TYPE_CHECKING:
    from dns.resolver import Resolver

_CHILDREN_SHOWN: Final = 5


def utc_now() -> datetime:
    """The time by this computer's clock."""
    return datetime.now(UTC)


class ComputerDirectory:
    """The computer records of one installation in one Active Directory domain. May be shared by threads.

    No method waits: each asks once, on a connection of its own, within client timeouts. Each raises only the errors of
    `poolwright.directory.errors` and puts no secret into a message. What does not bear the mark of `controller_id` is
    never returned, reset or deleted.
    """

    def __init__(
        self,
        config: LDAPConfig,
        controller_id: str,
        *,
        page_size: int = 500,
        clock: Callable[[], datetime] = utc_now,
        resolver: "Resolver | None" = None,
    ) -> None:
        """No call to a domain controller. Raises `InvalidSettings` for settings that can never work.

        `page_size` is how many records are read at a time (a domain controller gives at most 1000). `clock` and
        `resolver` are what `check` compares with and asks; left out, this computer's own.
        """
        self._config = config
        self._controller_id = controller_id
        self._domain = domain_of(config.search_base, "search_base")
        self._controllers = DomainControllers(config)
        self._page_size = page_size
        self._clock = clock
        self._resolver = resolver

    def create_or_reset(
        self, mark: OwnerMark, hostname: str, ou_dn: str, dns_domain: str | None = None
    ) -> ComputerRecord:
        """Create the server's record in the OU with a new one-time password, or give the server's own record a new one.

        Repeatable: a repeat whose first answer was lost finds its own mark, wherever the record was moved to, and makes
        the earlier password worthless. Of two calls at the same time the last one's password counts. `dns_domain` is
        what follows the host name in the full name; left out, the domain of the LDAP config.

        Raises `NameTaken`, `InvalidSettings` (no such OU, a host name that no computer can have), `PermissionDenied`...
        """
        self._require_own(mark)
        require_domain(ou_dn, "ou_dn", self._config)
        computer = NewComputer(mark, hostname, ou_dn, dns_domain or self._config.domain)
        password = new_join_password()
        with self._controllers.connected(f"creating {computer.dn!r}") as (connection, controller):
            entry = self._create_or_reset(connection, computer, password)
            return ComputerRecord(
                object_guid=entry.object_guid,
                dn=entry.dn,
                join_password=password,
                domain_controller=controller.host,
            )

    def find(self, mark: OwnerMark) -> OwnedComputer | None:
        """The record that bears this mark, anywhere in the domain, or None. Where several do, the oldest."""
        self._require_own(mark)
        with self._controllers.connected(f"looking for the record of server {mark.server_id}") as (connection, _):
            found = [entry.owned(mark) for entry in self._entries_with(connection, mark)]
        return min(found, key=lambda computer: (computer.created_at, computer.object_guid), default=None)

    def delete(self, mark: OwnerMark, object_guid: UUID | None, recursive: bool) -> bool:
        """Delete the server's record, wherever it was moved to; without its GUID, or if nothing has it, by its mark.

        True: it was deleted. False: there was none. Both mean that it is gone, so this can be repeated. `recursive`
        also deletes objects below it, which machines put there when they join. A record that one domain controller does
        not know is looked for on the others, since it may not have replicated yet.

        Raises `HasChildren` where there are such objects and `recursive` is false, `NotOurs` if the GUID is that of an
        object without this mark, `Unreachable` also if a record with a GUID may be known to one that is away,
        `PermissionDenied`, ...
        """
        self._require_own(mark)
        with self._controllers.connected(f"deleting the record of server {mark.server_id}") as (connection, asked):
            if self._delete_all(connection, mark, object_guid, recursive):
                return True
        unknown: DirectoryError | None = None
        for controller in self._controllers.all:
            try:
                if controller != asked and self._delete_at(controller, mark, object_guid, recursive):
                    return True
            except (AuthenticationFailed, CertificateRefused, Unreachable) as error:
                unknown = unknown or error
        # Without a GUID nobody knows of a record at all: that must not wait for one that is switched off for good.
        if unknown is not None and object_guid is not None:
            raise unknown
        return False

    def list_owned(self, ou_dns: Sequence[str]) -> Sequence[OwnedComputer]:
        """Every record below these OUs that bears a mark of this installation, each once.

        An OU can be any object of the domain: the domain itself also gives the records that were moved elsewhere.
        """
        for ou_dn in ou_dns:
            require_domain(ou_dn, "ou_dn", self._config)
        ours = escape_filter_chars(f"poolwright/{self._controller_id}/")
        condition = f"(&(objectCategory=computer)(description={ours}*))"
        owned: dict[UUID, OwnedComputer] = {}
        with self._controllers.connected(f"listing our records below {'; '.join(ou_dns)}") as (connection, _):
            for ou_dn in ou_dns:
                for entry in _search_ou(connection, ou_dn, condition, self._page_size):
                    mark = entry.mark
                    if mark is not None and mark.controller_id == self._controller_id:
                        owned[entry.object_guid] = entry.owned(mark)
        return list(owned.values())

    def check(self, ou_dns: Sequence[str]) -> Sequence[Finding]:
        """Ask every domain controller whether records can be kept in these OUs: all problems at once. Raises nothing.

        Looks at connection, certificate, logon, clock, the OUs and the rights there, and the domain's DNS records.
        """
        return checks.check(self._config, self._controllers, ou_dns, self._clock(), self._resolver)

    def _require_own(self, mark: OwnerMark) -> None:
        if mark.controller_id != self._controller_id:
            raise InvalidSettings(
                f"the mark {mark.text()} is of another installation than this one, {self._controller_id}",
                "open the directory for that installation",
            )

    def _create_or_reset(self, connection: Connection, computer: NewComputer, password: SecretStr) -> Entry:
        try:
            computer.add(connection, password)
        except ldap.LDAPNoSuchObjectResult as error:
            raise InvalidSettings(
                f"there is no OU {computer.ou_dn!r}", "create it, or correct ou_dn of the computer record"
            ) from error
        except (ldap.LDAPEntryAlreadyExistsResult, ldap.LDAPConstraintViolationResult) as error:
            entry = self._require_our_own(connection, computer, error)
            enable(connection, entry.lasting_name, password)
            return entry
        added = entry_at(connection, computer.dn)
        if added is None:
            raise Transient(f"{computer.dn!r} was created, and nothing is there", "ask again: somebody deleted it")
        return added

    def _require_our_own(self, connection: Connection, computer: NewComputer, refusal: Exception) -> Entry:
        """The record that already has the name, if it is this server's own."""
        holders = list(search(connection, self._domain, computer.holder_condition(), self._page_size))
        in_place = entry_at(connection, computer.dn)
        if in_place is not None:
            holders.append(in_place)
        for entry in holders:
            if entry.mark == computer.mark and entry.text("sAMAccountName").upper() == computer.account_name:
                return entry
        raise NameTaken(
            f"the computer name {computer.name} is taken by {self._described(holders, refusal)}",
            "take another name, or delete that object by hand",
        )

    def _described(self, holders: Sequence[Entry], refusal: Exception) -> str:
        if not holders:
            return f"an object that the service account cannot see ({words_of(refusal)})"
        holder = holders[0]
        mark = holder.mark
        if mark is None:
            return f"{holder.dn!r}, which bears no mark of ours"
        if mark.controller_id != self._controller_id:
            return f"{holder.dn!r}, which another installation made"
        return f"{holder.dn!r}, the record of server {mark.server_id}, which is not gone yet"

    def _entries_with(self, connection: Connection, mark: OwnerMark) -> Sequence[Entry]:
        condition = f"(&(objectCategory=computer)(description={escape_filter_chars(mark.text())}))"
        # A directory compares without regard to case, and a mark is only equal to itself.
        return [entry for entry in search(connection, self._domain, condition, self._page_size) if entry.mark == mark]

    def _delete_at(
        self, controller: DomainController, mark: OwnerMark, object_guid: UUID | None, recursive: bool
    ) -> bool:
        with self._controllers.connected_to(controller) as connection:
            return self._delete_all(connection, mark, object_guid, recursive)

    def _delete_all(self, connection: Connection, mark: OwnerMark, object_guid: UUID | None, recursive: bool) -> bool:
        deleted = [
            _delete(connection, entry, recursive) for entry in self._entries_to_delete(connection, mark, object_guid)
        ]
        return any(deleted)

    def _entries_to_delete(self, connection: Connection, mark: OwnerMark, object_guid: UUID | None) -> Sequence[Entry]:
        # By GUID first: descriptions are not indexed, and a large domain takes its time to read through.
        entry = entry_at(connection, named_by(object_guid)) if object_guid else None
        if entry is None:
            return self._entries_with(connection, mark)
        if entry.mark != mark:
            raise NotOurs(
                f"{entry.dn!r} has the GUID of the record of server {mark.server_id} and not its mark",
                f"make {mark.text()} its description, or delete it by hand",
            )
        return [entry, *self._conflicting(connection, entry)]

    def _conflicting(self, connection: Connection, entry: Entry) -> Sequence[Entry]:
        """The same server's record as another domain controller made it, after an answer that was lost.

        Replication keeps both and gives one of them a new name: the old one, a line's end and `CNF:`. Found by name,
        which is indexed.
        """
        name = escape_filter_chars(entry.dn.partition(",")[0].partition("=")[2].partition("\\0A")[0])
        condition = f"(&(objectCategory=computer)(|(name={name})(name={name}\\0aCNF:*)))"
        found = search(connection, self._domain, condition, self._page_size)
        return [one for one in found if one.mark == entry.mark and one.object_guid != entry.object_guid]


def _delete(connection: Connection, entry: Entry, recursive: bool) -> bool:
    """False: it was gone already."""
    try:
        try:
            changes.delete(connection, entry.lasting_name)
        except ldap.LDAPNotAllowedOnNotLeafResult as error:
            if not recursive:
                raise _has_children(connection, entry) from error
            changes.delete_tree(connection, entry.lasting_name)
    except ldap.LDAPNoSuchObjectResult:
        return False
    return True


def _has_children(connection: Connection, entry: Entry) -> HasChildren:
    children = names_below(connection, entry.dn, _CHILDREN_SHOWN + 1)
    shown = ", ".join(repr(child) for child in children[:_CHILDREN_SHOWN])
    more = " and more" if len(children) > _CHILDREN_SHOWN else ""
    return HasChildren(
        f"{entry.dn!r} has objects below it: {shown}{more}",
        "set recursive_cleanup of the computer record to delete them with it, or delete them by hand",
    )


def _search_ou(connection: Connection, ou_dn: str, condition: str, page_size: int) -> Sequence[Entry]:
    try:
        return list(search(connection, ou_dn, condition, page_size))
    except ldap.LDAPNoSuchObjectResult as error:
        raise InvalidSettings(f"there is no OU {ou_dn!r}", "correct ou_dn of the computer record") from error
