"""What a failed call to OCI is in Poolwright's terms: one table."""

from collections.abc import Callable, Iterator, Mapping
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
from poolwright.vendors.faults import Fault
from poolwright.vendors.oci import CallFailed

_ERRORS: Final[Mapping[Fault, Callable[[str], ProviderError]]] = {
    Fault.AUTHENTICATION: AuthenticationFailed,
    Fault.PERMISSION: PermissionDenied,
    Fault.QUOTA: QuotaExceeded,
    Fault.CAPACITY: CapacityUnavailable,
    Fault.INVALID: InvalidSettings,
    # "Not authorized or not found" never proves that something is gone. Where it could, the caller asks further.
    Fault.MISSING: PermissionDenied,
    Fault.CONFLICT: Conflict,
    Fault.UNKNOWN: Transient,
}


@contextmanager
def translated() -> Iterator[None]:
    """Let failed calls leave as errors of a VM provider."""
    try:
        yield
    except CallFailed as failure:
        raise provider_error(failure) from None


def provider_error(failure: CallFailed) -> ProviderError:
    """The error that says the same."""
    if failure.fault is Fault.THROTTLED:
        return Throttled(str(failure), failure.retry_after_seconds)
    return _ERRORS[failure.fault](str(failure))
