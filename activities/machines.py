"""Activities on a server's VM. Each asks the provider once; waiting is the retry of an activity that says "not yet"."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy.orm import Session
from temporalio import activity

from activities.accounts import Accounts
from activities.boundary import boundary, failure, without_secrets, words
from activities.contract import AWAIT_MACHINE, CREATE_MACHINE, DELETE_MACHINE, Machine
from activities.deadlines import boot_deadline
from activities.lives import now
from activities.patience import not_yet, report_stuck, seconds_to_next_try, until_undone
from activities.startup import render_startup_script
from poolwright.domain.identities import OwnerMark
from poolwright.domain.states import ServerState
from poolwright.providers.base import VM, Provider, VMSpec, VMState
from poolwright.providers.errors import (
    AuthenticationFailed,
    CapacityUnavailable,
    InvalidSettings,
    NotFound,
    NumberTaken,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    Throttled,
)
from poolwright.store import documents, scaling
from poolwright.store.check_in_tokens import controller_id
from poolwright.store.engine import Store
from poolwright.store.machine_numbers import reserve_another, reserve_number
from poolwright.store.servers import lock_server, note, transition
from poolwright.store.tables import ServerRow

_TOKENS_LAST = timedelta(hours=1)
"""Much shorter than any vendor remembers them: OCI for a day, EC2 for a day after the instance has ended."""
_UNHEARD_SHOWS_WITHIN = timedelta(minutes=1)
"""A VM whose creation gave no answer is looked for as long as this: what providers tell lags behind creations."""
_REFUSALS = frozenset(
    error.__name__
    for error in (CapacityUnavailable, QuotaExceeded, InvalidSettings, AuthenticationFailed, PermissionDenied)
)
"""Answers to a creation that say that no VM was made."""


class MachineActivities:
    """Steps of `ServerLifecycle` that touch the provider; they run on the zone's task queue."""

    def __init__(self, store: Store, accounts: Accounts, advertised_address: str) -> None:
        self._store = store
        self._accounts = accounts
        self._advertised_address = advertised_address

    @activity.defn(name=CREATE_MACHINE, no_thread_cancel_exception=True)
    def create_machine(self, server_id: str) -> Machine:
        """Create the VM, or adopt the one that an earlier try made; then store its reference."""
        with boundary(self._store, settings_are_final=True):
            vm_provider, spec = self._prepare(server_id)
            provider = self._accounts.provider(vm_provider)
            try:
                vm = provider.create(spec)
            except NumberTaken as error:
                self._take_another_number(server_id, error)
                raise failure(words(error, self._store), "NumberTaken", retryable=True, retry_in_seconds=1) from None
            except (CapacityUnavailable, QuotaExceeded) as error:
                problem = words(error, self._store)
                self._remember_unavailable(server_id, problem)
                raise failure(problem, type(error).__name__, retryable=False) from None
            except ProviderError as error:
                if self._is_over(server_id):
                    # It may have been made for all that.
                    until_undone(lambda: _is_gone(provider, spec.mark, None))
                self._give_up_in_time(server_id, error)
                raise
            machine, unwanted = self._record(server_id, vm)
            if unwanted:
                # The life was ended while this call was on its way: nobody else would look for this VM.
                until_undone(lambda: _is_gone(provider, spec.mark, vm.reference))
            return machine

    @activity.defn(name=AWAIT_MACHINE, no_thread_cancel_exception=True)
    def await_machine(self, server_id: str) -> Machine:
        """The VM once it runs and has an address; until then a retryable "not yet"."""
        with boundary(self._store, settings_are_final=True):
            vm_provider, _, reference = self._where(server_id)
            try:
                vm = self._accounts.provider(vm_provider).get(reference or "", waiting=True)
            except NotFound:
                # Lists and reads of a cloud lag behind its creations; the boot deadline bounds this.
                raise not_yet("the provider does not show the VM yet") from None
            if vm.state is VMState.BROKEN:
                problem = without_secrets(vm.problem or "no reason given", self._store)
                if vm.lacks_room:
                    self._remember_unavailable(server_id, problem)
                    raise failure(problem, CapacityUnavailable.__name__, retryable=False)
                raise failure(f"the provider gave up on the VM: {problem}", "VMBroken", retryable=False)
            machine, _ = self._record(server_id, vm)
            if not machine.ready:
                raise not_yet(f"the VM is {vm.state} and has {'an' if vm.address else 'no'} address")
            return machine

    @activity.defn(name=DELETE_MACHINE, no_thread_cancel_exception=True)
    def delete_machine(self, server_id: str) -> None:
        """Delete the VM and all that was made for it. Returns only when everything is proven gone."""
        with boundary(self._store):
            with self._store.read() as tx:
                row = tx.get_one(ServerRow, server_id)
                if row.creating_at is None:
                    return
                mark = OwnerMark(controller_id=controller_id(tx), server_id=server_id)
                vm_provider, reference = row.vm_provider or "", row.provider_reference
                may_show = _may_show(row, now())
            try:
                gone = _is_gone(self._accounts.provider(vm_provider), mark, reference)
            except Exception as error:
                problem = words(error, self._store)
                report_stuck(self._store, server_id, problem, now())
                # Nothing is abandoned: even an error that no retry mends is tried until somebody mends its cause.
                if isinstance(error, ProviderError) and not error.retryable:
                    raise failure(
                        problem, type(error).__name__, retryable=True, retry_in_seconds=seconds_to_next_try(60)
                    ) from None
                raise
            if not gone:
                report_stuck(self._store, server_id, "the provider is still deleting it", now())
                raise not_yet("the provider is still deleting it")
            if may_show:
                raise not_yet("nobody heard whether its VM was made: one may show yet")

    def _prepare(self, server_id: str) -> tuple[str, VMSpec]:
        """Write down that creation begins, before anything outside is touched."""
        with self._store.write() as tx:
            row = lock_server(tx, server_id)
            if row.state == ServerState.PREPARING:
                transition(tx, row, ServerState.CREATING, "asks the provider for a VM", now())
                tx.flush()
            if row.state not in (ServerState.CREATING, ServerState.BOOTING, ServerState.CONFIGURING):
                raise failure(f"the server is {row.state}: no VM is made for it", "LifeEnded", retryable=False)
            script = render_startup_script(tx, row, self._advertised_address)
            numbers = _numbers(tx, row)
            return row.vm_provider or "", VMSpec(
                mark=OwnerMark(controller_id=controller_id(tx), server_id=server_id),
                token=_token(row),
                token_suffices=token_suffices(row, now()),
                hostname=row.hostname,
                startup_script=script,
                place=row.place,
                labels=scaling.load_autoscale(tx, row.autoscale or "").labels,
                number=None if numbers is None else reserve_number(tx, row, *numbers),
            )

    def _is_over(self, server_id: str) -> bool:
        with self._store.read() as tx:
            return tx.get_one(ServerRow, server_id).state in (ServerState.DELETING, ServerState.DELETED)

    def _where(self, server_id: str) -> tuple[str, OwnerMark, str | None]:
        with self._store.read() as tx:
            row = tx.get_one(ServerRow, server_id)
            mark = OwnerMark(controller_id=controller_id(tx), server_id=server_id)
            return row.vm_provider or "", mark, row.provider_reference

    def _record(self, server_id: str, vm: VM) -> tuple[Machine, bool]:
        """Store what the provider says. True: the server is on its way out and this VM is unwanted."""
        with self._store.write() as tx:
            row = lock_server(tx, server_id)
            row.provider_reference = vm.reference
            row.address = vm.address or row.address
            row.private_address = vm.private_address or row.private_address
            row.place = vm.place or row.place
            if row.state == ServerState.CREATING:
                transition(tx, row, ServerState.BOOTING, f"the VM {vm.reference} exists", now())
            unwanted = row.state in (ServerState.DELETING, ServerState.DELETED)
            ready = vm.state is VMState.RUNNING and bool(row.address or row.private_address)
            deadline = boot_deadline(tx, row) or now()
            return Machine(ready=ready, address=row.address, boot_deadline=deadline), unwanted

    def _take_another_number(self, server_id: str, error: NumberTaken) -> None:
        problem = words(error, self._store)
        with self._store.write() as tx:
            row = lock_server(tx, server_id)
            numbers = _numbers(tx, row)
            assert numbers is not None, "only a provider that asks for numbers can refuse one"
            note(tx, row, f"takes number {reserve_another(tx, row, *numbers)}: {problem}", now())

    def _remember_unavailable(self, server_id: str, problem: str) -> None:
        with self._store.write() as tx:
            row = lock_server(tx, server_id)
            policy = scaling.load_autoscale(tx, row.autoscale or "").failure
            until = now() + timedelta(seconds=policy.place_memory_seconds)
            scaling.note_unavailable(tx, row.vm_provider or "", row.place, until, problem)

    def _give_up_in_time(self, server_id: str, error: ProviderError) -> None:
        """Show why creation waits; after the boot deadline's time stop, unless the account is only slowed down."""
        problem = words(error, self._store)
        with self._store.write() as tx:
            row = lock_server(tx, server_id)
            note(tx, row, f"{type(error).__name__}: {problem}", now())
            patience = _creation_patience(tx, row)
            overdue = row.creating_at is not None and now() - row.creating_at > patience
        if overdue and not isinstance(error, Throttled):
            raise failure(
                f"no VM after {int(patience.total_seconds())} s: {problem}", type(error).__name__, retryable=False
            )


def token_suffices(row: ServerRow, at: datetime) -> bool:
    """Whether all that was ever asked for this server bore the token that it has now, and no vendor has forgotten it.

    What the token is made from only changes together with the reference. The age is that of the row, not of the first
    creation: a store that was restored from a copy may know nothing of a VM that was made long ago.
    """
    return row.provider_reference is None and at - row.created_at < _TOKENS_LAST


def _is_gone(provider: Provider, mark: OwnerMark, reference: str | None) -> bool:
    """Ask for the deletion. Whether everything is proven gone."""
    try:
        return provider.delete(mark, reference)
    except NotFound:
        return True


def _may_show(row: ServerRow, at: datetime) -> bool:
    """Whether a VM may exist that the provider does not show yet: its creation ended, just now, without an answer."""
    if row.provider_reference is not None or (row.failure_reason or "").partition(":")[0] in _REFUSALS:
        return False
    return at - row.state_since < _UNHEARD_SHOWS_WITHIN


def _token(row: ServerRow) -> str:
    """Create token: the same for repeats of this attempt in this place with this shape, another for any other."""
    parts = (row.id, str(row.attempt), row.place or "", str(row.config_revision))
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def _numbers(tx: Session, row: ServerRow) -> tuple[int, int] | None:
    """First and last of the numbers that this server's provider tells VMs apart by, if it does."""
    found = documents.get_row(tx, "vm_provider", row.vm_provider or "").facts.get("numbers")
    return None if found is None else (int(found[0]), int(found[1]))


def _creation_patience(tx: Session, row: ServerRow) -> timedelta:
    return timedelta(seconds=scaling.load_autoscale(tx, row.autoscale or "").failure.boot_deadline_seconds)
