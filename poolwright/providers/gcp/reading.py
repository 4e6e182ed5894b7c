"""What exists of this controller's: read together where many ask at once."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from google.cloud import compute_v1

from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.base import VM, VMState
from poolwright.providers.errors import NotFound
from poolwright.providers.gcp.compute import Compute
from poolwright.providers.gcp.names import UNLABELLED, Reference, can_be_marked, mark_in
from poolwright.providers.gcp.settings import Settings
from poolwright.providers.gcp.sightings import vm_of, vm_of_creation, was_taken_back
from poolwright.vendors.shared_read import SharedRead
from poolwright.vendors.shared_wait import SharedWait

Found = TypeVar("Found")


class Reading:
    """One controller's VMs and disks in one project. Threads may share it."""

    def __init__(
        self,
        compute: Compute,
        settings: Settings,
        controller_id: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds."""
        self._compute = compute
        self._settings = settings
        self._controller_id = controller_id
        self._references = SharedRead[str, VM](self.look_up, self._look_up_many)
        self._awaited = SharedWait[str, VM](
            self.look_up, self._look_up_many, is_awaited=lambda vm: vm.state is VMState.PENDING, clock=clock
        )
        self._vms_of_servers = SharedRead[str, tuple[VM, ...]](
            lambda server_id: tuple(self._vms(compute.instances(controller_id, server_id))),
            lambda server_ids: _by_server(server_ids, self.owned(), lambda vm: vm.mark),
        )
        self._disks_of_servers = SharedRead[str, tuple[compute_v1.Disk, ...]](
            lambda server_id: tuple(compute.disks(controller_id, server_id)),
            lambda server_ids: _by_server(server_ids, compute.disks(controller_id), lambda disk: mark_in(disk.labels)),
        )

    def owned(self) -> Sequence[VM]:
        """All VMs of this controller."""
        return self._vms(self._compute.instances(self._controller_id))

    def vm(self, reference: str, *, waiting: bool = False) -> VM | None:
        """The VM with this reference, made or in the making; `BROKEN` when its creation failed. `waiting`: as it was
        at most two seconds ago."""
        return (self._awaited if waiting else self._references).read(reference)

    def told_of(self, vm: VM) -> None:
        """Say what the answer to its creation tells of a VM."""
        self._awaited.tell(vm.reference, vm)

    def vms_of(self, mark: OwnerMark) -> Sequence[VM]:
        """The VMs that bear this mark, as lists show them."""
        return self._vms_of_servers.read(mark.server_id) or ()

    def disks_of(self, mark: OwnerMark) -> Sequence[compute_v1.Disk]:
        """The disks that bear this mark, as lists show them."""
        return self._disks_of_servers.read(mark.server_id) or ()

    def look_up(self, text: str) -> VM | None:
        """As `vm`, asked for itself: lists, which may lag behind, play no part."""
        reference = Reference.parse(text)
        if reference is None:
            return None
        instance = self._compute.instance(reference.zone, reference.name)
        if instance is None:
            return self._in_the_making(reference)
        vm = vm_of(instance, self._settings, self._controller_id)
        if vm and vm.reference == reference._replace(request=UNLABELLED).text():
            return vm.model_copy(update={"reference": text})
        return vm if vm and vm.reference == text else None

    def look_up_by_name(self, mark: OwnerMark) -> Sequence[VM]:
        """The VMs that bear this mark, made or in the making, in the zones of the settings; as `look_up`."""
        if not can_be_marked(mark):
            return []
        name = machine_name(mark.server_id)
        found: list[VM] = []
        for zone in self._settings.zones:
            instance = self._compute.instance(zone, name)
            if instance is not None:
                found += self._vms([instance])
                continue
            for operation in self._compute.operations_on(zone, name):
                vm = vm_of_creation(
                    operation, Reference(zone, name, operation.client_operation_id), self._controller_id
                )
                if operation.operation_type == "insert" and vm and vm.state is VMState.PENDING:
                    found.append(vm)
        return found

    def _in_the_making(self, reference: Reference) -> VM | None:
        operations = self._compute.operations_on(reference.zone, reference.name)
        for operation in operations:
            if operation.operation_type == "insert" and operation.client_operation_id == reference.request:
                vm = vm_of_creation(operation, reference, self._controller_id)
                if vm is None and any(map(was_taken_back, operations)):
                    raise NotFound(f"{reference.text()} does not exist any more: Google took this spot VM back")
                return vm
        return None

    def _look_up_many(self, texts: frozenset[str]) -> Mapping[str, VM]:
        found = {vm.reference: vm for vm in self.owned()}
        missing = [reference for text in texts - found.keys() if (reference := Reference.parse(text))]
        if len(missing) < 2:
            return found
        # Creations that Google has accepted and does not show yet: one call for each zone, not two for each of them.
        for zone in {reference.zone for reference in missing}:
            begun = {operation.client_operation_id: operation for operation in self._compute.creations_under_way(zone)}
            for reference in missing:
                operation = begun.get(reference.request)
                vm = vm_of_creation(operation, reference, self._controller_id) if operation else None
                if vm:
                    found[reference.text()] = vm
        return found

    def _vms(self, instances: Iterable[compute_v1.Instance]) -> list[VM]:
        vms = (vm_of(instance, self._settings, self._controller_id) for instance in instances)
        return [vm for vm in vms if vm]


def _by_server(
    server_ids: Iterable[str], things: Iterable[Found], mark_of: Callable[[Found], OwnerMark | None]
) -> Mapping[str, tuple[Found, ...]]:
    # A server of which the list shows nothing has nothing: it need not be asked for again.
    found: dict[str, tuple[Found, ...]] = dict.fromkeys(server_ids, ())
    for thing in things:
        mark = mark_of(thing)
        if mark:
            found[mark.server_id] = (*found.get(mark.server_id, ()), thing)
    return found
