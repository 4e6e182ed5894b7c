"""Which of the things that bear our mark have lost their server, and which of those may be deleted now.

One rule for VMs, computer records and DNS records alike. The caller lists what exists at the provider first and reads
the living servers afterwards: the other way round, whatever is made in between would look like an orphan.
"""

from collections.abc import Container, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from poolwright.domain.base import Model
from poolwright.domain.identities import OwnerMark
from poolwright.domain.resources import SweepMode, SweepSettings
from poolwright.domain.wording import counted, duration, moment


class Owned(Model):
    """One thing at a provider that bears an owner mark."""

    what: str
    """What it is, as a sentence names it: `VM`, `computer record`, `DNS record`."""
    reference: str
    """What its deletion takes, in the provider's words."""
    name: str | None = None
    """How people know it, where the reference tells them nothing."""
    mark: OwnerMark
    first_seen_at: AwareDatetime
    """When a sweep first saw it without a living server (`SweepPlan.first_seen` of the round before tells), or now.

    A caller that remembers nothing gives the time at which the thing was made. That is less careful: after a restore
    from an old backup, all that was made since would be an orphan of great age at once.
    """

    @property
    def key(self) -> str:
        """Tells it from everything else."""
        return f"{self.what}/{self.mark.text()}/{self.reference}"

    def described(self) -> str:
        """What it is and whose it was: the beginning of a sentence."""
        return f"The {self.what} {self.name or self.reference} of server {self.mark.server_id}"

    def remembered(self, first_seen: Mapping[str, datetime]) -> "Owned":
        """The same thing, first seen when an earlier round saw it first; `first_seen` is that round's."""
        return self.model_copy(update={"first_seen_at": first_seen.get(self.key, self.first_seen_at)})


class Reason(StrEnum):
    """Why a thing is deleted or kept."""

    ORPHAN = "orphan"
    """Deleted: nothing speaks for it any more."""
    LIVE = "live"
    GRACE = "grace"
    CAP = "cap"
    REPORT_ONLY = "report_only"
    FOREIGN = "foreign"
    """The mark is another controller's: a listing should never have had it."""


class Verdict(Model):
    """What becomes of one thing."""

    owned: Owned
    reason: Reason
    sentence: str


class SweepPlan(Model):
    """What one round does. Each thing that was found is in one of the two."""

    delete: tuple[Verdict, ...]
    """The longest orphaned first; after these, what rounds before could not delete."""
    kept: tuple[Verdict, ...]

    def first_seen(self) -> Mapping[str, datetime]:
        """`Owned.key` of each orphan -> when it was first seen as one: to be remembered until the next round."""
        orphans = [verdict for verdict in self.kept if verdict.reason not in (Reason.LIVE, Reason.FOREIGN)]
        return {verdict.owned.key: verdict.owned.first_seen_at for verdict in (*self.delete, *orphans)}

    def limited_to(self, keys: Container[str]) -> "SweepPlan":
        """The same plan, but deleting only these (`Owned.key`): what a round that was cut short had begun to delete."""
        wanted = tuple(verdict for verdict in self.delete if verdict.owned.key in keys)
        other = (verdict.owned for verdict in self.delete if verdict.owned.key not in keys)
        return SweepPlan(delete=wanted, kept=(*self.kept, *map(_not_in_this_round, other)))

    def summary(self) -> str:
        """One line on the round."""
        because = {
            Reason.REPORT_ONLY: "would be deleted",
            Reason.GRACE: "in the grace period",
            Reason.CAP: "over the cap",
            Reason.LIVE: "with a living server",
            Reason.FOREIGN: "of another controller",
        }
        counts = {reason: sum(verdict.reason is reason for verdict in self.kept) for reason in because}
        kept = [f"{count:,} {because[reason]}" for reason, count in counts.items() if count]
        return ", ".join([counted(len(self.delete), "orphan") + " to delete", *kept])


def orphans(
    found: Iterable[Owned],
    live_server_ids: Set[str],
    controller_id: str,
    settings: SweepSettings,
    now: datetime,
    failed: Sequence[str] = (),
) -> SweepPlan:
    """Sort what was found into what to delete and what to keep, with a sentence for each.

    Deleted is only what bears this controller's mark for a server that does not live, has been seen so for the grace
    period, and is within the cap; the longest orphaned goes first. In report mode nothing is. `live_server_ids` are all
    servers that are not `deleted`. `failed` (`Owned.key`): what rounds before could not delete; it goes last, in this
    order.
    """
    # Of two entries for one thing the later counts, whatever their order.
    things = sorted({one.key: one for one in sorted(found, key=_age)}.values(), key=_age)
    spared = {one.key: _spared(one, live_server_ids, controller_id, settings, now) for one in things}
    kept = [verdict for verdict in spared.values() if verdict is not None]
    # As many as the cap that can never be deleted would keep all others for ever.
    turns = {key: turn for turn, key in enumerate(failed)}
    due = sorted((one for one in things if spared[one.key] is None), key=lambda one: turns.get(one.key, -1))
    kept += [_over_the_cap(one, settings) for one in due[settings.cap :]]
    if settings.mode is SweepMode.REPORT:
        return SweepPlan(delete=(), kept=(*kept, *(_reported(one) for one in due[: settings.cap])))
    return SweepPlan(delete=tuple(_deleted(one, settings) for one in due[: settings.cap]), kept=tuple(kept))


def _age(one: Owned) -> tuple[datetime, str]:
    return one.first_seen_at, one.key


def _spared(
    one: Owned, live_server_ids: Set[str], controller_id: str, settings: SweepSettings, now: datetime
) -> Verdict | None:
    """Why it must not be deleted, however many others are."""
    if one.mark.controller_id != controller_id:
        sentence = f"{one.described()} is left alone: controller {one.mark.controller_id} owns it, not this one."
        return Verdict(owned=one, reason=Reason.FOREIGN, sentence=sentence)
    if one.mark.server_id in live_server_ids:
        sentence = f"{one.described()} stays: server {one.mark.server_id} lives."
        return Verdict(owned=one, reason=Reason.LIVE, sentence=sentence)
    due_at = one.first_seen_at + timedelta(seconds=settings.grace_seconds)
    if due_at > now:
        sentence = (
            f"{_orphan(one)}; the grace period of {duration(settings.grace_seconds)} keeps it until {moment(due_at)}."
        )
        return Verdict(owned=one, reason=Reason.GRACE, sentence=sentence)
    return None


def _over_the_cap(one: Owned, settings: SweepSettings) -> Verdict:
    sentence = f"{_orphan(one)}; it has to wait, since one round deletes at most {settings.cap:,}."
    return Verdict(owned=one, reason=Reason.CAP, sentence=sentence)


def _not_in_this_round(one: Owned) -> Verdict:
    sentence = f"{_orphan(one)}; it has to wait for the next round, since this one had begun without it."
    return Verdict(owned=one, reason=Reason.CAP, sentence=sentence)


def _reported(one: Owned) -> Verdict:
    sentence = f"{_orphan(one)}; it would be deleted, but this sweep only reports: set its mode to `delete`."
    return Verdict(owned=one, reason=Reason.REPORT_ONLY, sentence=sentence)


def _deleted(one: Owned, settings: SweepSettings) -> Verdict:
    sentence = f"{_orphan(one)}, longer than the grace period of {duration(settings.grace_seconds)}: it is deleted."
    return Verdict(owned=one, reason=Reason.ORPHAN, sentence=sentence)


def _orphan(one: Owned) -> str:
    return f"{one.described()} has had no living server since {moment(one.first_seen_at)}"
