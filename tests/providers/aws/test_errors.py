"""Each answer of EC2 becomes one error of the tree, in a sentence that helps."""

from collections.abc import Callable

import pytest

from poolwright.providers.aws.provider import AWSProvider
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
from tests.conformance.specs import TOKEN_IN_SCRIPT, mark_of, spec_of
from tests.wire.aws import SECRET, AWSHarness
from tests.wire.ec2 import asks_for, error
from tests.wire.server import Response

pytestmark = pytest.mark.slow


class TestCreation:
    @pytest.mark.parametrize(
        ("code", "status", "expected"),
        [
            ("AuthFailure", 401, AuthenticationFailed),
            ("UnauthorizedOperation", 403, PermissionDenied),
            ("VcpuLimitExceeded", 400, QuotaExceeded),
            ("InsufficientInstanceCapacity", 500, CapacityUnavailable),
            ("Unsupported", 400, CapacityUnavailable),
            ("InvalidAMIID.NotFound", 400, InvalidSettings),
            ("InvalidGroup.NotFound", 400, InvalidSettings),
            ("InvalidParameterValue", 400, InvalidSettings),
            ("InvalidKeyPair.NotFound", 400, InvalidSettings),
            ("IdempotentParameterMismatch", 400, Conflict),
            ("RequestLimitExceeded", 503, Throttled),
            ("InternalError", 500, Transient),
            ("SomethingOfNextYear", 400, Transient),
        ],
    )
    def test_tells_what_was_wrong(
        self, account: AWSHarness, provider: AWSProvider, code: str, status: int, expected: type[ProviderError]
    ) -> None:
        refused = account.server.fault(error(code, status=status), asks_for("RunInstances"))
        with refused, pytest.raises(expected) as raised:
            provider.create(spec_of("a"))
        assert raised.type is expected
        assert SECRET not in str(raised.value)
        assert TOKEN_IN_SCRIPT not in str(raised.value)

    def test_a_page_of_html_is_passing_trouble(self, account: AWSHarness, provider: AWSProvider) -> None:
        page = Response(502, b"<html><body>Bad Gateway</body></html>", {"content-type": "text/html"})
        with account.server.fault(page), pytest.raises(Transient):
            provider.create(spec_of("a"))


class TestPagesThatAreNotEC2s:
    @pytest.mark.parametrize("asked", ["list_owned", "get", "find", "create", "delete", "check"])
    def test_leave_what_happened_unknown(self, account: AWSHarness, provider: AWSProvider, asked: str) -> None:
        made = provider.create(spec_of("a"))
        calls: dict[str, Callable[[], object]] = {
            "list_owned": provider.list_owned,
            "get": lambda: provider.get(made.reference),
            "find": lambda: provider.find(mark_of("a")),
            "create": lambda: provider.create(spec_of("b")),
            "delete": lambda: provider.delete(mark_of("a"), made.reference),
            "check": provider.check,
        }
        page = Response(200, b"<html><body>Blocked</body></html>", {"content-type": "text/html"})
        with account.server.fault(page), pytest.raises(Transient, match="not AWS's"):
            calls[asked]()


class TestOpening:
    def test_with_a_profile_of_the_worker_that_does_not_exist_says_so(
        self, account: AWSHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(AuthenticationFailed, match="nobody"):
            account.open("controller-1", access_key_id=None, secret_access_key=None)


class TestTrapSixCapacityIsAServerError:
    def test_capacity_is_asked_for_once_and_told_as_capacity(self, account: AWSHarness, provider: AWSProvider) -> None:
        refused = error("InsufficientInstanceCapacity", "We do not have sufficient t3.micro capacity", 500)
        refusal = account.server.fault(refused, asks_for("RunInstances"))
        with refusal, pytest.raises(CapacityUnavailable, match=r"sufficient t3\.micro"):
            provider.create(spec_of("a"))
        assert account.server.count(asks_for("RunInstances")) == 1


class TestPace:
    def test_a_refusal_holds_up_all_creations_and_says_for_how_long(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        refusal = account.server.fault(error("RequestLimitExceeded", status=503), asks_for("RunInstances"), times=1)
        with refusal, pytest.raises(Throttled) as refused:
            provider.create(spec_of("a"))
        assert refused.value.retry_after_seconds
        with pytest.raises(Throttled):
            account.open("controller-1").create(spec_of("b"))
        assert account.server.count(asks_for("RunInstances")) == 1
        account.now += refused.value.retry_after_seconds
        provider.create(spec_of("a"))

    def test_creations_follow_each_other_as_fast_as_ec2_grants(
        self, account: AWSHarness, provider: AWSProvider
    ) -> None:
        for number in range(5):
            provider.create(spec_of(f"server-{number}"))
        with pytest.raises(Throttled) as refused:
            provider.create(spec_of("one-more"))
        assert refused.value.retry_after_seconds == pytest.approx(0.5)

    def test_reads_go_on_while_creations_are_held_up(self, account: AWSHarness, provider: AWSProvider) -> None:
        refusal = account.server.fault(error("RequestLimitExceeded", status=503), asks_for("RunInstances"), times=1)
        with refusal, pytest.raises(Throttled):
            provider.create(spec_of("a"))
        assert provider.find(mark_of("a")) is None
