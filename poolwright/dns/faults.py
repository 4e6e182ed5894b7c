"""A vendor's kind of trouble -> error of the closed tree: one table for all DNS providers."""

from collections.abc import Mapping
from typing import Final

from poolwright.dns.errors import (
    AuthenticationFailed,
    DNSError,
    InvalidSettings,
    PermissionDenied,
    QuotaExceeded,
    Throttled,
    Transient,
)
from poolwright.vendors.faults import Fault

_KINDS: Final[Mapping[Fault, type[DNSError]]] = {
    Fault.AUTHENTICATION: AuthenticationFailed,
    Fault.PERMISSION: PermissionDenied,
    Fault.QUOTA: QuotaExceeded,
    Fault.INVALID: InvalidSettings,
    Fault.CONFLICT: Transient,
    Fault.CAPACITY: Transient,
    Fault.UNKNOWN: Transient,
}


def error_for(
    fault: Fault, message: str, *, missing: type[DNSError], retry_after_seconds: float | None = None
) -> DNSError:
    """The error that says this. `missing`: what it means at this vendor that something does not exist."""
    if fault is Fault.THROTTLED:
        return Throttled(message, retry_after_seconds)
    return (missing if fault is Fault.MISSING else _KINDS[fault])(message)
