"""What a round of a sweep came to, thing by thing, in sentences."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime

from poolwright.domain.base import Model
from poolwright.domain.resources import SweepMode
from poolwright.domain.sweep import Owned, Reason, SweepPlan, Verdict
from poolwright.domain.wording import moment

MOST_ENTRIES: Final = 500
"""Of a round's entries so many are kept, the most pressing first."""


class Outcome(StrEnum):
    """What became of a thing. In order of how much it matters to an operator."""

    FAILED = "failed"
    """It was to be deleted, and that did not work."""
    MISSING = "missing"
    """A server runs whose VM is gone."""
    DELETED = "deleted"
    DELETING = "deleting"
    """The provider has begun to delete it."""
    REPORTED = "reported"
    """It would be deleted if the sweep were set to delete."""
    WAITING = "waiting"
    """An orphan in the grace period or over the cap."""
    FOREIGN = "foreign"


class SweepEntry(Model):
    """One thing of a round. What has a living server is not listed."""

    outcome: Outcome
    what: str
    reference: str
    server_id: str
    sentence: str


class SweepRound(Model):
    """A round that is over."""

    at: AwareDatetime
    mode: SweepMode
    summary: str
    problem: str | None = None
    """Why nothing could be looked at; then there are no entries."""
    entries: tuple[SweepEntry, ...] = ()
    failed: tuple[str, ...] = ()
    """`Owned.key` of what it or a round before could not delete and is still over the cap, the latest tried last."""


def round_of(
    at: AwareDatetime,
    mode: SweepMode,
    plan: SweepPlan,
    deletions: Mapping[str, bool | str],
    missing: Iterable[SweepEntry] = (),
    failed_before: Sequence[str] = (),
) -> SweepRound:
    """The round of this plan. `deletions`: `Owned.key` of what was to be deleted -> whether it is gone already, or the
    problem that it met. `failed_before`: `failed` of the round before."""
    waiting = {verdict.owned.key for verdict in plan.kept if verdict.reason is Reason.CAP}
    failed = [key for key in failed_before if key in waiting]
    failed += [key for key, result in deletions.items() if isinstance(result, str)]
    entries = [_deleted(verdict, deletions[verdict.owned.key]) for verdict in plan.delete]
    entries += missing
    entries += [_kept(verdict) for verdict in plan.kept if verdict.reason is not Reason.LIVE]
    order = list(Outcome)
    entries.sort(key=lambda entry: order.index(entry.outcome))
    listed = tuple(entries[:MOST_ENTRIES])
    return SweepRound(at=at, mode=mode, summary=_summary(plan, entries), entries=listed, failed=tuple(failed))


def missing_machine(server_id: str, hostname: str, reference: str, since: AwareDatetime) -> SweepEntry:
    """A server that runs, although the provider said in two rounds that there is no such VM."""
    return SweepEntry(
        outcome=Outcome.MISSING,
        what="VM",
        reference=reference,
        server_id=server_id,
        sentence=f"Server {server_id} ({hostname}) counts as running, but its VM {reference} does not exist: the "
        f"provider has said so since {moment(since)}. Look at it, then `poolwright server delete {server_id}`.",
    )


def _deleted(verdict: Verdict, result: bool | str) -> SweepEntry:
    if isinstance(result, str):
        sentence = f"{verdict.owned.described()} could not be deleted: {result}"
        return _entry(verdict.owned, Outcome.FAILED, sentence)
    if not result:
        sentence = f"{verdict.owned.described()} is being deleted: the provider has begun."
        return _entry(verdict.owned, Outcome.DELETING, sentence)
    return _entry(verdict.owned, Outcome.DELETED, verdict.sentence)


def _kept(verdict: Verdict) -> SweepEntry:
    outcomes = {Reason.REPORT_ONLY: Outcome.REPORTED, Reason.FOREIGN: Outcome.FOREIGN}
    return _entry(verdict.owned, outcomes.get(verdict.reason, Outcome.WAITING), verdict.sentence)


def _entry(owned: Owned, outcome: Outcome, sentence: str) -> SweepEntry:
    return SweepEntry(
        outcome=outcome,
        what=owned.what,
        reference=owned.reference,
        server_id=owned.mark.server_id,
        sentence=sentence,
    )


def _summary(plan: SweepPlan, entries: list[SweepEntry]) -> str:
    words = {
        Outcome.DELETED: "deleted",
        Outcome.DELETING: "being deleted",
        Outcome.FAILED: "could not be deleted",
        Outcome.MISSING: "missing at the provider",
    }
    counts = {outcome: sum(entry.outcome is outcome for entry in entries) for outcome in words}
    parts = [plan.summary(), *(f"{count:,} {words[outcome]}" for outcome, count in counts.items() if count)]
    if len(entries) > MOST_ENTRIES:
        parts.append(f"only {MOST_ENTRIES:,} of {len(entries):,} are listed")
    return "; ".join(parts)
