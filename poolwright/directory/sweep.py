"""Computer records that outlived their servers: what the sweep's rule needs to know of them, and their deletion.

A round lists the records, reads the living servers after that, asks `poolwright.domain.sweep.orphans` what may go, and
hands its plan to `delete_orphans`.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from poolwright.directory.errors import DirectoryError
from poolwright.directory.records import OwnedComputer
from poolwright.domain.base import Model
from poolwright.domain.sweep import Owned, SweepPlan

if TYPE_CHECKING:
    from poolwright.directory.active_directory import ComputerDirectory

WHAT: Final = "computer record"


class NotDeleted(Model):
    """An orphan that was to go and is still there."""

    owned: Owned
    reason: str


class Swept(Model):
    """What became of a plan's orphans. Those that were gone already count as deleted."""

    deleted: tuple[Owned, ...]
    not_deleted: tuple[NotDeleted, ...]


def as_owned(computers: Iterable[OwnedComputer]) -> Sequence[Owned]:
    """The records as the sweep's rule takes them, first seen when they were made."""
    return [
        Owned(what=WHAT, reference=str(computer.object_guid), mark=computer.mark, first_seen_at=computer.created_at)
        for computer in computers
    ]


def delete_orphans(directory: "ComputerDirectory", plan: SweepPlan) -> Swept:
    """Delete the computer records that the plan says, with what is below them.

    Raises nothing of the directory's: one record that cannot be deleted does not keep the others.
    """
    deleted: list[Owned] = []
    not_deleted: list[NotDeleted] = []
    for owned in (verdict.owned for verdict in plan.delete if verdict.owned.what == WHAT):
        try:
            directory.delete(owned.mark, UUID(owned.reference), recursive=True)
        except DirectoryError as error:
            not_deleted.append(NotDeleted(owned=owned, reason=str(error)))
        else:
            deleted.append(owned)
    return Swept(deleted=tuple(deleted), not_deleted=tuple(not_deleted))
