"""Kind of AWS error -> error of the closed tree, with what to do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from poolwright.providers.errors import InvalidSettings, ProviderError, Throttled, Transient
from poolwright.providers.faults import error_for
from poolwright.vendors.aws import errors, fault_of, message_of
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast

_WAYS_OUT: Final[Mapping[Fault, str]] = {
    Fault.AUTHENTICATION: "see that access_key_id and secret_access_key are right and valid, "
    "or that the worker has a role",
    Fault.PERMISSION: "give the credentials the policy of this provider's page",
    Fault.QUOTA: "raise the account's quota in this region, or lower max_instances",
    Fault.CAPACITY: "name more subnet_ids or instance_types to fall back on",
    Fault.INVALID: "correct the setting that it speaks of",
    Fault.MISSING: "name one that exists in this region",
    Fault.CONFLICT: "it is tried again once that has changed",
    Fault.THROTTLED: "it is tried again more slowly",
    Fault.UNKNOWN: "what happened is not known; it is looked at again",
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
    except KeyError as lack:
        raise strange_answer(doing, str(lack.args[0])) from None


def strange_answer(doing: str, lack: str) -> Transient:
    """For an answer without something that AWS always gives: the page of a proxy, which is XML as well."""
    return Transient(f"{doing} got an answer without {lack}, so it is not AWS's; {_WAYS_OUT[Fault.UNKNOWN]}")


def provider_error(error: Exception, doing: str) -> ProviderError:
    """The error of the tree for one of the client's."""
    fault = fault_of(error)
    message = f"{doing} failed with {message_of(error).rstrip('.')}; {_WAYS_OUT[fault]}"
    return error_for(fault, message, missing=InvalidSettings)
