"""Deleting a VM and what was made for it, until Google has proven that nothing is left."""

from collections.abc import Sequence
from typing import Final

from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VM, VMState
from poolwright.providers.errors import Conflict, NotFound
from poolwright.providers.gcp.compute import Compute
from poolwright.providers.gcp.names import Reference
from poolwright.providers.gcp.reading import Reading

_MOST_REMEMBERED: Final = 10_000


class Deletion:
    """Deletions in one project. Threads may share it."""

    def __init__(self, compute: Compute, reading: Reading) -> None:
        self._compute = compute
        self._reading = reading
        self._listed = set[str]()
        """VMs on their way out that lists have shown: a list without them is proof. Of any other VM a list may just not
        know yet. Forgetting this costs a call, no more."""

    def is_complete(self, mark: OwnerMark, reference: str | None) -> bool:
        """Ask for whatever is still to be deleted; whether nothing was."""
        vms = self._existing(mark, reference)
        for vm in vms:
            self._begin(vm)
        return not vms and self._is_without_disks(mark)

    def _existing(self, mark: OwnerMark, reference: str | None) -> Sequence[VM]:
        listed = self._reading.vms_of(mark)
        if listed:
            if len(self._listed) > _MOST_REMEMBERED:
                self._listed.clear()
            self._listed.update(vm.reference for vm in listed)
            return listed
        if reference is None:
            # Its creation may have been accepted a moment ago.
            return self._reading.look_up_by_name(mark)
        if reference in self._listed:
            self._listed.discard(reference)
            return ()
        try:
            vm = self._reading.look_up(reference)
        except NotFound:
            return ()
        return [vm] if vm and vm.mark == mark and not _was_never_made(vm) else ()

    def _begin(self, vm: VM) -> None:
        reference = Reference.parse(vm.reference)
        if reference is None or vm.state is VMState.DELETING or vm.place is None:
            return
        try:
            self._compute.delete_instance(reference.zone, reference.name)
        except NotFound:
            return
        except Conflict:
            # It is just being made or deleted; it is asked for again.
            return

    def _is_without_disks(self, mark: OwnerMark) -> bool:
        disks = self._reading.disks_of(mark)
        for disk in disks:
            if disk.status == "DELETING":
                continue
            try:
                self._compute.delete_disk(disk)
            except NotFound:
                continue
        return not disks


def _was_never_made(vm: VM) -> bool:
    return vm.state is VMState.BROKEN and vm.place is None
