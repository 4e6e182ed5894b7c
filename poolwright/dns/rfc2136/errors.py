"""What a DNS server or the way to it can answer, mapped to the closed tree: one table for codes, one for exceptions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import dns.exception
import dns.message
import dns.rcode
import dns.tsig
import dns.xfr
from dns.rcode import Rcode

from poolwright.dns.errors import AuthenticationFailed, DNSError, InvalidSettings, PermissionDenied, Transient

UNMET_PREREQUISITE: Final = frozenset({Rcode.YXDOMAIN, Rcode.NXDOMAIN, Rcode.YXRRSET, Rcode.NXRRSET})
"""An update's conditions do not hold and nothing of it was done. What that means depends on the conditions."""

_BY_CODE: Final[Mapping[int, tuple[type[DNSError], str]]] = {
    Rcode.REFUSED: (
        PermissionDenied,
        "it refuses this to our key or address; allow it there: update-policy or allow-update, allow-transfer",
    ),
    Rcode.NOTAUTH: (
        InvalidSettings,
        "it is not authoritative for this zone; name the zone's primary server in `servers`, or correct the zone",
    ),
    Rcode.NOTZONE: (
        InvalidSettings,
        "the name lies outside of the zone that was named; correct `zones` and `reverse_zones`",
    ),
    Rcode.FORMERR: (
        InvalidSettings,
        "it cannot read our message; check that it serves RFC 2136 updates and TSIG",
    ),
    Rcode.NOTIMP: (InvalidSettings, "it does not serve this kind of message; enable dynamic updates on it"),
    Rcode.SERVFAIL: (Transient, "it failed (SERVFAIL); its own log says why"),
}

_BY_EXCEPTION: Final[Mapping[type[Exception], tuple[type[DNSError], str]]] = {
    dns.tsig.PeerBadKey: (
        AuthenticationFailed,
        "it does not know our key (BADKEY); `key.name` and `key.algorithm` must be as configured there",
    ),
    dns.tsig.PeerBadSignature: (
        AuthenticationFailed,
        "it finds our signature wrong (BADSIG); `key.secret` must be the one configured there",
    ),
    dns.tsig.PeerBadTime: (
        AuthenticationFailed,
        "its clock and ours are too far apart (BADTIME); set both by NTP",
    ),
    dns.tsig.PeerBadTruncation: (
        AuthenticationFailed,
        "it wants longer signatures (BADTRUNC); choose another `key.algorithm`",
    ),
    dns.tsig.PeerError: (AuthenticationFailed, "it rejects our signature; compare `key` with its configuration"),
    dns.tsig.BadTime: (AuthenticationFailed, "its answer is signed at another time than ours; set both clocks by NTP"),
    dns.tsig.BadSignature: (AuthenticationFailed, "its answer is signed wrongly; compare `key` with its configuration"),
    dns.tsig.BadKey: (AuthenticationFailed, "its answer is signed with another key; compare `key.name`"),
    dns.tsig.BadAlgorithm: (AuthenticationFailed, "its answer is signed in another way; compare `key.algorithm`"),
    dns.message.UnknownTSIGKey: (
        AuthenticationFailed,
        "its answer is signed with a key that we do not have; compare `key.name`",
    ),
    dns.exception.Timeout: (
        Transient,
        "it did not answer in time; check that it runs, and that a firewall lets our port through",
    ),
    dns.exception.FormError: (
        Transient,
        "its answer is not well-formed, or not signed although it should be, so it is not believed; look at its log",
    ),
    dns.exception.DNSException: (Transient, "its answer could not be understood; ask again, and look at its log"),
    EOFError: (Transient, "it closed the connection without an answer; its own log may say why"),
    OSError: (Transient, "it could not be reached; check its address, and that it runs"),
}


def error_of_code(code: int, server: object, action: str) -> DNSError:
    """The error for a code that means failure."""
    unknown = (Transient, f"it answered {dns.rcode.to_text(Rcode.make(code))}; its own log may say why")
    error, sentence = _BY_CODE.get(code, unknown)
    return error(f"DNS server {server}, {action}: {sentence}")


@contextmanager
def translated(server: object, action: str) -> Iterator[None]:
    """Turn what the DNS library and the network raise into errors of the closed tree, none of which shows a secret."""
    try:
        yield
    except DNSError:
        raise
    except dns.xfr.TransferError as error:
        raise error_of_code(error.rcode, server, action) from error
    except tuple(_BY_EXCEPTION) as error:
        kind, sentence = next(_BY_EXCEPTION[known] for known in type(error).__mro__ if known in _BY_EXCEPTION)
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise kind(f"DNS server {server}, {action}: {sentence}{reason}") from error
