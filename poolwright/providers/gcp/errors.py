"""What Google answers -> the closed error tree."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from google.cloud import compute_v1

from poolwright.providers.errors import NotFound, ProviderError, Throttled
from poolwright.providers.faults import error_for
from poolwright.vendors import gcp
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast

_WAYS_OUT: Final[Mapping[Fault, str]] = {
    Fault.AUTHENTICATION: "give a service account's key that is whole and still valid",
    Fault.PERMISSION: "give the account the roles that the provider's page names",
    Fault.QUOTA: "raise the project's quota, or name another region or machine type",
    Fault.CAPACITY: "name more zones or machine types",
    Fault.INVALID: "correct the settings",
    Fault.MISSING: "it was deleted, or never existed",
    Fault.CONFLICT: "it is tried again",
    Fault.THROTTLED: "calls go on more slowly",
    Fault.UNKNOWN: "it is tried again",
}
_POLICY: Final = frozenset({"conditionNotMet", "CONDITION_NOT_MET"})
"""Compute Engine says so of what the organisation's policy forbids."""


@contextmanager
def translated(doing: str, *, creating: bool = False) -> Iterator[None]:
    """Raise as errors of the tree what a call within raises; `doing` says what was tried.

    `creating`: what is missing is something that the settings name.
    """
    try:
        yield
    except TooFast as error:
        raise Throttled(f"{doing} has to wait: {error}", error.retry_after_seconds) from None
    except gcp.errors() as error:
        raise provider_error(doing, gcp.trouble(error), creating=creating) from None


def provider_error(doing: str, trouble: gcp.Trouble, *, creating: bool = False) -> ProviderError:
    """The error of the tree for this trouble."""
    fault = trouble.fault
    if creating and (fault is Fault.MISSING or trouble.reason in _POLICY):
        fault = Fault.INVALID
    reason = f" ({trouble.reason})" if trouble.reason else ""
    message = f"{doing} failed: {trouble.message.rstrip('.')}{reason}; {_WAYS_OUT[fault]}"
    return error_for(fault, message, missing=NotFound, retry_after_seconds=trouble.retry_after_seconds)


def failure_of(operation: compute_v1.Operation) -> gcp.Trouble | None:
    """Why an accepted operation came to nothing; None for one that did not, or not yet."""
    if operation.status != compute_v1.Operation.Status.DONE:
        return None
    told = operation.error.errors
    if not told and operation.http_error_status_code < 400:
        return None
    if not told:
        message = operation.http_error_message or f"HTTP {operation.http_error_status_code}"
        return gcp.Trouble(Fault.UNKNOWN, None, gcp.spoken(message))
    # The last of several often only says that the whole failed.
    first = next((error for error in told if gcp.fault_of_code(error.code) is not Fault.UNKNOWN), told[0])
    message = gcp.spoken(first.message) or "Google gives no reason"
    return gcp.Trouble(gcp.fault_of_code(first.code), first.code or None, message)
