"""What Azure answers -> the closed error tree."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from azure.core.exceptions import AzureError

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
from poolwright.vendors.azure_faults import Trouble, trouble
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast

_KINDS: Final[Mapping[Fault, tuple[type[ProviderError], str]]] = {
    Fault.AUTHENTICATION: (AuthenticationFailed, "check tenant_id, client_id and client_secret, or the identity"),
    Fault.PERMISSION: (PermissionDenied, "give the identity the role that the provider's page names"),
    Fault.QUOTA: (QuotaExceeded, "ask Azure for more quota, or allow another size or region"),
    Fault.CAPACITY: (CapacityUnavailable, "allow another size or zone"),
    Fault.INVALID: (InvalidSettings, "correct the settings; `poolwright provider check` tells which"),
    Fault.MISSING: (NotFound, "it was deleted, or never was"),
    Fault.CONFLICT: (Conflict, "it is tried again"),
    Fault.UNKNOWN: (Transient, "it is tried again"),
}


@contextmanager
def translated(doing: str, *, missing: type[ProviderError] = NotFound) -> Iterator[None]:
    """Raise as errors of the tree what Azure answers within; `doing` says what was tried.

    `missing` is what it means when something named does not exist: while creating, that is a setting.
    """
    try:
        yield
    except TooFast as error:
        raise Throttled(f"{doing} has to wait: {error}", error.retry_after_seconds) from None
    except AzureError as error:
        # The SDK's error holds the request, and with it the startup script and the token: it is not passed on.
        raise translation(doing, trouble(error), missing) from None


def translation(doing: str, found: Trouble, missing: type[ProviderError] = NotFound) -> ProviderError:
    """The error of the tree for this trouble."""
    said = f"{found.code}: {found.message}" if found.code and found.code not in found.message else found.message
    if found.fault is Fault.THROTTLED:
        return Throttled(f"{doing} was one call too many for Azure ({said}); it slows down", found.retry_after_seconds)
    kind, way_out = _KINDS[found.fault]
    if found.fault is Fault.MISSING and missing is not NotFound:
        kind, way_out = missing, "correct the settings; `poolwright provider check` tells which"
    return kind(f"{doing} failed: {said.rstrip('.')}; {way_out}")
