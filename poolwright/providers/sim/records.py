"""What is remembered of each simulated VM, and what that makes of it at a given time."""

import hashlib
import json
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from pydantic import SecretStr

from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VM, VMSpec, VMState

_FIRST_ADDRESS: Final = IPv4Address("10.0.0.0")
_ADDRESSES: Final = 2**24


@dataclass(frozen=True, kw_only=True)
class SimulatedVM:
    """One VM, living or gone. All times are seconds of the world's clock; None: not to happen, as things stand."""

    serial: int
    mark: OwnerMark | None
    token: str
    request_digest: str
    """What a repeat with the same token has to match."""
    hostname: str
    place: str | None
    startup_script: SecretStr
    accepted_at: float
    running_at: float
    address_at: float
    boot_seconds: float | None
    """How long its startup script takes to check in; None: it never does."""
    script_started_at: float | None
    broken_at: float | None
    problem: str | None
    stopped_at: float | None
    delete_asked_at: float | None
    gone_at: float
    """Infinite while nobody has asked for its deletion."""

    @property
    def reference(self) -> str:
        """The simulated provider's id of the VM."""
        return f"sim-{self.serial:08d}"

    @property
    def address(self) -> str:
        """The address that the VM has, whether or not the provider tells it yet."""
        return str(_FIRST_ADDRESS + self.serial % _ADDRESSES)

    @property
    def check_in_at(self) -> float | None:
        """When the startup script checks in; None: never, or it was not started."""
        if self.boot_seconds is None or self.script_started_at is None:
            return None
        return self.script_started_at + self.boot_seconds

    def exists(self, now: float) -> bool:
        """Whether the VM is not gone; one being deleted exists."""
        return now < self.gone_at

    def state(self, now: float) -> VMState:
        """What the provider says of the VM while it exists."""
        if self.delete_asked_at is not None:
            return VMState.DELETING
        if self.broken_at is not None and now >= self.broken_at:
            return VMState.BROKEN
        if self.stopped_at is not None:
            return VMState.STOPPED
        return VMState.RUNNING if now >= self.running_at else VMState.PENDING

    def report(self, now: float) -> VM:
        """The VM as the protocol has it. Only for one with a mark."""
        assert self.mark is not None
        state = self.state(now)
        return VM(
            reference=self.reference,
            mark=self.mark,
            state=state,
            address=self.address if now >= self.address_at else None,
            place=self.place,
            problem=self.problem if state is VMState.BROKEN else None,
        )


@dataclass(frozen=True, kw_only=True)
class CheckIn:
    """A startup script has come to its check-in: what a harness delivers in the VM's name."""

    vm: SimulatedVM
    due_at: float


def serial_of(reference: str) -> int | None:
    """The serial number in a reference, or None when it is not one of this provider's."""
    digits = reference.removeprefix("sim-")
    return int(digits) if digits != reference and digits.isdecimal() else None


def interruption_of(reference: str) -> str:
    """Name of the world's fact that tells why this VM will be taken away."""
    return f"interruption of {reference}"


def request_digest(spec: VMSpec, place: str | None) -> str:
    """Digest of all that a creation asks for."""
    asked = [
        spec.mark.text(),
        spec.hostname,
        place,
        spec.startup_script.get_secret_value(),
        sorted(spec.labels.items()),
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
