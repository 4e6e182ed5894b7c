"""What DNS servers and the network answer, as errors of the closed tree."""

from collections.abc import Callable
from functools import partial

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.xfr
import pytest
from dns.rcode import Rcode

from poolwright.dns import errors
from poolwright.dns.rfc2136.errors import UNMET_PREREQUISITE, error_of_code, translated

CODES = [
    (Rcode.REFUSED, errors.PermissionDenied),
    (Rcode.NOTAUTH, errors.InvalidSettings),
    (Rcode.NOTZONE, errors.InvalidSettings),
    (Rcode.FORMERR, errors.InvalidSettings),
    (Rcode.NOTIMP, errors.InvalidSettings),
    (Rcode.SERVFAIL, errors.Transient),
    (Rcode.BADCOOKIE, errors.Transient),
    (3000, errors.Transient),
]
EXCEPTIONS: list[tuple[Callable[[], Exception], type[errors.DNSError]]] = [
    (dns.tsig.PeerBadKey, errors.AuthenticationFailed),
    (dns.tsig.PeerBadSignature, errors.AuthenticationFailed),
    (dns.tsig.PeerBadTime, errors.AuthenticationFailed),
    (dns.tsig.PeerBadTruncation, errors.AuthenticationFailed),
    (partial(dns.tsig.PeerError, "unknown"), errors.AuthenticationFailed),
    (dns.tsig.BadTime, errors.AuthenticationFailed),
    (dns.tsig.BadSignature, errors.AuthenticationFailed),
    (dns.tsig.BadKey, errors.AuthenticationFailed),
    (dns.tsig.BadAlgorithm, errors.AuthenticationFailed),
    (dns.message.UnknownTSIGKey, errors.AuthenticationFailed),
    (partial(dns.xfr.TransferError, Rcode.REFUSED), errors.PermissionDenied),
    (partial(dns.xfr.TransferError, Rcode.SERVFAIL), errors.Transient),
    (partial(dns.exception.Timeout, timeout=5), errors.Transient),
    (partial(dns.exception.FormError, "missing TSIG"), errors.Transient),
    (dns.query.BadResponse, errors.Transient),
    (dns.query.UnexpectedSource, errors.Transient),
    (dns.message.Truncated, errors.Transient),
    (EOFError, errors.Transient),
    (ConnectionRefusedError, errors.Transient),
    (OSError, errors.Transient),
]


class TestTables:
    @pytest.mark.parametrize(("code", "expected"), CODES)
    def test_each_code(self, code: int, expected: type[errors.DNSError]) -> None:
        error = error_of_code(code, "192.0.2.1:53", "asked to write a.vdi.example")
        assert type(error) is expected
        assert str(error).startswith("DNS server 192.0.2.1:53, asked to write a.vdi.example: ")

    @pytest.mark.parametrize(("make", "expected"), EXCEPTIONS)
    def test_each_exception(self, make: Callable[[], Exception], expected: type[errors.DNSError]) -> None:
        raised = make()
        with pytest.raises(expected) as caught, translated("192.0.2.1:53", "asked"):
            raise raised
        assert caught.type is expected
        assert caught.value.__cause__ is raised

    def test_an_unmet_condition_is_no_error_of_itself(self) -> None:
        assert not UNMET_PREREQUISITE.intersection(code for code, _ in CODES)

    def test_the_systems_own_words_are_told(self) -> None:
        with pytest.raises(errors.Transient, match=r"\(Connection refused\)$"), translated("192.0.2.1:53", "asked"):
            raise ConnectionRefusedError(111, "Connection refused")

    def test_a_bug_of_ours_stays_a_bug(self) -> None:
        with pytest.raises(KeyError), translated("192.0.2.1:53", "asked"):
            raise KeyError("bug")

    def test_every_error_says_whether_the_call_can_be_repeated(self) -> None:
        assert {error.__name__ for error in errors.DNSError.__subclasses__() if error.retryable} == {
            "QuotaExceeded",
            "Throttled",
            "Transient",
        }
