"""Google Cloud: its account's settings, credentials, sessions, pace and error codes, for Compute Engine and Cloud DNS
alike."""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, Field, SecretStr

from poolwright.domain.base import Model
from poolwright.vendors.blank import OptionalSecret
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import Pace, TooFast

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport.requests import AuthorizedSession

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
"""What tokens are asked for: all that the account's roles allow. The roles are what limits us."""

_LONGEST_MESSAGE: Final = 500


def _checked_url(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{url} is no address; begin it with https://")
    return url.rstrip("/")


class Account(Model):
    """Which project, and as whom. Without `credentials_json` Google's application default credentials hold: the file
    that GOOGLE_APPLICATION_CREDENTIALS names, or the service account of the VM or pod that the worker runs on."""

    project: Annotated[str, Field(pattern=r"^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
    """The project's id, not its name or number."""
    credentials_json: OptionalSecret = None
    """A service account's key as JSON, whole. Left out: application default credentials."""
    endpoint_url: Annotated[str, AfterValidator(_checked_url)] | None = None
    """Where the API is called instead of its public address: a Private Service Connect endpoint, for example."""
    ca_file: Path | None = None
    """PEM file of the authorities to trust, in place of the well-known ones. It goes before REQUESTS_CA_BUNDLE."""


class UnusableCredentials(ValueError):
    """`credentials_json` is nothing that can be logged in with. Its message repeats nothing of it."""


def credentials(account: Account) -> "Credentials":
    """The account's credentials, which threads may share. They keep their token, so open them once.

    With a service account's key no token server is ever asked: each token is signed here. Application default
    credentials may ask the metadata server who the worker is. Raises `errors()`.
    """
    import google.auth
    from google.oauth2.credentials import Credentials as UserCredentials
    from google.oauth2.service_account import Credentials as ServiceAccountCredentials

    _keep_requests_out_of_logs()
    if account.credentials_json is None:
        found: Credentials = google.auth.default(scopes=SCOPES)[0]
        return found
    told = _read_key(account.credentials_json)
    try:
        if told.get("type") == "service_account":
            key: Any = ServiceAccountCredentials.from_service_account_info(  # type: ignore[no-untyped-call]
                told, scopes=SCOPES
            )
            signing: Credentials = key.with_always_use_jwt_access(True)
            return signing
        if told.get("type") == "authorized_user":
            user: Credentials = UserCredentials.from_authorized_user_info(  # type: ignore[no-untyped-call]
                told, scopes=SCOPES
            )
            return user
    except (ValueError, TypeError, KeyError):
        raise UnusableCredentials("credentials_json is damaged; paste the whole key file as Google made it") from None
    raise UnusableCredentials(
        "credentials_json is not a service account's key; for others, name their file in "
        "GOOGLE_APPLICATION_CREDENTIALS and leave credentials_json out"
    )


def session(account: Account, login: "Credentials") -> "AuthorizedSession":
    """An HTTP session that sends `login`'s tokens, for one thread. It makes each call once (a refused token is renewed
    once), gives up after 5 seconds without a connection or 30 without an answer, and trusts `ca_file`."""
    from poolwright.vendors.gcp_session import open_session

    return open_session(login, account.ca_file)


def client_options(account: Account) -> dict[str, Any]:
    """What clients take as `client_options`."""
    return {"api_endpoint": account.endpoint_url} if account.endpoint_url else {}


_paces: dict[tuple[str, str, str | None, float, Callable[[], float]], Pace] = {}
_paces_lock = threading.Lock()


def pace_of(
    account: Account,
    api: str,
    calls_per_second: float,
    burst_calls: int,
    clock: Callable[[], float] = time.monotonic,
) -> Pace:
    """The pace of this project's calls to one API (`compute`, `dns`): the same for all of this process."""
    with _paces_lock:
        key = (api, account.project, account.endpoint_url, calls_per_second, clock)
        if key not in _paces:
            _paces[key] = Pace(calls_per_second, burst_calls, clock=clock)
        return _paces[key]


@contextmanager
def paced(pace: Pace) -> Iterator[None]:
    """Around one call: raises `TooFast` when it must not be made yet, and when Google answers that it came too
    early."""
    pace.call()
    try:
        yield
    except errors() as error:
        answer = trouble(error)
        if answer.fault is Fault.THROTTLED:
            raise TooFast(pace.throttled(answer.retry_after_seconds)) from None
        if answer.fault is not Fault.UNKNOWN:
            pace.answered()
        raise
    pace.answered()


def errors() -> tuple[type[Exception], ...]:
    """What a call may raise. Compute Engine's client lets errors of `requests` and `urllib3` through as they are."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.protobuf.json_format import ParseError
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    return (GoogleAPIError, GoogleAuthError, RequestException, HTTPError, ParseError, UnusableCredentials)


class Trouble(NamedTuple):
    """What an error of a call means."""

    fault: Fault
    reason: str | None
    """Google's own word for it; None for what Google did not answer."""
    message: str
    """What Google says, for operators, on one line. It repeats no metadata, which hold startup scripts."""
    retry_after_seconds: float | None = None
    """With `Fault.THROTTLED`: what Google asked for."""


_BY_REASON: Final[Mapping[Fault, frozenset[str]]] = {
    Fault.AUTHENTICATION: frozenset({"authError", "expired", "required", "UNAUTHENTICATED"}),
    Fault.PERMISSION: frozenset({"PERMISSIONS_ERROR", "FORBIDDEN"}),
    Fault.QUOTA: frozenset({"quotaExceeded", "limitExceeded", "QUOTA_EXCEEDED", "LIMIT_EXCEEDED"}),
    Fault.CAPACITY: frozenset(
        {
            "IP_SPACE_EXHAUSTED",
            "IP_SPACE_EXHAUSTED_WITH_DETAILS",
            "REGION_RESOURCE_POOL_EXHAUSTED",
            "RESOURCE_POOL_EXHAUSTED",
            "RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
            "STOCKOUT",
            "ZONE_RESOURCE_POOL_EXHAUSTED",
            "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
        }
    ),
    Fault.INVALID: frozenset(
        {
            "INVALID_FIELD_VALUE",
            "INVALID_USAGE",
            "REQUIRED_FIELD_MISSING",
            "UNSUPPORTED_OPERATION",
        }
    ),
    Fault.MISSING: frozenset({"RESOURCE_NOT_FOUND", "NOT_FOUND"}),
    Fault.CONFLICT: frozenset(
        {
            "operationInProgress",
            "resourceInUseByAnotherResource",
            "resourceNotReady",
            "CONDITION_NOT_MET",
            "RESOURCE_ALREADY_EXISTS",
            "RESOURCE_IN_USE",
            "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
            "RESOURCE_NOT_READY",
        }
    ),
    Fault.THROTTLED: frozenset(
        {
            "rateLimitExceeded",
            "userRateLimitExceeded",
            "concurrentLimitExceeded",
            "RATE_LIMIT_EXCEEDED",
            "OPERATION_RATE_LIMIT_EXCEEDED",
            "RESOURCE_OPERATION_RATE_EXCEEDED",
        }
    ),
    Fault.UNKNOWN: frozenset({"backendError", "internalError", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE"}),
}
"""Reasons of answers (`quotaExceeded`) and codes of operations that failed later (`QUOTA_EXCEEDED`)."""
_FAULT_OF_REASON: Final = {reason: fault for fault, reasons in _BY_REASON.items() for reason in reasons}
_BY_STATUS: Final[Mapping[int, Fault]] = {
    400: Fault.INVALID,
    401: Fault.AUTHENTICATION,
    403: Fault.PERMISSION,
    409: Fault.CONFLICT,
    412: Fault.CONFLICT,
    413: Fault.INVALID,
    429: Fault.THROTTLED,
}


def fault_of_code(code: str) -> Fault:
    """What a reason, or the code of an operation that failed after it was accepted, means."""
    return _FAULT_OF_REASON.get(code, Fault.UNKNOWN)


def trouble(error: Exception) -> Trouble:
    """What one of `errors()` means."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import DefaultCredentialsError, RefreshError

    if isinstance(error, GoogleAPICallError):
        return _answered(error)
    if isinstance(error, UnusableCredentials):
        return Trouble(Fault.AUTHENTICATION, None, str(error))
    if isinstance(error, DefaultCredentialsError | RefreshError):
        fault = Fault.UNKNOWN if getattr(error, "retryable", False) else Fault.AUTHENTICATION
        return Trouble(fault, None, "Google gives no token for the credentials, or there are none")
    # Their texts name addresses, and a broken answer's text may hold anything: the kind has to do.
    return Trouble(Fault.UNKNOWN, None, f"Google was not reached, or did not answer ({type(error).__name__})")


def _answered(error: Any) -> Trouble:
    status = int(error.code or 0)
    told = error.errors[0] if error.errors and isinstance(error.errors[0], Mapping) else {}
    reason = str(told.get("reason") or "") or None
    fault = _FAULT_OF_REASON.get(reason or "", _BY_STATUS.get(status, Fault.UNKNOWN))
    if status == 400 and fault is Fault.AUTHENTICATION:
        # "required" is also said of a field that is left out.
        fault = Fault.INVALID
    if status == 404 and reason == "notFound":
        # Only Google's own word counts: a page of some gateway on the way is no proof that something is missing.
        fault = Fault.MISSING
    message = spoken(re.sub(r"^[A-Z]+ https?://\S+: ", "", str(error.message)))
    if not message or message.startswith("<"):
        message = f"HTTP {status}, in words that are not the API's"
    return Trouble(fault, reason, message, _retry_after_seconds(error))


def spoken(message: str) -> str:
    """Google's message as it may be shown: one line, not endless, and without the values of metadata."""
    shown = re.sub(r"('[^']*metadata[^']*'): *'.*", r"\1: (not shown)", message, flags=re.DOTALL)
    return shown.strip().partition("\n")[0].strip()[:_LONGEST_MESSAGE]


def _retry_after_seconds(error: Any) -> float | None:
    value = error.response.headers.get("Retry-After") if error.response is not None else None
    return float(value) if value and str(value).isdigit() else None


def _read_key(text: SecretStr) -> Mapping[str, Any]:
    try:
        told = json.loads(text.get_secret_value())
    except ValueError:
        told = None
    if not isinstance(told, Mapping):
        raise UnusableCredentials("credentials_json is not JSON; paste the whole key file as Google made it")
    return told


def _keep_requests_out_of_logs() -> None:
    # At its DEBUG level the SDK logs whole requests: startup scripts with their check-in tokens, and access tokens.
    logging.getLogger("google").setLevel(logging.INFO)
