"""Activities on what stands beside a VM: its computer record in Active Directory and its DNS records."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address
from uuid import UUID

from sqlalchemy.orm import Session
from temporalio import activity

from activities.accounts import Accounts
from activities.boundary import CONFIGURATION_ERRORS, OUTSIDE_ERRORS, boundary, failure, words
from activities.contract import CREATE_COMPUTER_RECORD, DELETE_COMPUTER_RECORD, REMOVE_DNS, WRITE_DNS
from activities.lives import now
from activities.patience import report_stuck, seconds_to_next_try, until_undone
from poolwright.directory.errors import DirectoryError
from poolwright.directory.errors import NameTaken as ComputerNameTaken
from poolwright.dns.base import AddressRecord
from poolwright.dns.errors import DNSError
from poolwright.domain.autoscale import ComputerRecord, DNSRegistration, ServerAutoscale
from poolwright.domain.hostnames import HostnameProblem
from poolwright.domain.identities import OwnerMark
from poolwright.domain.states import ServerState
from poolwright.store import ledger, scaling
from poolwright.store.check_in_tokens import controller_id
from poolwright.store.documents import UnknownDocument
from poolwright.store.engine import Store
from poolwright.store.secrets import join_password_id, put_secret
from poolwright.store.servers import lock_server, note
from poolwright.store.tables import ServerRow

_SLOWEST_SECONDS = 60.0
_GOING = (ServerState.DELETING, ServerState.DELETED)


class RecordActivities:
    """Steps of `ServerLifecycle` that touch a directory or a DNS server; they run on the zone's task queue."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    @activity.defn(name=CREATE_COMPUTER_RECORD, no_thread_cancel_exception=True)
    def create_computer_record(self, server_id: str) -> str:
        """Create the server's computer record, or reset the password of its own. Returns the host name it has now.

        The join password never leaves this activity but sealed. A name that is somebody else's is left alone: the
        server takes another.
        """
        with boundary(self._store, settings_are_final=True):
            with self._store.write() as tx:
                row = _living(lock_server(tx, server_id))
                record = _computer_record(tx, row)
                mark, hostname = OwnerMark(controller_id=controller_id(tx), server_id=server_id), row.hostname
                _require_same("ldap", row.ldap, record.ldap)
                row.ldap, row.computer_recursive = record.ldap, record.recursive_cleanup
            directory = self._accounts.directory(record.ldap)
            try:
                made = directory.create_or_reset(mark, hostname, record.ou_dn)
            except ComputerNameTaken as error:
                self._take_another_name(server_id, hostname, words(error, self._store))
                raise failure(words(error, self._store), "NameTaken", retryable=True, retry_in_seconds=1) from None
            except DirectoryError as error:
                if self._is_over(server_id):
                    # It may have been made for all that.
                    self._undo_computer_record(record.ldap, mark, None)
                self._give_up_in_time(server_id, error)
                raise
            with self._store.write() as tx:
                row = lock_server(tx, server_id)
                unwanted = row.state in _GOING
                if not unwanted:
                    row.computer_guid = str(made.object_guid)
                    put_secret(tx, join_password_id(server_id), made.join_password, now())
                    note(tx, row, f"the computer record {made.dn} is there", now())
            if unwanted:
                # The life was ended while this call was on its way: nobody but the sweep would look for this record.
                self._undo_computer_record(record.ldap, mark, made.object_guid)
            return hostname

    @activity.defn(name=WRITE_DNS, no_thread_cancel_exception=True)
    def write_dns(self, server_id: str) -> str:
        """Let the server's name resolve to its address. Returns the name."""
        with boundary(self._store, settings_are_final=True):
            with self._store.write() as tx:
                row = _living(lock_server(tx, server_id))
                registration = _registration(tx, row)
                mark = OwnerMark(controller_id=controller_id(tx), server_id=server_id)
                record = AddressRecord(
                    fqdn=row.fqdn or "",
                    addresses=(ip_address(_address(row, registration)),),
                    ttl_seconds=registration.ttl_seconds,
                )
                _require_same("dns_provider", row.dns_provider, registration.provider)
                row.dns_provider = registration.provider
            provider = self._accounts.dns(registration.provider)
            try:
                changes = provider.upsert(mark, record)
            except DNSError as error:
                if self._is_over(server_id):
                    self._undo_dns(registration.provider, mark, record)
                with self._store.write() as tx:
                    note(tx, lock_server(tx, server_id), f"{type(error).__name__}: {words(error, self._store)}", now())
                raise
            with self._store.write() as tx:
                row = lock_server(tx, server_id)
                unwanted = row.state in _GOING
                if (changes.written or changes.notes) and not unwanted:
                    note(tx, row, "; ".join((*changes.written, *changes.notes)), now())
            if unwanted:
                self._undo_dns(registration.provider, mark, record)
            return record.fqdn

    @activity.defn(name=REMOVE_DNS, no_thread_cancel_exception=True)
    def remove_dns(self, server_id: str) -> None:
        """Remove the server's DNS records. Returns only when nothing with its mark is left at its name."""
        with boundary(self._store), self._never_giving_up(server_id, "DNS records"):
            with self._store.read() as tx:
                row = tx.get_one(ServerRow, server_id)
                mark = OwnerMark(controller_id=controller_id(tx), server_id=server_id)
                provider, fqdn = row.dns_provider or "", row.fqdn or ""
                addresses = [ip_address(address) for address in (row.address, row.private_address) if address]
            changes = self._accounts.dns(provider).delete(mark, fqdn, addresses)
            if changes.notes:
                with self._store.write() as tx:
                    note(tx, lock_server(tx, server_id), "; ".join(changes.notes), now())

    @activity.defn(name=DELETE_COMPUTER_RECORD, no_thread_cancel_exception=True)
    def delete_computer_record(self, server_id: str) -> None:
        """Delete the server's computer record, wherever it was moved to."""
        with boundary(self._store), self._never_giving_up(server_id, "computer record"):
            with self._store.read() as tx:
                row = tx.get_one(ServerRow, server_id)
                mark = OwnerMark(controller_id=controller_id(tx), server_id=server_id)
                guid = UUID(row.computer_guid) if row.computer_guid else None
                ldap, recursive = row.ldap or "", row.computer_recursive or _is_recursive_now(tx, row)
            self._accounts.directory(ldap).delete(mark, guid, recursive)

    def _undo_computer_record(self, ldap: str, mark: OwnerMark, guid: UUID | None) -> None:
        def undo() -> bool:
            # Its answers, that there was one and that there was none, both mean gone.
            self._accounts.directory(ldap).delete(mark, guid, recursive=False)
            return True

        until_undone(undo)

    def _undo_dns(self, provider: str, mark: OwnerMark, record: AddressRecord) -> None:
        def undo() -> bool:
            self._accounts.dns(provider).delete(mark, record.fqdn, record.addresses)
            return True

        until_undone(undo)

    def _is_over(self, server_id: str) -> bool:
        with self._store.read() as tx:
            return tx.get_one(ServerRow, server_id).state in _GOING

    def _take_another_name(self, server_id: str, taken: str, problem: str) -> None:
        with self._store.write() as tx:
            row = lock_server(tx, server_id)
            if row.hostname != taken:
                return
            _require_patience(tx, row, "NameTaken", problem)
            try:
                ledger.rename(tx, row)
            except HostnameProblem as no_other:
                raise failure(f"{problem}; {no_other}", "NameTaken", retryable=False) from None
            note(tx, row, f"{problem}: it takes the name {row.hostname}", now())

    def _give_up_in_time(self, server_id: str, error: DirectoryError) -> None:
        """Show why the record waits; after the boot deadline's time stop, as the creation of a VM does."""
        problem = words(error, self._store)
        with self._store.write() as tx:
            row = lock_server(tx, server_id)
            note(tx, row, f"{type(error).__name__}: {problem}", now())
        with self._store.read() as tx:
            _require_patience(tx, tx.get_one(ServerRow, server_id), type(error).__name__, problem)

    @contextmanager
    def _never_giving_up(self, server_id: str, what: str) -> Iterator[None]:
        """Nothing is abandoned: an error that no retry mends is tried until somebody mends its cause."""
        try:
            yield
        except (*OUTSIDE_ERRORS, *CONFIGURATION_ERRORS) as error:
            problem = words(error, self._store)
            report_stuck(self._store, server_id, f"its {what}: {problem}", now())
            raise failure(
                problem,
                type(error).__name__,
                retryable=True,
                retry_in_seconds=seconds_to_next_try(_SLOWEST_SECONDS),
            ) from None


def _living(row: ServerRow) -> ServerRow:
    if row.state in _GOING or row.state == ServerState.FAILED:
        raise failure(f"the server is {row.state}: nothing is made for it", "LifeEnded", retryable=False)
    return row


def _require_patience(tx: Session, row: ServerRow, kind: str, problem: str) -> None:
    """Raise when a record has not come to be for as long as the creation of a VM is tried."""
    patience_seconds = scaling.load_autoscale(tx, row.autoscale or "").failure.boot_deadline_seconds
    if now() - row.state_since > timedelta(seconds=patience_seconds):
        raise failure(f"no computer record after {patience_seconds} s: {problem}", kind, retryable=False)


def _computer_record(tx: Session, row: ServerRow) -> ComputerRecord:
    autoscale = scaling.load_autoscale(tx, row.autoscale or "")
    record = autoscale.computer_record if isinstance(autoscale, ServerAutoscale) else None
    if record is None:
        raise _changed(f"the autoscale config {row.autoscale} has no computer_record any more")
    return record


def _registration(tx: Session, row: ServerRow) -> DNSRegistration:
    registration = scaling.load_autoscale(tx, row.autoscale or "").dns
    if registration is None:
        raise _changed(f"the autoscale config {row.autoscale} has no dns any more")
    return registration


def _require_same(kind: str, before: str | None, wanted: str) -> None:
    """An earlier try may have written to another config, which the row must go on to name: else nobody looks there."""
    if before not in (None, wanted):
        raise _changed(f"its autoscale config names {kind} {wanted!r} now, and {before!r} may have a record of it")


def _is_recursive_now(tx: Session, row: ServerRow) -> bool:
    """Whether the config has been told since to delete records together with objects below them."""
    try:
        autoscale = scaling.load_autoscale(tx, row.autoscale or "")
    except UnknownDocument:
        return False
    record = autoscale.computer_record if isinstance(autoscale, ServerAutoscale) else None
    return record is not None and record.ldap == row.ldap and record.recursive_cleanup


def _changed(problem: str) -> Exception:
    return failure(f"{problem}: the server is made anew", "InvalidSettings", retryable=False)


def _address(row: ServerRow, registration: DNSRegistration) -> str:
    public_first = (row.address, row.private_address)
    found = public_first if registration.address == "public" else tuple(reversed(public_first))
    return next(address for address in found if address)
