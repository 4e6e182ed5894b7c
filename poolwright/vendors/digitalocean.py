"""DigitalOcean: one account, its client, its pace, and what its answers mean."""

import hashlib
import itertools
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, SecretStr

from poolwright.domain.base import Model
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import Pace, TooFast

ENDPOINT: Final = "https://api.digitalocean.com"
TOKEN_VARIABLES: Final = ("DIGITALOCEAN_ACCESS_TOKEN", "DIGITALOCEAN_TOKEN")
CONNECT_TIMEOUT_SECONDS: Final = 5
READ_TIMEOUT_SECONDS: Final = 30
PAGE_SIZE: Final = 200

_CONNECTIONS: Final = 32

# DigitalOcean allows 250 calls in any minute and 5,000 in any hour. A bucket gives at most its burst and an interval's
# refill in any interval, so that these two stay below both.
_MINUTE: Final = (3.6, 30)
_HOUR: Final = (0.6, 2_800)

_LONGEST_MESSAGE: Final = 300
_LONGEST_RETRY_SECONDS: Final = 3_600.0

_BY_STATUS: Final[Mapping[int, Fault]] = {
    400: Fault.INVALID,
    401: Fault.AUTHENTICATION,
    403: Fault.PERMISSION,
    404: Fault.MISSING,
    409: Fault.CONFLICT,
    412: Fault.CONFLICT,
    413: Fault.INVALID,
    422: Fault.INVALID,
    423: Fault.CONFLICT,
    429: Fault.THROTTLED,
}
# The API has one code, 422, for all that it cannot do; only its words tell them apart.
_BY_WORDS: Final[Sequence[tuple[re.Pattern[str], Fault]]] = (
    (re.compile(r"(exceed|reached).*limit|limit.*(reached|exceeded)|quota"), Fault.QUOTA),
    (re.compile(r"pending event|in progress|is locked|already (exists|in use|assigned)|\btaken\b"), Fault.CONFLICT),
    (re.compile(r"(size|region|capacity|droplet).*(not|un)\s?available|insufficient|sold out"), Fault.CAPACITY),
)


def _checked_endpoint(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError(f"{url} does not begin with https://, and the token must not travel in the clear; use https")
    return url.rstrip("/")


class Account(Model):
    """A DigitalOcean account (team)."""

    token: SecretStr | None = None
    """API token. Left out: the worker's environment variable `DIGITALOCEAN_ACCESS_TOKEN` or `DIGITALOCEAN_TOKEN`."""
    endpoint_url: Annotated[str, AfterValidator(_checked_endpoint)] | None = None
    """Another address of the API, with https. Left out: DigitalOcean's own."""
    ca_file: Path | None = None
    """PEM file of the certificate authorities to trust instead of the system's."""


class Listing(NamedTuple):
    """What a list operation had, over all of its pages."""

    items: tuple[Any, ...]
    whole: bool
    """False: something was deleted while the pages were read, and what stood at the border of two may be missing."""


class Refused(Exception):
    """A call failed. The message is the vendor's, shortened; it holds nothing of the request but the operation."""

    def __init__(
        self, fault: Fault, message: str, *, code: str | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.code = code
        """The vendor's own word for it, such as `not_found`."""
        self.retry_after_seconds = retry_after_seconds
        """With `Fault.THROTTLED`."""


def client(account: Account) -> Any:
    """pydo's client of this account: shared by threads, without retries. Raises `Refused` when there is no token."""
    import requests
    from azure.core.pipeline import policies
    from azure.core.pipeline.transport import RequestsTransport

    session = requests.Session()
    session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS))
    transport = RequestsTransport(
        session=session,
        connection_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        connection_verify=str(account.ca_file) if account.ca_file else True,
    )
    # pydo's types are 21 MB of overloads; read by name, they cost a type checker nothing.
    return import_module("pydo").Client(
        token=_token(account).get_secret_value(),
        endpoint=account.endpoint_url or ENDPOINT,
        transport=transport,
        # By default pydo repeats what was refused, creations included, and nothing tells two creations from one.
        retry_policy=policies.RetryPolicy.no_retries(),
        redirect_policy=policies.RedirectPolicy.no_redirects(),
    )


class API:
    """One account's API as pydo has it, with its failures told by kind. Instances may be shared by threads."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lock = threading.Lock()
        self._opened: tuple[Any, tuple[Pace, Pace]] | None = None

    def call(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call one of pydo's operations, such as `droplets.get`, and return its JSON; None where the answer is empty.

        Never waits and never repeats. Raises `Refused` for everything that is no success: `Fault.MISSING` too where
        pydo hands a 404 back as if it were data, `Fault.THROTTLED` where the call would have come too fast, and
        `Fault.AUTHENTICATION` where there is no token.
        """
        opened, paces = self._open()
        with self._refusals(operation, paces):
            for pace in paces:
                pace.call()
            group, name = operation.split(".")
            method: Callable[..., Any] = getattr(getattr(opened, group), name)
            answer = method(*arguments, **options, cls=_payload, retry_total=0)
        for pace in paces:
            pace.answered()
        return answer

    def listing(self, operation: str, key: str, **options: Any) -> "Listing":
        """All that a list operation has under `key`, page after page, and whether that is proven to be all.

        Raises as `call` does, and `Refused` with `Fault.UNKNOWN` for an answer that is no list.
        """
        items: list[Any] = []
        totals: list[int] = []
        for page in itertools.count(1):
            answer = self.call(operation, per_page=PAGE_SIZE, page=page, **options)
            if not isinstance(answer, Mapping) or not isinstance(answer.get(key), list):
                raise Refused(Fault.UNKNOWN, f"{operation}: the answer has no {key}")
            items += answer[key]
            totals.append(int((answer.get("meta") or {}).get("total") or 0))
            if not ((answer.get("links") or {}).get("pages") or {}).get("next"):
                break
        different = {repr(item.get("id", item)): item for item in items}
        whole = totals == sorted(totals) and len(different) >= totals[0]
        return Listing(items=tuple(different.values()), whole=whole)

    def pages(self, operation: str, key: str, **options: Any) -> Iterator[Any]:
        """The items of `listing`, for those who need no proof."""
        yield from self.listing(operation, key, **options).items

    def _open(self) -> tuple[Any, tuple[Pace, Pace]]:
        with self._lock:
            if self._opened is None:
                self._opened = client(self._account), _paces(self._account)
            return self._opened

    @contextmanager
    def _refusals(self, operation: str, paces: Sequence[Pace]) -> Iterator[None]:
        from azure.core.exceptions import AzureError, HttpResponseError

        try:
            yield
        except TooFast as error:
            raise Refused(Fault.THROTTLED, str(error), retry_after_seconds=error.retry_after_seconds) from None
        except (AzureError, ValueError) as error:
            # A broken body is a ValueError of the JSON parser. Neither is chained: only what is said here is ours.
            response = error.response if isinstance(error, HttpResponseError) else None
            if response is None or response.status_code is None:
                raise Refused(Fault.UNKNOWN, f"{operation}: no answer ({type(error).__name__})") from None
            raise self._refused(operation, response.status_code, response, paces) from None

    def _refused(self, operation: str, status: int, response: Any, paces: Sequence[Pace]) -> Refused:
        code, said = _said(response)
        message = f"{operation}: HTTP {status}{f', {said}' if said else ''}"
        fault = fault_of(status, said)
        if fault is Fault.MISSING and code is None:
            # Not one of DigitalOcean's: a proxy in between has 404s of its own, which say nothing of what exists.
            fault = Fault.UNKNOWN
        if fault is not Fault.THROTTLED:
            return Refused(fault, message, code=code)
        asked = _retry_after_seconds(response.headers)
        pause = max(pace.throttled(asked) for pace in paces)
        return Refused(fault, message, code=code, retry_after_seconds=pause)


def fault_of(status: int, message: str) -> Fault:
    """What an HTTP status from 400 on, with the words that came with it, means."""
    if status == 422:
        words = message.lower()
        return next((fault for pattern, fault in _BY_WORDS if pattern.search(words)), Fault.INVALID)
    return _BY_STATUS.get(status, Fault.INVALID if 400 <= status < 500 else Fault.UNKNOWN)


def _payload(answer: Any, data: Any, headers: Mapping[str, Any]) -> Any:  # noqa: ARG001 (pydo's own order)
    # pydo counts 404, and 400 here and there, among the answers that an operation may have.
    from azure.core.exceptions import HttpResponseError

    response = answer.http_response
    if response.status_code >= 400:
        raise HttpResponseError(response=response)
    return data


def _said(response: Any) -> tuple[str | None, str]:
    try:
        body = response.json()
    except Exception:  # noqa: BLE001 (an answer of a proxy in between may be anything)
        return None, ""
    if not isinstance(body, Mapping):
        return None, ""
    code, message = body.get("id"), body.get("message")
    said = " ".join(str(message or "").split())[:_LONGEST_MESSAGE]
    return (code if isinstance(code, str) else None), said


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    try:
        if "retry-after" in headers:
            seconds = float(headers["retry-after"])
        elif int(headers["ratelimit-remaining"]) == 0:
            seconds = float(headers["ratelimit-reset"]) - time.time()
        else:
            return None
    except (KeyError, ValueError):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_SECONDS)


def _token(account: Account) -> SecretStr:
    if account.token:
        return account.token
    found = next((os.environ[name] for name in TOKEN_VARIABLES if os.environ.get(name)), None)
    if not found:
        raise Refused(
            Fault.AUTHENTICATION, f"there is no token: set it, or {TOKEN_VARIABLES[0]} in the worker's environment"
        )
    return SecretStr(found)


_LOCK: Final = threading.Lock()
_PACES: Final[dict[str, tuple[Pace, Pace]]] = {}


def _paces(account: Account) -> tuple[Pace, Pace]:
    """The account's two paces, for the minute and for the hour: the same for all of this process's providers on it."""
    token = _token(account).get_secret_value()
    key = hashlib.sha256(f"{account.endpoint_url or ENDPOINT} {token}".encode()).hexdigest()
    with _LOCK:
        return _PACES.setdefault(key, (Pace(*_MINUTE), Pace(*_HOUR)))
