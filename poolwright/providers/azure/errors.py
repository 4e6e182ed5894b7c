"""What Azure answers -> the closed error tree."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from azure.core.exceptions import AzureError

from poolwright.providers.errors import NotFound, ProviderError, Throttled
from poolwright.providers.faults import error_for
from poolwright.vendors.azure_faults import Trouble, trouble
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast

_WAYS_OUT: Final[Mapping[Fault, str]] = {
    Fault.AUTHENTICATION: "check tenant_id, client_id and client_secret, or the identity",
    Fault.PERMISSION: "give the identity the role that the provider's page names",
    Fault.QUOTA: "ask Azure for more quota, or allow another size or region",
    Fault.CAPACITY: "allow another size or zone",
    Fault.INVALID: "correct the settings; `poolwright provider check` tells which",
    Fault.MISSING: "it was deleted, or never was",
    Fault.CONFLICT: "it is tried again",
    Fault.THROTTLED: "it was one call too many, and is made again more slowly",
    Fault.UNKNOWN: "it is tried again",
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
    way_out = _WAYS_OUT[found.fault]
    if found.fault is Fault.MISSING and missing is not NotFound:
        way_out = _WAYS_OUT[Fault.INVALID]
    message = f"{doing} failed: {said.rstrip('.')}; {way_out}"
    return error_for(found.fault, message, missing=missing, retry_after_seconds=found.retry_after_seconds)
