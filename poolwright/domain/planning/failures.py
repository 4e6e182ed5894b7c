"""The failure budget: when servers fail one after the other, creation pauses instead of burning through more of them.

Failures count from the last success, from the end of the last pause, and within the window before the newest one,
whichever is latest: what fails during a pause belongs to the episode that began it. When the budget is used up,
creation pauses; each further pause without a success in between is twice as long. After a pause, until a server
succeeds, creation is on trial: no more servers than the budget are on their way at once. A success forgives everything
before it, also a pause that is under way. A server succeeds at the moment at which it became ready, and is known as a
success once it has run for a while: servers that say they are ready and fail then would be made without end otherwise.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from poolwright.domain.autoscale import FailurePolicy
from poolwright.domain.scaling import FailureRecord
from poolwright.domain.wording import counted, duration, moment


@dataclass(frozen=True, slots=True)
class FailureVerdict:
    """What the failures so far allow."""

    record: FailureRecord
    """To store: a pause may have begun or been forgiven."""
    recent: int
    """Failures that count against the budget now."""
    paused_until: datetime | None
    """Not None: no creation before this moment."""
    on_trial: bool
    """A pause is over and no server has succeeded since."""
    reason: str | None
    """Sentence for a pause or a trial."""


def judge_failures(record: FailureRecord, policy: FailurePolicy, now: datetime) -> FailureVerdict:
    """Whether creation may go on. The same record and policy give the same pause, however late they are judged."""
    record = _forgiven(record, policy)
    newest = record.failed_at[-1] if record.failed_at else None
    recent = _recent(record, policy)
    if newest is not None and recent >= policy.budget:
        length = min(
            policy.pause_seconds * 2 ** min(record.pauses, 30), max(policy.pause_seconds, policy.max_pause_seconds)
        )
        record = record.model_copy(
            update={"pauses": record.pauses + 1, "paused_until": newest + timedelta(seconds=length)}
        )
        recent = _recent(record, policy)
    if record.paused_until is not None and now < record.paused_until:
        return FailureVerdict(record, recent, record.paused_until, False, _pause_text(record, record.paused_until))
    return FailureVerdict(
        record, recent, None, record.pauses > 0, _trial_text(record, policy) if record.pauses else None
    )


def _forgiven(record: FailureRecord, policy: FailurePolicy) -> FailureRecord:
    """Without what was before the last success, which may be known only after further failures."""
    success = record.last_success_at
    if success is None:
        return record
    since = sum(failed_at > success for failed_at in record.failed_at)
    if since == 0:
        return FailureRecord(last_success_at=success)
    forgiven: dict[str, object] = {"failed_at": record.failed_at[-since:], "reasons": record.reasons[-since:]}
    # Too few have failed since to begin a pause: it was for others before.
    if since < policy.budget or (record.paused_until is not None and record.paused_until <= success):
        forgiven |= {"pauses": 0, "paused_until": None}
    return record.model_copy(update=forgiven)


def _recent(record: FailureRecord, policy: FailurePolicy) -> int:
    """Counted back from the newest failure rather than from now, so that a late look sees the same."""
    if not record.failed_at:
        return 0
    after = record.failed_at[-1] - timedelta(seconds=policy.window_seconds)
    for other in (record.last_success_at, record.paused_until):
        if other is not None and other > after:
            after = other
    return sum(failed_at > after for failed_at in record.failed_at)


def _pause_text(record: FailureRecord, until: datetime) -> str:
    since = f" in a row, the last at {moment(record.failed_at[-1])}" if record.failed_at else ""
    doubled = f" This is pause {record.pauses} without a success in between." if record.pauses > 1 else ""
    return (
        f"Creation is paused until {moment(until)}, after {counted(len(record.failed_at), 'failure')}{since}."
        f"{_last_failure(record)}{doubled}"
    )


def _trial_text(record: FailureRecord, policy: FailurePolicy) -> str:
    return (
        f"After {counted(record.pauses, 'pause')} for failures, no more than {policy.budget} may be on the way at once "
        f"until one {_success_text(policy)}.{_last_failure(record)}"
    )


def _success_text(policy: FailurePolicy) -> str:
    seconds = policy.success_after_seconds
    return f"has run for {duration(seconds)}" if seconds else "becomes ready"


def _last_failure(record: FailureRecord) -> str:
    return f" The last failure was: {record.reasons[-1].rstrip('.')}." if record.reasons else ""
