"""AWS: its account's settings, its clients, its pace and its error codes, for EC2 and Route 53 alike."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self, overload

from pydantic import Field, SecretStr, model_validator

from poolwright.domain.base import Model
from poolwright.vendors.blank import OptionalSecret
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import Pace, TooFast

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session
    from types_boto3_ec2.client import EC2Client
    from types_boto3_route53.client import Route53Client

_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 30.0
_CLIENTS: Final = 16
_CONNECTIONS: Final = 50
"""Kept open for one client: as many as a worker has threads for activities, so that none is made anew for a call."""

_FAULTS: Final[Mapping[Fault, frozenset[str]]] = {
    Fault.AUTHENTICATION: frozenset(
        {
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "MissingAuthenticationToken",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        }
    ),
    Fault.PERMISSION: frozenset(
        {
            "AccessDenied",
            "AccessDeniedException",
            "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
            "Blocked",
            "NotAuthorized",
            "OptInRequired",
            "UnauthorizedOperation",
        }
    ),
    Fault.QUOTA: frozenset(
        {"LimitsExceeded", "MaxSpotInstanceCountExceeded", "PendingVerification", "ResourceCountExceeded"}
    ),
    # EC2 answers some of these with status 500: what they mean is in the code alone.
    Fault.CAPACITY: frozenset(
        {
            "InsufficientCapacity",
            "InsufficientFreeAddressesInSubnet",
            "InsufficientHostCapacity",
            "InsufficientInstanceCapacity",
            "InsufficientReservedInstanceCapacity",
            "InsufficientVolumeCapacity",
            "ReservationCapacityExceeded",
            "SpotMaxPriceTooLow",
            "UnfulfillableCapacity",
            "Unsupported",
        }
    ),
    Fault.INVALID: frozenset(
        {
            "InvalidInput",
            "MalformedXML",
            "MissingParameter",
            "TagLimitExceeded",
            "TagPolicyViolation",
            "UnknownParameter",
            "UnsupportedOperation",
            "ValidationError",
            "VPCIdNotSpecified",
        }
    ),
    Fault.MISSING: frozenset({"InvalidInstanceID.Malformed", "NoSuchHostedZone"}),
    Fault.CONFLICT: frozenset(
        {
            "DependencyViolation",
            "IdempotentParameterMismatch",
            "IncorrectInstanceState",
            "IncorrectState",
            "InvalidChangeBatch",
            "InvalidState",
            "OperationNotPermitted",
            "PriorRequestNotComplete",
            "ResourceInUse",
            "VolumeInUse",
        }
    ),
    Fault.THROTTLED: frozenset(
        {
            "EC2ThrottledException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequestsException",
        }
    ),
    Fault.UNKNOWN: frozenset({"InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"}),
}
_FAULT_OF_CODE: Final = {code: fault for fault, codes in _FAULTS.items() for code in codes}
_FAULT_OF_END: Final = {
    ".NotFound": Fault.MISSING,
    ".Duplicate": Fault.CONFLICT,
    ".InUse": Fault.CONFLICT,
    "LimitExceeded": Fault.QUOTA,
}
_FAULT_OF_BEGINNING: Final = {"Invalid": Fault.INVALID, "Insufficient": Fault.CAPACITY, "NoSuch": Fault.MISSING}


class Account(Model):
    """How an AWS account is reached. Without an access key boto3's own search holds: environment variables, the shared
    credentials file, or the role of the instance or container that the worker runs on."""

    access_key_id: OptionalSecret = None
    """Access key; given together with `secret_access_key` or not at all."""
    secret_access_key: OptionalSecret = None
    """The secret half of the access key."""
    endpoint_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+/?$")
    """Where the service is called instead of its public endpoint: a VPC endpoint, for example."""
    ca_file: Path | None = None
    """PEM file with the authority that signed the endpoint's certificate. Left out: the one that boto3 brings."""

    @model_validator(mode="after")
    def _whole_key(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError(
                "access_key_id and secret_access_key belong together: give both, or neither to use the role or the "
                "credentials of the worker"
            )
        return self


class Limit(NamedTuple):
    """One token bucket that AWS keeps for an account (in a region, for EC2), as we mean to use it."""

    name: str
    calls_per_second: float
    burst_calls: int


@overload
def client(account: Account, service: Literal["ec2"], region: str) -> "EC2Client": ...


@overload
def client(account: Account, service: Literal["route53"], region: str | None = None) -> "Route53Client": ...


def client(account: Account, service: str, region: str | None = None) -> Any:
    """A client of this service, which threads may share. It makes each call once: Temporal repeats what failed.

    A wrong region shows when it is first used. Raises `BotoCoreError` for settings that boto3 cannot use at all.
    """
    # At its DEBUG level botocore logs whole requests: startup scripts with their check-in tokens, and access keys.
    logging.getLogger("botocore").setLevel(logging.INFO)
    make = _shared_client if account.access_key_id else _client
    return make(
        account.access_key_id, account.secret_access_key, account.endpoint_url, account.ca_file, service, region
    )


def _client(
    key: SecretStr | None,
    secret: SecretStr | None,
    endpoint_url: str | None,
    ca_file: Path | None,
    service: str,
    region: str | None,
) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.session.Session(botocore_session=_session()).client(
        service,  # type: ignore[call-overload]
        region_name=region or "us-east-1",
        aws_access_key_id=key and key.get_secret_value(),
        aws_secret_access_key=secret and secret.get_secret_value(),
        endpoint_url=endpoint_url,
        verify=ca_file and str(ca_file),
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            max_pool_connections=_CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 1},
            user_agent_extra="poolwright",
        ),
    )


# The configs of one account share its connections. Not where the worker's own credentials hold: these may have changed.
_shared_client = lru_cache(maxsize=_CLIENTS)(_client)


def _session() -> "Session":
    # Each time a new one, because no session may be used by two threads at once.
    from botocore.session import get_session

    session = get_session()
    session.register_component("data_loader", _api_descriptions())
    return session


@cache
def _api_descriptions() -> "Loader":
    """botocore's reader of API descriptions. EC2's takes it a third of a second and 20 MB, which once is enough."""
    from botocore.session import get_session

    loader: Loader = get_session().get_component("data_loader")
    return loader


def known_regions(service: str) -> frozenset[str]:
    """The regions that this version of boto3 knows, of all partitions. No call."""
    session = _session()
    partitions = session.get_available_partitions()
    return frozenset(region for name in partitions for region in session.get_available_regions(service, name))


def pace_of(account: Account, limit: Limit, region: str = "", clock: Callable[[], float] = time.monotonic) -> Pace:
    """The pace for this limit, shared by all providers of this process that use the same account and region."""
    return _pace(account.access_key_id, account.endpoint_url, region, limit, clock)


@cache
def _pace(
    access_key_id: SecretStr | None,  # noqa: ARG001 (these three tell accounts apart)
    endpoint_url: str | None,  # noqa: ARG001
    region: str,  # noqa: ARG001
    limit: Limit,
    clock: Callable[[], float],
) -> Pace:
    return Pace(limit.calls_per_second, limit.burst_calls, clock=clock)


@contextmanager
def paced(pace: Pace) -> Iterator[None]:
    """Around one call: raises `TooFast` when it must not be made yet, and when AWS answers that it came too early."""
    pace.call()
    try:
        yield
    except Exception as error:
        if fault_of(error) is Fault.THROTTLED:
            raise TooFast(pace.throttled(_retry_after_seconds(error))) from error
        raise
    pace.answered()


def _retry_after_seconds(error: Exception) -> float | None:
    response = getattr(error, "response", {})
    value = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after")
    return float(value) if value and str(value).isdigit() else None


def errors() -> tuple[type[Exception], ...]:
    """What a call of a client may raise."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return (ClientError, BotoCoreError, ResponseParserError)


def code_of(error: Exception) -> str | None:
    """The code that AWS gave an error; None for one that is not AWS's answer."""
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def message_of(error: Exception) -> str:
    """What AWS says of an error, for operators. Not its words where they may repeat what was signed."""
    code = code_of(error)
    if code is None:
        return f"{type(error).__name__}: {_told_by_boto3(error)}"
    if fault_of(error) is Fault.AUTHENTICATION:
        return code
    response = getattr(error, "response", {})
    return f"{code}: {response['Error'].get('Message', 'no message')}"


def _told_by_boto3(error: Exception) -> str:
    from botocore.parsers import ResponseParserError

    if isinstance(error, ResponseParserError):
        # Below its first line it repeats the whole answer that it could not read: the page of a proxy.
        return str(error).partition("\n")[0].rstrip(":")
    return str(error)


def fault_of(error: Exception) -> Fault:
    """What an error means that a client raised."""
    code = code_of(error)
    return _fault_of_exception(error) if code is None else fault_of_code(code)


def fault_of_code(code: str) -> Fault:
    """What one of AWS's codes means."""
    if code in _FAULT_OF_CODE:
        return _FAULT_OF_CODE[code]
    for end, fault in _FAULT_OF_END.items():
        if code.endswith(end):
            return fault
    for beginning, fault in _FAULT_OF_BEGINNING.items():
        if code.startswith(beginning):
            return fault
    return Fault.UNKNOWN


def _fault_of_exception(error: Exception) -> Fault:
    from botocore import exceptions

    unusable_credentials = (
        exceptions.CredentialRetrievalError,
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.ProfileNotFound,
        exceptions.SSOError,
        exceptions.TokenRetrievalError,
    )
    unusable_requests = (
        exceptions.InvalidRegionError,
        exceptions.NoRegionError,
        exceptions.ParamValidationError,
        exceptions.UnknownEndpointError,
        exceptions.UnknownRegionError,
    )
    if isinstance(error, unusable_credentials):
        return Fault.AUTHENTICATION
    return Fault.INVALID if isinstance(error, unusable_requests) else Fault.UNKNOWN
