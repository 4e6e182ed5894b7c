"""What Cloud DNS or the way to it can answer, mapped to the closed tree: one table."""

from collections.abc import Mapping
from typing import Final

from poolwright.dns.errors import DNSError, InvalidSettings, Throttled
from poolwright.dns.faults import error_for
from poolwright.vendors.faults import Fault
from poolwright.vendors.gcp import Trouble

_WAYS_OUT: Final[Mapping[Fault, str]] = {
    Fault.AUTHENTICATION: "correct `credentials_json`, or the worker's own identity, and keep its clock right",
    Fault.PERMISSION: "give the service account the role roles/dns.admin on the project, "
    "and enable the Cloud DNS API there",
    Fault.QUOTA: "remove records that nobody needs, or ask Google for a higher quota",
    Fault.INVALID: "correct what it names",
    Fault.MISSING: "correct `project` and `zones`; a zone that was removed has to be made again",
    Fault.CONFLICT: "ask again",
    Fault.CAPACITY: "ask again",
    Fault.UNKNOWN: "what happened is not known; ask again",
}


def error_of(trouble: Trouble, action: str) -> DNSError:
    """The error for a call that went wrong while we `action`."""
    if trouble.fault is Fault.THROTTLED:
        return throttled(action, trouble.retry_after_seconds)
    said = f"{trouble.message} ({trouble.reason})" if trouble.reason else trouble.message
    message = f"Cloud DNS, {action}: {said}; {_WAYS_OUT[trouble.fault]}"
    return error_for(trouble.fault, message, missing=InvalidSettings)


def throttled(action: str, retry_after_seconds: float | None) -> Throttled:
    """The error for a call that came too early, or was not made because it would have."""
    return Throttled(f"Cloud DNS, {action}: the project makes too many calls; it goes on later", retry_after_seconds)
