"""What DigitalOcean answers -> the closed error tree."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from poolwright.providers.errors import (
    AuthenticationFailed,
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    Throttled,
    Transient,
)
from poolwright.vendors.digitalocean import Refused
from poolwright.vendors.faults import Fault

_KINDS: Final[Mapping[Fault, tuple[type[ProviderError], str]]] = {
    Fault.AUTHENTICATION: (AuthenticationFailed, "make a new token and set it"),
    Fault.PERMISSION: (PermissionDenied, "give the token the scope for it, see the provider's page"),
    Fault.QUOTA: (QuotaExceeded, "ask DigitalOcean for a higher limit, or delete droplets"),
    Fault.CAPACITY: (CapacityUnavailable, "another region or size may do"),
    Fault.INVALID: (InvalidSettings, "`poolwright provider check` tells which setting is wrong"),
    # What is missing here is never the droplet that was asked for: the provider says `NotFound` of that itself.
    Fault.MISSING: (Transient, "it is tried again"),
    Fault.CONFLICT: (Conflict, "it is tried again"),
    Fault.UNKNOWN: (Transient, "it is tried again"),
}


def error_of(refused: Refused) -> ProviderError:
    """The error of the tree for a call that failed."""
    if refused.fault is Fault.THROTTLED:
        return Throttled(f"DigitalOcean: {refused}; it is tried again", refused.retry_after_seconds)
    kind, way_out = _KINDS[refused.fault]
    return kind(f"DigitalOcean: {refused}; {way_out}")


@contextmanager
def translated() -> Iterator[None]:
    """Raise as errors of the tree what DigitalOcean answers within."""
    try:
        yield
    except Refused as refused:
        raise error_of(refused) from None


@contextmanager
def creating() -> Iterator[None]:
    """The same around requests that make something: what is missing then is something that the settings name."""
    try:
        yield
    except Refused as refused:
        fault = Fault.INVALID if refused.fault is Fault.MISSING else refused.fault
        told = Refused(fault, str(refused), code=refused.code, retry_after_seconds=refused.retry_after_seconds)
        raise error_of(told) from None
