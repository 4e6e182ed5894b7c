"""What Route 53 can answer, mapped to the closed tree in one table."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from poolwright.dns.errors import DNSError, Throttled, Transient
from poolwright.dns.faults import error_for
from poolwright.vendors import aws
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast

REFUSED_BATCH: Final = "InvalidChangeBatch"
"""A record that was to be created is there, one that was to be removed is not or is another, or the batch asks for what
a zone cannot hold. Only its words tell which."""
BUSY_ZONE: Final = "PriorRequestNotComplete"

# Two words, since the names of records have no spaces: `no-limit.example` is a domain like any other.
_LIMIT: Final = re.compile(r"\blimit (of|on)\b", re.IGNORECASE)
_SLOWER: Final = "it goes on by itself when the limit allows"
_WAYS_OUT: Final[Mapping[Fault, str]] = {
    Fault.AUTHENTICATION: "correct `access_key_id` and `secret_access_key` or the worker's role, "
    "and keep the worker's clock right",
    Fault.PERMISSION: "allow route53:ListHostedZones, route53:ListResourceRecordSets "
    "and route53:ChangeResourceRecordSets",
    Fault.QUOTA: "remove records that nobody needs, or have AWS raise the quota",
    Fault.INVALID: "correct what it names",
    Fault.THROTTLED: _SLOWER,
    Fault.MISSING: "the hosted zone has just gone; the next try looks again",
    Fault.CONFLICT: "something else is being done to it; the next try looks again",
}
_OTHERWISE: Final = "whether it had an effect is not known; the next try looks"


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn what the SDK raises into errors of the closed tree. `action` completes "Route 53, asked to ..."."""
    try:
        yield
    except TooFast as refusal:
        message = f"Route 53, asked to {action}: {refusal}; {_SLOWER}"
        raise Throttled(message, refusal.retry_after_seconds) from None
    except aws.errors() as error:
        raise _error_of(error, action) from None


def is_refused_batch(error: Exception) -> bool:
    """Whether Route 53 has found the conditions of a change batch unmet, and so has done nothing."""
    # A zone that is full is told with the same code.
    return aws.code_of(error) == REFUSED_BATCH and not _LIMIT.search(aws.message_of(error))


def _error_of(error: Exception, action: str) -> DNSError:
    said = f"Route 53, asked to {action}: {aws.message_of(error)}"
    if aws.code_of(error) == BUSY_ZONE:
        return Throttled(f"{said}; {_SLOWER}")
    fault = Fault.QUOTA if aws.code_of(error) == REFUSED_BATCH else aws.fault_of(error)
    return error_for(fault, f"{said}; {_WAYS_OUT.get(fault, _OTHERWISE)}", missing=Transient)
