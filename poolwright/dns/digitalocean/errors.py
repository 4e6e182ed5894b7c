"""What DigitalOcean can answer, mapped to the closed tree in one table."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from poolwright.dns.errors import Transient
from poolwright.dns.faults import error_for
from poolwright.vendors.digitalocean import Refused
from poolwright.vendors.faults import Fault

_WAYS_OUT: Final[Mapping[Fault, str]] = {
    Fault.AUTHENTICATION: "set `token` to one that is valid",
    Fault.PERMISSION: "give the token the scopes domain:read and domain:update",
    Fault.QUOTA: "remove records that nobody needs, or have DigitalOcean raise the limit",
    Fault.INVALID: "correct what it names",
    Fault.THROTTLED: "it goes on by itself when the limit allows",
    Fault.MISSING: "the domain or record has just gone; the next try looks again",
    Fault.CONFLICT: "something else is being done to it; the next try looks again",
}
_OTHERWISE: Final = "whether it had an effect is not known; the next try looks"


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn what the account raises into errors of the closed tree. `action` completes "DigitalOcean, asked to ..."."""
    try:
        yield
    except Refused as refusal:
        message = f"DigitalOcean, asked to {action}: {refusal}; {_WAYS_OUT.get(refusal.fault, _OTHERWISE)}"
        raise error_for(
            refusal.fault, message, missing=Transient, retry_after_seconds=refusal.retry_after_seconds
        ) from None
