"""The states of a server's life and the only edges between them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ServerState(StrEnum):
    """Where a server is in its life. Every state but `DELETED` holds a slot of the caps."""

    REQUESTED = "requested"
    PREPARING = "preparing"
    CREATING = "creating"
    BOOTING = "booting"
    CONFIGURING = "configuring"
    RUNNING = "running"
    DRAINING = "draining"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"


COMING: Final = frozenset(
    {ServerState.REQUESTED, ServerState.PREPARING, ServerState.CREATING, ServerState.BOOTING, ServerState.CONFIGURING}
)
"""On the way to running: counted as capacity that will come."""

GOING: Final = frozenset({ServerState.FAILED, ServerState.DELETING, ServerState.DELETED})
"""On the way out, or gone: takes no session and is no capacity."""

TRANSITIONS: Final[Mapping[tuple[ServerState, ServerState], str]] = {
    (ServerState.REQUESTED, ServerState.PREPARING): "the life begins: its workflow has read the row",
    (ServerState.PREPARING, ServerState.CREATING): "all that the VM needs before its birth is there",
    (ServerState.CREATING, ServerState.BOOTING): "the provider has the VM and its reference is stored",
    (ServerState.BOOTING, ServerState.CONFIGURING): "the startup script reported that it works",
    (ServerState.BOOTING, ServerState.RUNNING): "checked in as running, or no check-in is required",
    (ServerState.CONFIGURING, ServerState.RUNNING): "checked in as running",
    (ServerState.RUNNING, ServerState.DRAINING): "scale-down, rotation, end of a single-use server, or an operator",
    (ServerState.DRAINING, ServerState.RUNNING): "undrain: by an operator, or capacity is needed again",
    (ServerState.DRAINING, ServerState.DELETING): "the last session has ended",
    (ServerState.REQUESTED, ServerState.FAILED): "its configuration is gone or cannot be used",
    (ServerState.PREPARING, ServerState.FAILED): "a step before the VM's birth cannot succeed",
    (ServerState.CREATING, ServerState.FAILED): "the provider refuses for good",
    (ServerState.BOOTING, ServerState.FAILED): "no check-in before the deadline, or the script reported an error",
    (ServerState.CONFIGURING, ServerState.FAILED): "no check-in before the deadline, or the script reported an error",
    (ServerState.RUNNING, ServerState.FAILED): "the server reported an error, or its VM is gone",
    (ServerState.DRAINING, ServerState.FAILED): "the server reported an error, or its VM is gone",
    (ServerState.REQUESTED, ServerState.DELETING): "terminated by an operator",
    (ServerState.PREPARING, ServerState.DELETING): "terminated by an operator",
    (ServerState.CREATING, ServerState.DELETING): "terminated by an operator",
    (ServerState.BOOTING, ServerState.DELETING): "terminated by an operator",
    (ServerState.CONFIGURING, ServerState.DELETING): "terminated by an operator",
    (ServerState.RUNNING, ServerState.DELETING): "terminated by an operator who accepts that sessions end",
    (ServerState.FAILED, ServerState.DELETING): "always: at once, or after the time it is kept for diagnosis",
    (ServerState.DELETING, ServerState.DELETED): "every part of it is proven gone",
}
"""(from, to) -> who or what drives this edge. No other edge exists."""


class IllegalTransition(ValueError):
    """A write would take an edge that is not in `TRANSITIONS`."""


def check_transition(current: ServerState, new: ServerState) -> None:
    """Raise `IllegalTransition` unless the edge is in the table."""
    if (current, new) not in TRANSITIONS:
        allowed = ", ".join(sorted(to for start, to in TRANSITIONS if start is current)) or "nothing: it is the end"
        raise IllegalTransition(f"a server that is {current} cannot become {new}: from there it can become {allowed}")
