"""Kind of AWS error -> error of the closed tree, with what to do."""

from collections.abc import Iterator, Mapping
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
from poolwright.vendors.aws import errors, fault_of, message_of
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast

_KINDS: Final[Mapping[Fault, tuple[type[ProviderError], str]]] = {
    Fault.AUTHENTICATION: (
        AuthenticationFailed,
        "see that access_key_id and secret_access_key are right and valid, or that the worker has a role",
    ),
    Fault.PERMISSION: (PermissionDenied, "give the credentials the policy of this provider's page"),
    Fault.QUOTA: (QuotaExceeded, "raise the account's quota in this region, or lower max_instances"),
    Fault.CAPACITY: (CapacityUnavailable, "name more subnet_ids or instance_types to fall back on"),
    Fault.INVALID: (InvalidSettings, "correct the setting that it speaks of"),
    Fault.MISSING: (InvalidSettings, "name one that exists in this region"),
    Fault.CONFLICT: (Conflict, "it is tried again once that has changed"),
    Fault.THROTTLED: (Throttled, "it is tried again more slowly"),
    Fault.UNKNOWN: (Transient, "what happened is not known; it is looked at again"),
}


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise as errors of the tree what calls within raise; `doing` begins the message ("RunInstances").

    What is missing becomes `InvalidSettings`: only who asks for one VM by its id can take it for gone.
    """
    try:
        yield
    except TooFast as error:
        raise Throttled(f"{doing} waits: {error}", retry_after_seconds=error.retry_after_seconds) from None
    except errors() as error:
        raise provider_error(error, doing) from None


def provider_error(error: Exception, doing: str) -> ProviderError:
    """The error of the tree for one of the client's."""
    kind, remedy = _KINDS[fault_of(error)]
    return kind(f"{doing} failed with {message_of(error).rstrip('.')}; {remedy}")
