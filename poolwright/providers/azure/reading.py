"""What Azure says of its resources -> the VM as the protocol has it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeGuard

from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.azure.marks import PLACE_TAG, mark_in_tags, mark_of_part
from poolwright.providers.base import VM, VMState
from poolwright.vendors.azure_faults import fault_of_code
from poolwright.vendors.faults import Fault

Resource = Mapping[str, Any]

_POWER_STATES: Final[Mapping[str, VMState]] = {
    "PowerState/stopped": VMState.STOPPED,
    "PowerState/stopping": VMState.STOPPED,
    "PowerState/deallocated": VMState.STOPPED,
    "PowerState/deallocating": VMState.STOPPED,
}
_FAILED: Final = "ProvisioningState/failed"
_EXTENSION_FAILED: Final = "VMExtension"


class Network(NamedTuple):
    """Network interfaces and public addresses by their ids in lower case."""

    interfaces: Mapping[str, Resource]
    public_addresses: Mapping[str, Resource]


NO_NETWORK: Final = Network({}, {})


class Remains(NamedTuple):
    """All that there is of one server."""

    vm: Resource | None = None
    interfaces: Sequence[Resource] = ()
    public_addresses: Sequence[Resource] = ()
    disks: Sequence[Resource] = ()

    def __bool__(self) -> bool:
        return any(self)


class Failure(NamedTuple):
    """Why Azure gave up on a VM."""

    code: str
    message: str


def state_of(vm: Resource) -> VMState:
    """The VM's state, as far as what was asked for tells: only the instance view knows that a VM is stopped."""
    provisioning = str(properties(vm).get("provisioningState", "")).lower()
    if provisioning == "deleting":
        return VMState.DELETING
    if provisioning in ("failed", "canceled"):
        failure = failure_of(vm)
        # A VM whose extension failed runs all the same, perhaps with people on it.
        if failure is None or not failure.code.startswith(_EXTENSION_FAILED):
            return VMState.BROKEN
    elif provisioning == "creating":
        return VMState.PENDING
    return next((_POWER_STATES[code] for code in _status_codes(vm) if code in _POWER_STATES), VMState.RUNNING)


def _is_for_want_of_room(failure: Failure) -> bool:
    return fault_of_code(failure.code, failure.message) in (Fault.CAPACITY, Fault.QUOTA)


def failure_of(vm: Resource) -> Failure | None:
    """Why Azure gave up on the VM; None without an instance view."""
    for status in (properties(vm).get("instanceView") or {}).get("statuses") or ():
        code = str(status.get("code", ""))
        if code.startswith(_FAILED):
            return Failure(code.rpartition("/")[2], str(status.get("message") or ""))
    return None


def vm_from(vm: Resource, mark: OwnerMark, network: Network, *, public: bool, has_places: bool) -> VM:
    """The VM; `public`: it is reached at its public address."""
    state = state_of(vm)
    private_address, public_address = _addresses(vm, network)
    failure = failure_of(vm)
    problem = None
    if state is VMState.BROKEN:
        problem = f"{failure.code}: {failure.message}".rstrip(": ") if failure else "Azure does not say why"
    return VM(
        reference=str(vm["name"]),
        mark=mark,
        state=state,
        address=public_address if public else private_address,
        private_address=private_address,
        place=(vm.get("tags") or {}).get(PLACE_TAG) if has_places else None,
        problem=problem,
        lacks_room=problem is not None and failure is not None and _is_for_want_of_room(failure),
        interruption=_interruption(vm, state),
    )


def network_of(interfaces: Iterable[Resource], public_addresses: Iterable[Resource]) -> Network:
    """The network by ids."""
    return Network(
        {str(one["id"]).lower(): one for one in interfaces}, {str(one["id"]).lower(): one for one in public_addresses}
    )


def interface_names(vm: Resource) -> list[str]:
    """Names of the VM's network interfaces, the primary first."""
    interfaces = (properties(vm).get("networkProfile") or {}).get("networkInterfaces") or ()
    ordered = sorted(interfaces, key=lambda one: not properties(one).get("primary", True))
    return [_name_of(one["id"]) for one in ordered]


def public_address_names(interface: Resource) -> list[str]:
    """Names of the interface's public addresses."""
    configurations = properties(interface).get("ipConfigurations") or ()
    held = [properties(one).get("publicIPAddress") for one in configurations]
    return [_name_of(one["id"]) for one in held if one]


def remains_by_mark(
    vms: Iterable[Resource],
    interfaces: Iterable[Resource],
    public_addresses: Iterable[Resource],
    disks: Iterable[Resource],
    controller_id: str,
) -> dict[OwnerMark, Remains]:
    """What there is of each server of this controller."""
    found: dict[OwnerMark, Remains] = {}

    def ours(mark: OwnerMark | None) -> TypeGuard[OwnerMark]:
        return mark is not None and mark.controller_id == controller_id

    for vm in vms:
        if ours(mark := mark_in_tags(vm)) and is_named(vm, mark):
            found[mark] = found.get(mark, Remains())._replace(vm=vm)
    for interface in interfaces:
        if ours(mark := mark_of_part(interface, controller_id)):
            known = found.get(mark, Remains())
            found[mark] = known._replace(interfaces=[*known.interfaces, interface])
    for address in public_addresses:
        if ours(mark := mark_of_part(address, controller_id)):
            known = found.get(mark, Remains())
            found[mark] = known._replace(public_addresses=[*known.public_addresses, address])
    for disk in disks:
        if ours(mark := mark_of_part(disk, controller_id)):
            known = found.get(mark, Remains())
            found[mark] = known._replace(disks=[*known.disks, disk])
    return found


def is_named(vm: Resource, mark: OwnerMark) -> bool:
    """Whether the VM has the name that its mark asks for: one with copied tags has not."""
    return str(vm["name"]).lower() == machine_name(mark.server_id).lower()


def is_held(resource: Resource) -> bool:
    """Whether another resource uses this one, so that it cannot be deleted yet."""
    inner = properties(resource)
    return bool(resource.get("managedBy") or inner.get("virtualMachine") or inner.get("ipConfiguration"))


def properties(resource: Resource) -> Mapping[str, Any]:
    """What is inside `properties`."""
    inner: Mapping[str, Any] = resource.get("properties") or {}
    return inner


def _addresses(vm: Resource, network: Network) -> tuple[str | None, str | None]:
    """Private and public address of the primary interface."""
    by_name = {_name_of(key): one for key, one in network.interfaces.items()}
    for name in interface_names(vm):
        interface = by_name.get(name.lower())
        for configuration in properties(interface or {}).get("ipConfigurations") or ():
            inner = properties(configuration)
            held = inner.get("publicIPAddress") or {}
            public = network.public_addresses.get(str(held.get("id", "")).lower()) or {}
            return inner.get("privateIPAddress"), properties(public).get("ipAddress")
    return None, None


def _interruption(vm: Resource, state: VMState) -> str | None:
    """Azure tells only the guest that a spot VM is to go; here it shows once it goes."""
    if properties(vm).get("priority") == "Spot" and state in (VMState.DELETING, VMState.STOPPED):
        return "Azure takes this spot VM away"
    return None


def _status_codes(vm: Resource) -> list[str]:
    statuses = (properties(vm).get("instanceView") or {}).get("statuses") or ()
    return [str(status.get("code", "")) for status in statuses]


def _name_of(resource_id: str) -> str:
    return resource_id.rstrip("/").rpartition("/")[2]
