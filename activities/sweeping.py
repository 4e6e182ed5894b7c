"""Sweeps: what bears our mark and has outlived its server is found, and deleted where the config says so."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from temporalio import activity

from activities.accounts import Accounts
from activities.boundary import CONFIGURATION_ERRORS, OUTSIDE_ERRORS, boundary, words
from activities.contract import BEGIN_SWEEP, SWEEP_ROUND, SweepLook, SweepRequest, SweepTurn
from activities.lives import now
from activities.swept_things import Thing, computer_records, dns_records, machines
from activities.telling import sweep_markdown
from poolwright.domain.autoscale import ServerAutoscale
from poolwright.domain.resources import LDAPConfig, SweepMode
from poolwright.domain.sweep import SweepPlan, orphans
from poolwright.domain.sweep_round import Outcome, SweepEntry, SweepRound, missing_machine, round_of
from poolwright.providers.base import Provider
from poolwright.providers.errors import NotFound, ProviderError
from poolwright.store import documents, sweeps
from poolwright.store.check_in_tokens import controller_id
from poolwright.store.engine import Store
from poolwright.store.servers import live_server_ids

_PAUSED_WAIT_SECONDS = 600.0
_SHORTEST_WAIT_SECONDS = 1.0
_MOST_ASKED = 200
"""VMs that a listing lacks are asked for one by one: so many in a round."""


class SweepActivities:
    """Rounds of sweeps. `begin_sweep` touches only the store; `sweep` runs on a zone's task queue."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    @activity.defn(name=BEGIN_SWEEP, no_thread_cancel_exception=True)
    def begin_sweep(self, look: SweepLook) -> SweepTurn:
        """Begin a round if one is due. A repeat begins another one, and the one before is never made."""
        kind, name, at = look.kind, look.name, now()
        with boundary(self._store), self._store.write() as tx:
            try:
                state = sweeps.sweep_state(tx, kind, name)
            except documents.UnknownDocument:
                sweeps.forget_sweep(tx, kind, name)
                return SweepTurn(exists=False)
            if look.pause_because is not None or look.resume:
                sweeps.set_paused(tx, kind, name, look.pause_because)
            if look.problem is not None:
                swept = SweepRound(at=at, mode=state.settings.mode, summary="no round was made", problem=look.problem)
                sweeps.finish_round(tx, kind, name, swept, missing=None)
            tx.flush()
            state = sweeps.sweep_state(tx, kind, name)
            number = sweeps.begin_round(tx, kind, name) if _is_due(state, look, at) else None
            return _turn(state, number, at)

    @activity.defn(name=SWEEP_ROUND, no_thread_cancel_exception=True)
    def sweep(self, request: SweepRequest) -> SweepTurn:
        """Make a round. Repeatable: a second time deletes nothing that the first was not going to.

        Whatever cannot be looked at or deleted is part of the round, not an error of this activity.
        """
        with boundary(self._store):
            at = now()
            try:
                swept, missing = self._swept(request, at)
            except (*OUTSIDE_ERRORS, *CONFIGURATION_ERRORS) as error:
                problem = f"{type(error).__name__}: {words(error, self._store)}"
                mode = self._mode(request)
                swept, missing = SweepRound(at=at, mode=mode, summary="nothing was looked at", problem=problem), None
            with self._store.write() as tx:
                sweeps.finish_round(tx, request.kind, request.name, swept, missing)
                turn = _turn(sweeps.sweep_state(tx, request.kind, request.name), None, at)
            _log(request, swept)
            return turn

    def _swept(self, request: SweepRequest, at: datetime) -> tuple[SweepRound, Mapping[str, datetime]]:
        # What exists first, then the rows: the other way round, a server made in between would look like none.
        things = self._things(request, at)
        with self._store.write() as tx:
            state = sweeps.sweep_state(tx, request.kind, request.name)
            settings, before = state.settings, state.last_round
            seen = sweeps.first_seen(tx, request.kind, request.name)
            found = [thing.owned.remembered(seen) for thing in things]
            failed = before.failed if before is not None else ()
            plan = orphans(found, frozenset(live_server_ids(tx)), controller_id(tx), settings, at, failed)
            plan = sweeps.record_plan(tx, request.kind, request.name, request.round, plan)
        deletions = self._delete(plan, things)
        missing: dict[str, datetime] = {}
        entries: list[SweepEntry] = []
        if request.kind == "vm_provider":
            missing, entries = self._missing_machines(request.name, things, at)
        return round_of(at, settings.mode, plan, deletions, entries, failed), missing

    def _things(self, request: SweepRequest, at: datetime) -> Sequence[Thing]:
        if request.kind == "vm_provider":
            return machines(self._accounts.provider(request.name), at)
        if request.kind == "dns_provider":
            return dns_records(self._accounts.dns(request.name), at)
        from poolwright.directory.names import domain_of

        directory = self._accounts.directory(request.name)
        with self._store.read() as tx:
            config = documents.load_without_secrets(documents.get_row(tx, "ldap", request.name))
            using = sweeps.users(tx, "ldap", request.name)
        assert isinstance(config, LDAPConfig)
        records = [one.computer_record for one in using if isinstance(one, ServerAutoscale)]
        recursive = any(record is not None and record.recursive_cleanup for record in records)
        # The whole domain: it holds the OUs of all autoscale configs, past ones too, and whatever was moved elsewhere.
        return computer_records(directory, domain_of(config.search_base, "search_base"), recursive, at)

    def _delete(self, plan: SweepPlan, things: Sequence[Thing]) -> Mapping[str, bool | str]:
        """Each on its own: one that cannot be deleted does not keep the others."""
        deletions: dict[str, bool | str] = {}
        by_key = {thing.owned.key: thing for thing in things}
        for verdict in plan.delete:
            try:
                deletions[verdict.owned.key] = by_key[verdict.owned.key].delete()
            except NotFound:
                deletions[verdict.owned.key] = True
            except Exception as error:  # noqa: BLE001  not even a bug of one adapter may keep what the others left
                deletions[verdict.owned.key] = f"{type(error).__name__}: {words(error, self._store)}"
        return deletions

    def _missing_machines(
        self, name: str, things: Sequence[Thing], at: datetime
    ) -> tuple[dict[str, datetime], list[SweepEntry]]:
        """Running servers whose VM the provider does not know, and those of them that were so a round ago too."""
        listed = {thing.owned.mark.server_id for thing in things}
        with self._store.read() as tx:
            running = [one for one in sweeps.running_machines(tx, name) if one.server_id not in listed]
            before = sweeps.missing_since(tx, "vm_provider", name)
        running.sort(key=lambda one: one.server_id not in before)
        provider = self._accounts.provider(name)
        missing: dict[str, datetime] = {}
        entries: list[SweepEntry] = []
        for one in running[:_MOST_ASKED]:
            if not _is_gone(provider, one.reference):
                continue
            missing[one.server_id] = before.get(one.server_id, at)
            if one.server_id in before:
                entries.append(missing_machine(one.server_id, one.hostname, one.reference, before[one.server_id]))
        return missing, entries

    def _mode(self, request: SweepRequest) -> SweepMode:
        with self._store.read() as tx:
            return sweeps.sweep_state(tx, request.kind, request.name).settings.mode


def _is_due(state: sweeps.SweepState, look: SweepLook, at: datetime) -> bool:
    if state.paused_because is not None or state.zone is None:
        return False
    return look.asked or state.next_round_at is None or state.next_round_at <= at


def _turn(state: sweeps.SweepState, number: int | None, at: datetime) -> SweepTurn:
    wait = timedelta(seconds=state.settings.period_seconds)
    if state.zone is not None and state.next_round_at is not None:
        wait = min(wait, state.next_round_at - at)
    if state.paused_because is not None:
        wait = timedelta(seconds=_PAUSED_WAIT_SECONDS)
    return SweepTurn(
        exists=True,
        zone=state.zone or "",
        round=number,
        wait_seconds=max(_SHORTEST_WAIT_SECONDS, wait.total_seconds()),
        summary=state.last_round.summary if state.last_round else "no round was made yet",
        details=sweep_markdown(state),
    )


def _is_gone(provider: Provider, reference: str) -> bool:
    """Only a plain "there is no such VM" counts: with any other error nothing is known."""
    try:
        provider.get(reference)
    except NotFound:
        return True
    except ProviderError:
        return False
    return False


def _log(request: SweepRequest, swept: SweepRound) -> None:
    whose = f"{request.kind} {request.name}"
    if swept.problem is not None:
        activity.logger.warning("the sweep of %s could not look: %s", whose, swept.problem)
    for entry in _to_tell(swept.entries):
        activity.logger.warning("the sweep of %s: %s", whose, entry.sentence)


def _to_tell(entries: Sequence[SweepEntry]) -> Iterator[SweepEntry]:
    telling = {Outcome.FAILED, Outcome.MISSING, Outcome.DELETED}
    return (entry for entry in entries if entry.outcome in telling)
