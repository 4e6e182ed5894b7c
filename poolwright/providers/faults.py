"""A vendor's kind of trouble -> error of the closed tree: one table for all vendors."""

from collections.abc import Mapping
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
from poolwright.vendors.faults import Fault

_KINDS: Final[Mapping[Fault, type[ProviderError]]] = {
    Fault.AUTHENTICATION: AuthenticationFailed,
    Fault.PERMISSION: PermissionDenied,
    Fault.QUOTA: QuotaExceeded,
    Fault.CAPACITY: CapacityUnavailable,
    Fault.INVALID: InvalidSettings,
    Fault.CONFLICT: Conflict,
    Fault.UNKNOWN: Transient,
}


def error_for(
    fault: Fault, message: str, *, missing: type[ProviderError], retry_after_seconds: float | None = None
) -> ProviderError:
    """The error that says this. `missing`: what it means here that something does not exist, which each vendor's API
    and each call decide for themselves."""
    if fault is Fault.THROTTLED:
        return Throttled(message, retry_after_seconds)
    return (missing if fault is Fault.MISSING else _KINDS[fault])(message)
