"""Kind of Proxmox VE's trouble -> error of the closed tree, with what to do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from poolwright.providers.errors import InvalidSettings, ProviderError
from poolwright.providers.faults import error_for
from poolwright.vendors.faults import Fault
from poolwright.vendors.proxmox import Refused

_WAYS_OUT: Final[Mapping[Fault, str]] = {
    Fault.AUTHENTICATION: "see that username, token_name and token_value (or password) are right and have not expired",
    Fault.PERMISSION: "give the user and its token the privileges of this provider's page",
    Fault.QUOTA: "raise the storage's quota, or lower max_instances",
    Fault.CAPACITY: "make room on the storage or node, or name more target_nodes",
    Fault.INVALID: "correct the setting that it speaks of",
    Fault.MISSING: "name one that exists in this cluster",
    Fault.CONFLICT: "it is tried again once that has changed",
    Fault.THROTTLED: "it is tried again more slowly",
    Fault.UNKNOWN: "what happened is not known; it is looked at again",
}


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise as errors of the tree what calls within raise; `doing` begins the message ("cloning pw-a").

    What is missing becomes `InvalidSettings`: only who asks for one VM by its number can take it for gone.
    """
    try:
        yield
    except Refused as refused:
        raise error_of(refused.fault, doing, str(refused), refused.retry_after_seconds) from None


def error_of(fault: Fault, doing: str, said: str, retry_after_seconds: float | None = None) -> ProviderError:
    """The error of the tree for this kind of trouble, in the cluster's words."""
    message = f"{doing} failed: {said.rstrip('.')}; {_WAYS_OUT[fault]}"
    return error_for(fault, message, missing=InvalidSettings, retry_after_seconds=retry_after_seconds)
