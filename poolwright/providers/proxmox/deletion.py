"""Removing a VM and all of its disks: say so in its tags, stop it, destroy it, and prove that it is gone."""

import re
from collections.abc import Sequence
from typing import Final

from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.errors import Conflict, Transient
from poolwright.providers.proxmox import requests
from poolwright.providers.proxmox.cluster import Cluster
from poolwright.providers.proxmox.creation import templates
from poolwright.providers.proxmox.listing import Listing, Row
from poolwright.vendors.faults import Fault
from poolwright.vendors.proxmox import Refused, task_in

_STILL_RUNNING: Final = re.compile(r"is running", re.IGNORECASE)
_PROTECTED: Final = re.compile(r"protection mode", re.IGNORECASE)
_BEING_DESTROYED: Final = "destroyed"
_EVERYTHING: Final = {"purge": 1, "destroy-unreferenced-disks": 1}
"""Disks that its configuration does not name, and its traces in backup jobs, replication and high availability."""

_OF_OURS: Final = "run `qm unlock {number}` there as root, and it is deleted"
_OF_NOBODY: Final = (
    "it does not say yet whose it was, and may be this server's: if it is nobody else's, run "
    "`qm destroy {number} --skiplock 1 --purge 1 --destroy-unreferenced-disks 1` there as root"
)


class Deletion:
    """Removes the VMs of one cluster. Instances may be shared by threads. Raises `Refused` and errors of the tree."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._tasks: dict[int, str] = {}

    def take_down(self, mark: OwnerMark, number: int | None) -> bool:
        """The next step. True: proven gone. `number`: that of its reference, if that is known."""
        listing = self._cluster.listing()
        row, unsettled = self._look_for(listing, mark, number)
        if row is not None:
            self._remove(listing, row, mark)
            return False
        if unsettled is not None:
            self._refuse_a_dead_clone(listing, unsettled, _OF_NOBODY.format(number=unsettled.number))
            return False
        return self._is_proven(listing, number)

    def _look_for(self, listing: Listing, mark: OwnerMark, number: int | None) -> tuple[Row | None, Row | None]:
        """The VM with this mark; otherwise one that may be it and does not say yet whose it is."""
        tagged = listing.tagged(mark)
        if tagged is not None:
            return tagged, None
        unsettled = None
        for row in self._candidates(listing, mark, number):
            owner = self._cluster.owner(row)
            if owner == mark:
                return row, None
            if owner is None and row.is_coming_or_going:
                unsettled = row
        return None, unsettled

    def _candidates(self, listing: Listing, mark: OwnerMark, number: int | None) -> Sequence[Row]:
        """VMs without tags that may be the one with this mark."""
        name = machine_name(mark.server_id)
        if number is not None:
            rows = [listing.at(number), *listing.named(name)]
            return [row for row in rows if row is not None and row.tagged is None]
        # A clone has no name of its own for some seconds.
        return [
            row
            for row in listing.untagged(self._cluster.numbers)
            if row.name == name or not row.name.startswith(machine_name(""))
        ]

    def _remove(self, listing: Listing, row: Row, mark: OwnerMark) -> None:
        if not listing.is_online(row.node):
            raise Transient(f"VM {row.number} is on node {row.node}, which is offline; it is deleted when that is back")
        self._tell_of_failure(row)
        if row.lock and not row.is_hibernated:
            self._tell_of_lock(listing, row)
            return
        try:
            # A hibernated VM takes no tags, but can be destroyed as it is.
            if row.is_being_deleted or row.is_hibernated:
                self._tasks[row.number] = task_in(self._cluster.api.delete(row.path, _EVERYTHING))
                return
            self._cluster.api.put(f"{row.path}/config", requests.tags_while_deleting(mark, row.number))
            self._stop(row)
        except Refused as refused:
            self._take_refusal(row, refused)

    def _take_refusal(self, row: Row, refused: Refused) -> None:
        """Go on later, where that is enough."""
        said = str(refused)
        if refused.fault is Fault.MISSING:
            return
        if _PROTECTED.search(said):
            raise Conflict(
                f"VM {row.number} is protected from deletion; take the protection out of its options if it is to go"
            ) from None
        if refused.fault is not Fault.CONFLICT:
            raise refused
        if _STILL_RUNNING.search(said):
            self._stop(row)

    def _stop(self, row: Row) -> None:
        # At once rather than politely: nobody is on it, and the guest may be hanging.
        try:
            self._cluster.api.post(f"{row.path}/status/stop")
        except Refused as refused:
            if refused.fault is not Fault.CONFLICT:
                raise

    def _tell_of_failure(self, row: Row) -> None:
        """Raises `Transient` when the destruction that this process asked for failed; the next call asks again."""
        task = self._tasks.get(row.number)
        problem = self._cluster.end_of(task) if task else None
        if problem is not None:
            self._tasks.pop(row.number, None)
        if problem:
            raise Transient(f"destroying VM {row.number} failed: {problem}; it is tried again")

    def _tell_of_lock(self, listing: Listing, row: Row) -> None:
        """Raises `Conflict` for a lock that is waited for. Whatever holds it may have died with its node, which nothing
        tells of, and then only root may break it."""
        if row.lock == "clone":
            self._refuse_a_dead_clone(listing, row, _OF_OURS.format(number=row.number))
        elif row.lock != _BEING_DESTROYED:
            raise Conflict(
                f"VM {row.number} on node {row.node} is locked ({row.lock}), and is deleted once that has ended; if "
                f"nothing of the kind runs there any more, run `qm unlock {row.number}` on that node as root"
            )

    def _refuse_a_dead_clone(self, listing: Listing, row: Row, way_out: str) -> None:
        if sum(self._cluster.clones_under_way(template) for template in templates(self._cluster, listing)):
            return
        # It may have ended since the list was made.
        now = self._cluster.listing().at(row.number)
        if now is not None and now.lock == "clone":
            raise Conflict(f"VM {row.number} on node {row.node} is locked by a clone that no longer runs; {way_out}")

    def _is_proven(self, listing: Listing, number: int | None) -> bool:
        if number is None:
            self._cluster.prove_that_all_is_seen()
        elif listing.at(number) is None:
            self._cluster.prove_free(number)
        if number is not None and self._tasks.pop(number, ""):
            # This process has destroyed it.
            return True
        under_way = sum(self._cluster.clones_under_way(template) for template in templates(self._cluster, listing))
        # A clone that waits for its template's lock has no configuration yet.
        return under_way <= listing.copies_under_way()
