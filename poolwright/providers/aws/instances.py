"""What EC2 says of an instance, in the provider's words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from poolwright.domain.identities import OwnerMark
from poolwright.providers.aws.marks import mark_in
from poolwright.providers.base import VM, VMState
from poolwright.vendors.aws import fault_of_code
from poolwright.vendors.faults import Fault

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import InstanceTypeDef

_STATES: Final[Mapping[str, VMState]] = {
    "pending": VMState.PENDING,
    "running": VMState.RUNNING,
    "shutting-down": VMState.DELETING,
    "stopping": VMState.STOPPED,
    "stopped": VMState.STOPPED,
    "terminated": VMState.BROKEN,
}
_ASKED_FOR: Final = "Client.UserInitiatedShutdown"


def is_terminated(instance: "InstanceTypeDef") -> bool:
    """Whether it has ended. EC2 goes on showing it for about an hour."""
    return instance["State"]["Name"] == "terminated"


def is_leaving(instance: "InstanceTypeDef") -> bool:
    """Whether it is being terminated."""
    return instance["State"]["Name"] == "shutting-down"


def is_pending(instance: "InstanceTypeDef") -> bool:
    """Whether it boots."""
    return instance["State"]["Name"] == "pending"


def is_spot(instance: "InstanceTypeDef") -> bool:
    """Whether EC2 may take it back."""
    return instance.get("InstanceLifecycle") == "spot"


def was_asked_to_end(instance: "InstanceTypeDef") -> bool:
    """Whether somebody terminated it, rather than EC2 or a failure."""
    return instance.get("StateReason", {}).get("Code", _ASKED_FOR) == _ASKED_FOR


def reported(instance: "InstanceTypeDef", mark: OwnerMark, place: str | None, notice: str | None = None) -> VM:
    """The VM. `notice` is what EC2 says about taking it back."""
    state = _STATES.get(instance["State"]["Name"], VMState.PENDING)
    if notice is None and is_leaving(instance) and not was_asked_to_end(instance):
        notice = _reason(instance)
    return VM(
        reference=instance["InstanceId"],
        mark=mark,
        state=state,
        address=_address(instance, state),
        private_address=instance.get("PrivateIpAddress") or None,
        place=place,
        problem=_reason(instance) if state is VMState.BROKEN else None,
        lacks_room=state is VMState.BROKEN and _ended_for_want_of_room(instance),
        interruption=notice,
    )


def mark_of(instance: "InstanceTypeDef", controller_id: str) -> OwnerMark | None:
    """Its mark if it is this controller's."""
    mark = mark_in(instance)
    return mark if mark and mark.controller_id == controller_id else None


def _reason(instance: "InstanceTypeDef") -> str:
    reason = instance.get("StateReason", {})
    return f"{reason.get('Code', 'terminated')}: {reason.get('Message', 'EC2 gives no reason')}"


def _ended_for_want_of_room(instance: "InstanceTypeDef") -> bool:
    # EC2 may accept a creation and end the instance while it boots: "Server.InsufficientInstanceCapacity".
    code = instance.get("StateReason", {}).get("Code", "").removeprefix("Server.").removeprefix("Client.")
    return fault_of_code(code) in (Fault.CAPACITY, Fault.QUOTA)


def _address(instance: "InstanceTypeDef", state: VMState) -> str | None:
    public = instance.get("PublicIpAddress") or None
    if public or state is not VMState.RUNNING:
        # A public address comes with running; until then the private one is not yet known to be the only one.
        return public
    return instance.get("PrivateIpAddress") or instance.get("Ipv6Address") or None
