"""What DigitalOcean can answer, mapped to the closed tree in one table."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from poolwright.dns.errors import (
    AuthenticationFailed,
    DNSError,
    InvalidSettings,
    PermissionDenied,
    QuotaExceeded,
    Throttled,
    Transient,
)
from poolwright.vendors.digitalocean import Refused
from poolwright.vendors.faults import Fault

_BY_FAULT: Final[Mapping[Fault, tuple[type[DNSError], str]]] = {
    Fault.AUTHENTICATION: (AuthenticationFailed, "set `token` to one that is valid"),
    Fault.PERMISSION: (PermissionDenied, "give the token the scopes domain:read and domain:update"),
    Fault.QUOTA: (QuotaExceeded, "remove records that nobody needs, or have DigitalOcean raise the limit"),
    Fault.INVALID: (InvalidSettings, "correct what it names"),
    Fault.THROTTLED: (Throttled, "it goes on by itself when the limit allows"),
    Fault.MISSING: (Transient, "the domain or record has just gone; the next try looks again"),
    Fault.CONFLICT: (Transient, "something else is being done to it; the next try looks again"),
}
_UNKNOWN: Final = (Transient, "whether it had an effect is not known; the next try looks")


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn what the account raises into errors of the closed tree. `action` completes "DigitalOcean, asked to ..."."""
    try:
        yield
    except Refused as refusal:
        kind, way_out = _BY_FAULT.get(refusal.fault, _UNKNOWN)
        message = f"DigitalOcean, asked to {action}: {refusal}; {way_out}"
        if kind is Throttled:
            raise Throttled(message, refusal.retry_after_seconds) from None
        raise kind(message) from None
