"""What a provider has to bring to be driven by the conformance suite.

A test file subclasses `ProviderConformance`, declares `abilities` and gives a `harness` per test:

    class TestExample(ProviderConformance):
        abilities = frozenset({Fault.QUOTA, Feature.PLACES})

        def make_harness(self, directory: Path) -> Harness:
            return ExampleHarness(directory)

A case that needs an ability which is not declared does not exist for that provider: nothing is skipped when tests run.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol, TypeVar

from poolwright.providers.base import VM, Provider

Case = TypeVar("Case", bound=Callable[..., None])


class Fault(StrEnum):
    """What can go wrong at the provider. In brackets: the calls that have to meet it."""

    AUTHENTICATION = "authentication"
    """The credentials are refused. [all]"""
    PERMISSION = "permission"
    """The credentials may not create. [create]"""
    QUOTA = "quota"
    """The account's limit is reached. [create]"""
    CAPACITY = "capacity"
    """There is no room in the first place, or nowhere where there are no places. [create]"""
    INVALID = "invalid"
    """The settings name something that does not exist. [create]"""
    THROTTLED = "throttled"
    """Too many calls. [all]"""
    TRANSIENT = "transient"
    """Every call fails before it has an effect, as if the network were down. [all]"""
    LOST_RESPONSE = "lost response"
    """The VM is made, then the connection breaks. [create]"""
    STALE_LIST = "stale list"
    """VMs made meanwhile are not yet in lists and searches. [find, list_owned]"""


class Feature(StrEnum):
    """What a provider or its harness has."""

    PLACES = "places"
    """The provider that `open` gives has at least two places."""
    LATE_ADDRESS = "late address"
    """A VM runs for a while before its address is told."""
    SLOW_DELETION = "slow deletion"
    """Deleting takes more than one call."""
    SCRIPT_READ_BACK = "script read back"
    """The harness can tell which startup script a VM got."""
    SCRIPT_LIMIT = "script limit"
    """Startup scripts have a largest size, of which `capabilities` tells."""
    SCRIPT_IN_GUEST = "script in guest"
    """Startup scripts are run in the guest once the VM is up."""


class Harness(Protocol):
    """One account at one provider, empty at first. Made anew for each case."""

    def open(self, controller_id: str) -> Provider:
        """A provider on this account, opened anew each time, as another worker would."""
        ...

    def open_misconfigured(self) -> tuple[Provider, Sequence[str]]:
        """A provider with settings that open but are wrong in at least two ways, and the names `check` must give."""
        ...

    def provoke(self, fault: Fault) -> AbstractContextManager[None]:
        """Let providers opened before and within meet this fault until the block ends. Only declared faults."""
        ...

    def pass_time(self) -> None:
        """Let a little time pass, simulated where time is, so that what is under way comes on."""
        ...

    def received_script(self, vm: VM) -> bytes:
        """The startup script as the VM got it. Only with `Feature.SCRIPT_READ_BACK`."""
        ...

    def secrets(self) -> Sequence[str]:
        """The credentials in this account's settings: what must never show."""
        ...

    def leftovers(self) -> Sequence[str]:
        """Names of all that exists in the account: VMs, disks, addresses, secrets, processes. Empty at rest."""
        ...

    def close(self) -> None:
        """Remove whatever a failed case left."""
        ...


def needs(*abilities: Fault | Feature) -> Callable[[Case], Case]:
    """Mark a case as one for providers with all these abilities."""

    def mark(case: Case) -> Case:
        setattr(case, _ABILITIES, frozenset(abilities))
        return case

    return mark


def needed_by(case: object) -> frozenset[Fault | Feature]:
    """The abilities that the case needs."""
    found: frozenset[Fault | Feature] = getattr(case, _ABILITIES, frozenset())
    return found


_ABILITIES = "needed_abilities"
