"""What Compute Engine shows of an instance or of its creation -> the VM."""

from typing import Final

from google.cloud import compute_v1

from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VM, VMState
from poolwright.providers.gcp.errors import failure_of
from poolwright.providers.gcp.names import REQUEST_LABEL, UNLABELLED, Reference, mark_in, mark_of_name
from poolwright.providers.gcp.settings import Place, Settings
from poolwright.vendors.faults import Fault

_STATES: Final = {
    "RUNNING": VMState.RUNNING,
    "PENDING_STOP": VMState.RUNNING,
    "STOPPING": VMState.DELETING,
    "DEPROVISIONING": VMState.DELETING,
    "STOPPED": VMState.STOPPED,
    "SUSPENDING": VMState.STOPPED,
    "SUSPENDED": VMState.STOPPED,
    "TERMINATED": VMState.STOPPED,
}
"""Anything else is on its way to run. An instance that is deleted says no more than that it stops."""
_TAKEN_BACK: Final = "Google takes this spot VM back"
_PREEMPTION: Final = "compute.instances.preempted"


def vm_of(instance: compute_v1.Instance, settings: Settings, controller_id: str) -> VM | None:
    """The VM, if it is this controller's."""
    mark = mark_in(instance.labels)
    if mark is None or mark.controller_id != controller_id:
        return None
    state = _state(instance)
    taken_back = state is VMState.STOPPED and _is_spot(instance)
    address, private_address = _addresses(instance)
    return VM(
        reference=_reference(instance).text(),
        mark=mark,
        state=VMState.BROKEN if taken_back else state,
        address=address,
        private_address=private_address,
        place=_place(instance, settings),
        problem=f"it was stopped ({instance.status.lower()}), as Google does with spot VMs that it takes back"
        if taken_back
        else None,
        interruption=_interruption(instance),
    )


def vm_of_creation(operation: compute_v1.Operation, reference: Reference, controller_id: str) -> VM | None:
    """The VM whose instance does not show, by the operation that makes it; None where one was made and is gone."""
    mark = mark_of_name(reference.name, controller_id)
    failure = failure_of(operation)
    if failure:
        reason = f" ({failure.reason})" if failure.reason else ""
        problem = f"its creation failed: {failure.message}{reason}"
        lacks_room = failure.fault in (Fault.CAPACITY, Fault.QUOTA)
        return VM(reference=reference.text(), mark=mark, state=VMState.BROKEN, problem=problem, lacks_room=lacks_room)
    return None if is_done(operation) else VM(reference=reference.text(), mark=mark, state=VMState.PENDING)


def accepted(request: compute_v1.InsertInstanceRequest, mark: OwnerMark, place: Place) -> VM:
    """The VM whose creation was accepted just now."""
    reference = Reference(request.zone, request.instance_resource.name, request.request_id)
    return VM(reference=reference.text(), mark=mark, state=VMState.PENDING, place=place.text())


def is_done(operation: compute_v1.Operation) -> bool:
    """Whether it has ended, well or not."""
    return operation.status == compute_v1.Operation.Status.DONE


def was_taken_back(operation: compute_v1.Operation) -> bool:
    """Whether this is Google taking back a spot VM."""
    return operation.operation_type == _PREEMPTION


def _reference(instance: compute_v1.Instance) -> Reference:
    # Somebody may have taken the label away; the instance still has to be found and deleted.
    return Reference(_zone(instance), instance.name, instance.labels.get(REQUEST_LABEL) or UNLABELLED)


def _zone(instance: compute_v1.Instance) -> str:
    return instance.zone.rpartition("/")[2]


def _state(instance: compute_v1.Instance) -> VMState:
    state = _STATES.get(instance.status, VMState.PENDING)
    target = instance.resource_status.shutdown_details.target_state
    if state is VMState.DELETING and target == "STOPPED":
        return VMState.STOPPED
    return VMState.DELETING if target == "DELETED" and not _is_spot(instance) else state


def _interruption(instance: compute_v1.Instance) -> str | None:
    if _is_spot(instance) and instance.status in ("PENDING_STOP", "STOPPING"):
        return _TAKEN_BACK
    maintained = instance.resource_status.upcoming_maintenance.maintenance_status == "ONGOING"
    if maintained and instance.scheduling.on_host_maintenance == "TERMINATE":
        return "Google maintains its host, and ends the VM for that"
    return None


def _is_spot(instance: compute_v1.Instance) -> bool:
    return bool(instance.scheduling.provisioning_model == "SPOT" or instance.scheduling.preemptible)


def _addresses(instance: compute_v1.Instance) -> tuple[str | None, str | None]:
    if not instance.network_interfaces:
        return None, None
    interface = instance.network_interfaces[0]
    private = interface.network_i_p or interface.ipv6_address or None
    if not interface.access_configs:
        return private, private
    return interface.access_configs[0].nat_i_p or None, private


def _place(instance: compute_v1.Instance, settings: Settings) -> str:
    machine_type = instance.machine_type.rpartition("/")[2]
    # An override may name another machine type: the place is then still the one that was asked for.
    known = machine_type if machine_type in settings.machine_types else settings.machine_types[0]
    return Place(_zone(instance), known).text()
