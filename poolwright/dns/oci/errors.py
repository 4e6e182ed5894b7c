"""What a failed call to OCI is to a DNS provider: one table."""

from collections.abc import Callable, Mapping
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
from poolwright.vendors.oci import CallFailed

_ERRORS: Final[Mapping[Fault, Callable[[str], DNSError]]] = {
    Fault.AUTHENTICATION: AuthenticationFailed,
    Fault.PERMISSION: PermissionDenied,
    Fault.QUOTA: QuotaExceeded,
    Fault.CAPACITY: Transient,
    Fault.INVALID: InvalidSettings,
    # OCI gives one answer for gone and for forbidden.
    Fault.MISSING: PermissionDenied,
    Fault.CONFLICT: Transient,
    Fault.UNKNOWN: Transient,
}


def dns_error(failure: CallFailed) -> DNSError:
    """The error that says the same."""
    if failure.fault is Fault.THROTTLED:
        return Throttled(str(failure), failure.retry_after_seconds)
    return _ERRORS[failure.fault](str(failure))
