"""What DigitalOcean answers -> the closed error tree."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from poolwright.providers.errors import ProviderError, Transient
from poolwright.providers.faults import error_for
from poolwright.vendors.digitalocean import Refused
from poolwright.vendors.faults import Fault

_WAYS_OUT: Final[Mapping[Fault, str]] = {
    Fault.AUTHENTICATION: "make a new token and set it",
    Fault.PERMISSION: "give the token the scope for it, see the provider's page",
    Fault.QUOTA: "ask DigitalOcean for a higher limit, or delete droplets",
    Fault.CAPACITY: "another region or size may do",
    Fault.INVALID: "`poolwright provider check` tells which setting is wrong",
    # What is missing here is never the droplet that was asked for: the provider says `NotFound` of that itself.
    Fault.MISSING: "it is tried again",
    Fault.CONFLICT: "it is tried again",
    Fault.THROTTLED: "it is tried again",
    Fault.UNKNOWN: "it is tried again",
}


def error_of(refused: Refused) -> ProviderError:
    """The error of the tree for a call that failed."""
    message = f"DigitalOcean: {refused}; {_WAYS_OUT[refused.fault]}"
    return error_for(refused.fault, message, missing=Transient, retry_after_seconds=refused.retry_after_seconds)


@contextmanager
def translated() -> Iterator[None]:
    """Raise as errors of the tree what DigitalOcean answers within."""
    try:
        yield
    except Refused as refused:
        raise error_of(refused) from None


@contextmanager
def creating() -> Iterator[None]:
    """The same around requests that make something: what is missing then is something that the settings name."""
    try:
        yield
    except Refused as refused:
        fault = Fault.INVALID if refused.fault is Fault.MISSING else refused.fault
        told = Refused(fault, str(refused), code=refused.code, retry_after_seconds=refused.retry_after_seconds)
        raise error_of(told) from None
