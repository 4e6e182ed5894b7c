"""What Azure or the way to it can answer, mapped to the closed tree: one table."""

from collections.abc import Mapping
from typing import Final

from poolwright.dns.errors import DNSError, InvalidSettings, Throttled
from poolwright.dns.faults import error_for
from poolwright.vendors.azure import Trouble
from poolwright.vendors.faults import Fault

_WAYS_OUT: Final[Mapping[Fault, str]] = {
    Fault.AUTHENTICATION: "correct `tenant_id`, `client_id` and `client_secret`, or the worker's own identity",
    Fault.PERMISSION: "give the identity the role DNS Zone Contributor "
    "(Private DNS Zone Contributor for private zones)",
    Fault.QUOTA: "remove records that nobody needs, or ask Microsoft for a higher limit",
    Fault.INVALID: "correct what it names",
    Fault.MISSING: "correct `subscription_id`, `resource_group` and `zones`",
    Fault.CONFLICT: "ask again",
    Fault.CAPACITY: "ask again",
    Fault.UNKNOWN: "what happened is not known; ask again",
}


def error_of(trouble: Trouble, action: str) -> DNSError:
    """The error for a call that went wrong while we `action`."""
    if trouble.fault is Fault.THROTTLED:
        return throttled(action, trouble.retry_after_seconds)
    said = f"{trouble.message} ({trouble.code})" if trouble.code else trouble.message
    message = f"Azure DNS, {action}: {said}; {_WAYS_OUT[trouble.fault]}"
    return error_for(trouble.fault, message, missing=InvalidSettings)


def throttled(action: str, retry_after_seconds: float | None) -> Throttled:
    """The error for a call that came too early, or was not made because it would have."""
    return Throttled(
        f"Azure DNS, {action}: the subscription makes too many calls; it goes on later", retry_after_seconds
    )
