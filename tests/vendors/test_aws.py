"""What EC2 and Route 53 share."""

import logging
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
)
from botocore.parsers import ResponseParserError
from pydantic import SecretStr, ValidationError

from poolwright.vendors.aws import (
    Account,
    Limit,
    client,
    code_of,
    errors,
    fault_of,
    known_regions,
    message_of,
    pace_of,
    paced,
)
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import TooFast
from tests.wire.ec2 import asks_for, error
from tests.wire.guard import only_this_machine
from tests.wire.server import Cut, Request, Response, WireServer

LIMIT = Limit("calls", calls_per_second=1, burst_calls=3)
KEYS = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "wJalrX"}


def account(**settings: object) -> Account:
    """An account with a key."""
    return Account.model_validate(KEYS | settings)


def answered(code: str, message: str = "why", status: int = 400) -> ClientError:
    """AWS's answer as boto3 raises it."""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Anything")


class TestAccount:
    @pytest.mark.parametrize("given", KEYS)
    def test_half_a_key_is_refused(self, given: str) -> None:
        with pytest.raises(ValidationError, match="belong together"):
            Account.model_validate({given: KEYS[given]})

    @pytest.mark.parametrize("given", [{}, {"access_key_id": "", "secret_access_key": " "}])
    def test_no_key_means_the_credentials_of_the_worker(
        self, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAAMBIENT")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        seen: list[str] = []

        def app(request: Request) -> Response:
            seen.append(request.headers["authorization"])
            return error("AuthFailure", status=401)

        with WireServer(app) as server:
            here = Account.model_validate({"endpoint_url": server.url, **given})
            with pytest.raises(ClientError):
                client(here, "ec2", "us-east-1").describe_regions()
        assert "AKIAAMBIENT" in seen[0]


class TestClient:
    @pytest.mark.parametrize(
        ("code", "status"),
        [("InsufficientInstanceCapacity", 500), ("RequestLimitExceeded", 503), ("InternalError", 500)],
    )
    def test_makes_each_call_once_whatever_the_answer(self, code: str, status: int) -> None:
        with WireServer(lambda _: error(code, status=status)) as server:
            with pytest.raises(ClientError):
                client(account(endpoint_url=server.url), "ec2", "us-east-1").describe_regions()
            assert server.count() == 1

    def test_makes_a_call_whose_connection_breaks_once(self) -> None:
        with WireServer(lambda _: Response()) as server, server.fault(Cut.AFTER):
            with pytest.raises(errors()) as broken:
                client(account(endpoint_url=server.url), "ec2", "us-east-1").describe_regions()
            assert server.count() == 1
        assert fault_of(broken.value) is Fault.UNKNOWN

    def test_trusts_the_authority_of_the_settings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "of-the-machine.pem"))
        with only_this_machine(), WireServer(lambda _: error("AuthFailure"), tls_directory=tmp_path) as server:
            here = account(endpoint_url=server.url, ca_file=server.ca_file)
            with pytest.raises(ClientError):
                client(here, "ec2", "us-east-1").describe_regions()

    def test_logs_no_request_even_when_everything_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG), WireServer(lambda _: error("AuthFailure")) as server:
            with pytest.raises(ClientError):
                client(account(endpoint_url=server.url), "ec2", "us-east-1").describe_tags(
                    Filters=[{"Name": "key", "Values": ["told-to-nobody"]}]
                )
            assert server.count(asks_for("DescribeTags")) == 1
        assert "told-to-nobody" not in caplog.text
        assert "AKIAEXAMPLE" not in caplog.text

    def test_is_shared_by_the_configs_of_one_account(self) -> None:
        one = account(endpoint_url="http://127.0.0.1:1")
        assert client(one, "ec2", "us-east-1") is client(one.model_copy(), "ec2", "us-east-1")
        assert client(one, "ec2", "us-east-1") is not client(one, "ec2", "us-west-2")

    def test_looks_for_the_workers_credentials_each_time(self) -> None:
        assert client(Account(), "ec2", "us-east-1") is not client(Account(), "ec2", "us-east-1")

    def test_knows_regions_of_all_partitions(self) -> None:
        assert {"eu-central-1", "cn-north-1", "us-gov-west-1"} <= known_regions("ec2")


class TestFaults:
    @pytest.mark.parametrize(
        ("code", "fault"),
        [
            ("AuthFailure", Fault.AUTHENTICATION),
            ("InvalidClientTokenId", Fault.AUTHENTICATION),
            ("ExpiredToken", Fault.AUTHENTICATION),
            ("SignatureDoesNotMatch", Fault.AUTHENTICATION),
            ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", Fault.PERMISSION),
            ("UnauthorizedOperation", Fault.PERMISSION),
            ("AccessDenied", Fault.PERMISSION),
            ("VcpuLimitExceeded", Fault.QUOTA),
            ("InstanceLimitExceeded", Fault.QUOTA),
            ("MaxSpotInstanceCountExceeded", Fault.QUOTA),
            ("VolumeLimitExceeded", Fault.QUOTA),
            ("PendingVerification", Fault.QUOTA),
            ("InsufficientInstanceCapacity", Fault.CAPACITY),
            ("InsufficientFreeAddressesInSubnet", Fault.CAPACITY),
            ("InsufficientHostCapacity", Fault.CAPACITY),
            ("SpotMaxPriceTooLow", Fault.CAPACITY),
            ("UnfulfillableCapacity", Fault.CAPACITY),
            ("ReservationCapacityExceeded", Fault.CAPACITY),
            ("TagLimitExceeded", Fault.INVALID),
            ("TagPolicyViolation", Fault.INVALID),
            ("Unsupported", Fault.CAPACITY),
            ("InvalidParameterValue", Fault.INVALID),
            ("InvalidParameterCombination", Fault.INVALID),
            ("InvalidAMIID.Malformed", Fault.INVALID),
            ("MissingParameter", Fault.INVALID),
            ("InvalidAMIID.NotFound", Fault.MISSING),
            ("InvalidInstanceID.NotFound", Fault.MISSING),
            ("InvalidInstanceID.Malformed", Fault.MISSING),
            ("NoSuchHostedZone", Fault.MISSING),
            ("IdempotentParameterMismatch", Fault.CONFLICT),
            ("InvalidKeyPair.Duplicate", Fault.CONFLICT),
            ("IncorrectInstanceState", Fault.CONFLICT),
            ("OperationNotPermitted", Fault.CONFLICT),
            ("PriorRequestNotComplete", Fault.CONFLICT),
            ("RequestLimitExceeded", Fault.THROTTLED),
            ("Throttling", Fault.THROTTLED),
            ("InternalError", Fault.UNKNOWN),
            ("Unavailable", Fault.UNKNOWN),
            ("SomethingOfNextYear", Fault.UNKNOWN),
        ],
    )
    def test_are_told_by_code(self, code: str, fault: Fault) -> None:
        assert fault_of(answered(code)) is fault
        assert code_of(answered(code)) == code

    @pytest.mark.parametrize(
        ("raised", "fault"),
        [
            (NoCredentialsError(), Fault.AUTHENTICATION),
            (ParamValidationError(report="wrong"), Fault.INVALID),
            (EndpointConnectionError(endpoint_url="https://nowhere"), Fault.UNKNOWN),
            (HTTPClientError(error="broken"), Fault.UNKNOWN),
            (ResponseParserError("<html>"), Fault.UNKNOWN),
        ],
    )
    def test_are_told_by_kind_where_aws_did_not_answer(self, raised: Exception, fault: Fault) -> None:
        assert isinstance(raised, errors())
        assert fault_of(raised) is fault
        assert code_of(raised) is None
        assert type(raised).__name__ in message_of(raised)

    def test_do_not_repeat_what_was_signed(self) -> None:
        assert message_of(answered("SignatureDoesNotMatch", "The string was AKIAEXAMPLE")) == "SignatureDoesNotMatch"
        assert message_of(answered("InvalidParameterValue", "why")) == "InvalidParameterValue: why"

    def test_do_not_repeat_a_page_that_is_not_awss(self) -> None:
        page = Response(403, b"Blocked. You sent: UserData=check-in-token", {"content-type": "text/plain"})
        with WireServer(lambda _: page) as server, pytest.raises(errors()) as refused:
            client(account(endpoint_url=server.url), "ec2", "us-east-1").describe_instances()
        said = message_of(refused.value)
        assert "ResponseParserError: Unable to parse response" in said
        assert "Blocked" not in said
        assert "\n" not in said


class TestPace:
    def test_is_shared_by_providers_of_one_account_and_region(self) -> None:
        one = account(endpoint_url="https://one")
        same = one.model_copy(update={"ca_file": Path("ca.pem")})
        other = one.model_copy(update={"access_key_id": SecretStr("AKIAOTHER")})
        pace = pace_of(one, LIMIT, "us-east-1")
        assert pace_of(same, LIMIT, "us-east-1") is pace
        assert pace_of(one, LIMIT, "us-west-2") is not pace
        assert pace_of(other, LIMIT, "us-east-1") is not pace

    def test_stops_all_calls_once_aws_says_that_they_are_too_many(self) -> None:
        pace = pace_of(account(endpoint_url="https://two"), LIMIT, "us-east-1", lambda: 0.0)
        with pytest.raises(TooFast) as first, paced(pace):
            raise answered("RequestLimitExceeded", status=503)
        assert first.value.retry_after_seconds > 0
        with pytest.raises(TooFast), paced(pace):
            raise AssertionError("this call is not made")

    def test_waits_as_long_as_aws_asks_for(self) -> None:
        refused = Response(503, error("RequestLimitExceeded").body, {"retry-after": "17"})
        with WireServer(lambda _: refused) as server:
            here = account(endpoint_url=server.url)
            pace = pace_of(here, LIMIT, "us-east-1", lambda: 0.0)
            with pytest.raises(TooFast) as first, paced(pace):
                client(here, "ec2", "us-east-1").describe_regions()
        assert first.value.retry_after_seconds == 17

    def test_leaves_other_errors_as_they_are(self) -> None:
        pace = pace_of(account(endpoint_url="https://three"), LIMIT, "us-east-1", lambda: 0.0)
        with pytest.raises(ClientError), paced(pace):
            raise answered("InternalError", status=500)
