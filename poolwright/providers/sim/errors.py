"""Knob -> error of the closed tree."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from poolwright.providers.errors import (
    AuthenticationFailed,
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    NotFound,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    Throttled,
    Transient,
)
from poolwright.providers.sim.settings import Failure, Operation

_KINDS: Mapping[Failure, type[ProviderError]] = {
    Failure.AUTHENTICATION_FAILED: AuthenticationFailed,
    Failure.PERMISSION_DENIED: PermissionDenied,
    Failure.QUOTA_EXCEEDED: QuotaExceeded,
    Failure.CAPACITY_UNAVAILABLE: CapacityUnavailable,
    Failure.INVALID_SETTINGS: InvalidSettings,
    Failure.NOT_FOUND: NotFound,
    Failure.CONFLICT: Conflict,
    Failure.THROTTLED: Throttled,
    Failure.TRANSIENT: Transient,
}


def planned(failure: Failure, operation: Operation) -> ProviderError:
    """The error for a call that was planned to fail."""
    return _KINDS[failure](f"{operation} was planned to fail with {failure}; take it from fail_next to have it succeed")


@contextmanager
def translated() -> Iterator[None]:
    """Raise as `Transient` what the world's file answers within."""
    try:
        yield
    except sqlite3.Error as error:
        raise Transient(
            f"the simulated world's file cannot be used: {error}; see that `file` can be written"
        ) from error
