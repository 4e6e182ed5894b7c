"""What Cloud DNS or the way to it can answer, mapped to the closed tree: one table."""

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
from poolwright.vendors.gcp import Trouble

_ERRORS: Final[Mapping[Fault, tuple[type[DNSError], str]]] = {
    Fault.AUTHENTICATION: (
        AuthenticationFailed,
        "correct `credentials_json`, or the worker's own identity, and keep its clock right",
    ),
    Fault.PERMISSION: (
        PermissionDenied,
        "give the service account the role roles/dns.admin on the project, and enable the Cloud DNS API there",
    ),
    Fault.QUOTA: (QuotaExceeded, "remove records that nobody needs, or ask Google for a higher quota"),
    Fault.INVALID: (InvalidSettings, "correct what it names"),
    Fault.MISSING: (InvalidSettings, "correct `project` and `zones`; a zone that was removed has to be made again"),
    Fault.CONFLICT: (Transient, "ask again"),
    Fault.CAPACITY: (Transient, "ask again"),
    Fault.UNKNOWN: (Transient, "what happened is not known; ask again"),
}


def error_of(trouble: Trouble, action: str) -> DNSError:
    """The error for a call that went wrong while we `action`."""
    if trouble.fault is Fault.THROTTLED:
        return throttled(action, trouble.retry_after_seconds)
    kind, way_out = _ERRORS[trouble.fault]
    said = f"{trouble.message} ({trouble.reason})" if trouble.reason else trouble.message
    return kind(f"Cloud DNS, {action}: {said}; {way_out}")


def throttled(action: str, retry_after_seconds: float | None) -> Throttled:
    """The error for a call that came too early, or was not made because it would have."""
    return Throttled(f"Cloud DNS, {action}: the project makes too many calls; it goes on later", retry_after_seconds)
