"""Writing and removing what is ours at one name, each in one batch that carries its conditions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from poolwright.dns.claims import ATTEMPTS
from poolwright.dns.errors import Transient
from poolwright.dns.route53.record_sets import (
    Change,
    RecordSet,
    Standing,
    changes,
    mark_set,
    same,
)
from poolwright.dns.route53.zones import HostedZone, HostedZones
from poolwright.domain.identities import OwnerMark


class Taken(Exception):
    """The name is somebody else's. Nothing of theirs was touched."""

    def __init__(self, marks: Sequence[OwnerMark]) -> None:
        super().__init__(f"taken by {', '.join(mark.text() for mark in marks) or 'records without a mark'}")
        self.marks = marks


@dataclass(frozen=True)
class Claim:
    """What a name is to have under a mark."""

    zone: HostedZone
    name: str
    mark: OwnerMark
    kinds: tuple[str, ...]
    """The types of record that the mark claims here, whether wanted or not."""
    wanted: Sequence[RecordSet]
    ttl_seconds: int
    may_replace: Callable[[OwnerMark], bool]
    """Whether records with this other mark are ours to take over."""

    @property
    def mark_set(self) -> RecordSet:
        """The owner mark as it is to be."""
        return mark_set(self.name, self.mark, self.ttl_seconds)

    @property
    def new(self) -> Sequence[RecordSet]:
        """All that is written where nothing is."""
        return [*self.wanted, self.mark_set]


class Claims:
    """What is done to names of all zones."""

    def __init__(self, zones: HostedZones) -> None:
        self._zones = zones

    def put(self, claim: Claim, before_rewriting: Callable[[Standing], None] | None = None) -> None:
        """Let the name have what the claim says. Raises `Taken`, and `Transient` when it changes all the time.

        `before_rewriting` is told what of ours is there, before any of it goes.
        """
        refusal: str | None = None
        for _ in range(ATTEMPTS):
            standing = self._zones.look(claim.zone, claim.name)
            batch = self._writing(claim, standing, before_rewriting)
            refusal = self._zones.change(claim.zone, claim.name, batch) if batch else None
            if refusal is None:
                if standing.free:
                    self._take_back_if_second(claim)
                return
        raise _refused(claim.name, refusal)

    def remove(
        self,
        zone: HostedZone,
        name: str,
        mark: OwnerMark,
        removable: Callable[[Standing], Iterable[RecordSet]],
    ) -> Standing:
        """Remove this mark from the name, and the records that `removable` picks if it is the last mark there. Returns
        what was there."""
        refusal: str | None = None
        for _ in range(ATTEMPTS):
            standing = self._zones.look(zone, name)
            if mark not in standing.marks:
                return standing
            ours = [*removable(standing)] if standing.held_by(mark) else []
            batch = changes([*ours, *standing.at_owner_texts], standing.texts_without(mark))
            refusal = self._zones.change(zone, name, batch)
            if refusal is None:
                return standing
        raise _refused(name, refusal)

    def _writing(
        self, claim: Claim, standing: Standing, before_rewriting: Callable[[Standing], None] | None
    ) -> Sequence[Change]:
        """The changes to come from what stands there to what the claim says. Raises `Taken`."""
        if standing.free:
            return changes((), claim.new)
        holders = standing.marks
        if len(holders) != 1 or not (holders[0] == claim.mark or claim.may_replace(holders[0])) or standing.is_alias:
            raise Taken([one for one in holders if one != claim.mark])
        if before_rewriting is not None:
            before_rewriting(standing)
        before = [*standing.of_kinds(claim.kinds), *standing.at_owner_texts]
        after = [*claim.wanted, *standing.texts_with(claim.mark_set, instead_of=holders[0])]
        return [] if same(before, after) else changes(before, after)

    def _take_back_if_second(self, claim: Claim) -> None:
        """Look once more: no condition of a batch says that a name has no records of other types."""
        standing = self._zones.look(claim.zone, claim.name)
        ours = {one["Type"] for one in claim.wanted}
        if all(one["Type"] in ours for one in standing.at_name):
            return
        refusal = self._zones.change(claim.zone, claim.name, changes(claim.new, ()))
        if refusal is not None:
            raise _refused(claim.name, refusal)
        raise Taken(standing.strangers(claim.mark))


def _refused(name: str, refusal: str | None) -> Transient:
    return Transient(
        f"Route 53 refused to change the records of {name}, after a fresh look each time: {refusal}; "
        "as a rule they keep changing, so ask again"
    )
