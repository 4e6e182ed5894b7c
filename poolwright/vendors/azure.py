"""What Azure's VM provider and DNS provider share: the account, its login and its pace."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from poolwright.domain.base import Model
from poolwright.vendors.azure_faults import Trouble, trouble
from poolwright.vendors.blank import OptionalSecret
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import Pace, TooFast

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import RequestsTransport

__all__ = [
    "CLOUDS",
    "Account",
    "Authority",
    "Cloud",
    "Kind",
    "Pacing",
    "Trouble",
    "client_options",
    "credential",
    "pacing",
    "trouble",
]

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 30
_MOST_CONNECTIONS: Final = 100
_CONFLICT: Final = 409
_TOKENS: Final = "/oauth2/v2.0/token"


class Authority(StrEnum):
    """The clouds that Microsoft runs apart from each other."""

    PUBLIC = "public"
    GOVERNMENT = "government"
    CHINA = "china"


class Cloud(NamedTuple):
    """Where one of these clouds is reached."""

    management_url: str
    scope: str
    """What a token for the management API is asked for."""
    login_url: str


CLOUDS: Final[Mapping[Authority, Cloud]] = {
    Authority.PUBLIC: Cloud(
        "https://management.azure.com", "https://management.azure.com/.default", "https://login.microsoftonline.com"
    ),
    Authority.GOVERNMENT: Cloud(
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        "https://login.microsoftonline.us",
    ),
    Authority.CHINA: Cloud(
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn/.default",
        "https://login.chinacloudapi.cn",
    ),
}


def _checked_url(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError(f"{url} does not begin with https://; tokens are never sent without TLS")
    return url.rstrip("/")


HttpsUrl = Annotated[str, AfterValidator(_checked_url)]
"""An address that begins with https://, kept without a slash at its end."""
Uuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]


class Account(Model):
    """Which subscription and resource group, and as whom."""

    subscription_id: Uuid
    """The subscription."""
    resource_group: Annotated[str, Field(min_length=1, max_length=90)]
    """The resource group, which must exist."""
    tenant_id: Uuid | None = None
    """The directory that the app registration is in. Needed with `client_secret`."""
    client_id: Uuid | None = None
    """The app registration; or, without `client_secret`, which managed or workload identity to use."""
    client_secret: OptionalSecret = None
    """Secret of the app registration. Left out: the worker's own identity (environment, workload identity, managed
    identity, Azure CLI)."""
    authority: Authority = Authority.PUBLIC
    """Which of Microsoft's clouds."""
    endpoint_url: HttpsUrl | None = None
    """The management API of a private cloud, in place of the authority's."""
    authority_url: HttpsUrl | None = None
    """The login service of a private cloud, in place of the authority's. It is trusted as it is."""
    ca_file: Path | None = None
    """Certificates of the authorities that sign for these addresses (PEM), in place of the well-known ones."""

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if self.client_secret is not None and not (self.tenant_id and self.client_id):
            raise ValueError("client_secret needs tenant_id and client_id beside it; give all three or no secret")
        return self

    @property
    def cloud(self) -> Cloud:
        """Where this account's cloud is reached, private addresses included."""
        known = CLOUDS[self.authority]
        management_url, login_url = self.endpoint_url or known.management_url, self.authority_url or known.login_url
        scope = f"{self.endpoint_url}/.default" if self.endpoint_url else known.scope
        return Cloud(management_url, scope, login_url)


def credential(account: Account) -> "TokenCredential":
    """The login of this account, which keeps its tokens: open it once. Nothing is sent before the first call."""
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    options: dict[str, Any] = {
        "authority": account.cloud.login_url,
        # A private login service is in no directory of Microsoft's that could vouch for it.
        "disable_instance_discovery": account.authority_url is not None,
        "raw_response_hook": _refuse_what_breaks_logins,
        **_connection(account),
    }
    if account.client_secret is None:
        return DefaultAzureCredential(
            managed_identity_client_id=account.client_id, workload_identity_client_id=account.client_id, **options
        )
    secret = account.client_secret.get_secret_value()
    return ClientSecretCredential(account.tenant_id or "", account.client_id or "", secret, **options)


def client_options(account: Account) -> dict[str, Any]:
    """Keywords for the constructor of any of Azure's management clients: where to, which token, timeouts, no retries
    (Temporal retries), and nothing registered in the subscription that nobody asked for."""
    calls = logging.getLogger("azure")
    if calls.level == logging.NOTSET:
        # Several lines for each call, at the level that workers log at.
        calls.setLevel(logging.WARNING)
    cloud = account.cloud
    return {
        "base_url": cloud.management_url,
        "credential_scopes": [cloud.scope],
        "raw_response_hook": _refuse_to_register,
        "transport": _transport(account),
        **_connection(account),
    }


def _transport(account: Account) -> "RequestsTransport":
    """Connections for as many threads as a worker has: the SDK's own keep ten and open all others anew."""
    from azure.core.pipeline.transport import RequestsTransport
    from requests import Session
    from requests.adapters import HTTPAdapter

    session = Session()
    session.mount("https://", HTTPAdapter(pool_maxsize=_MOST_CONNECTIONS))
    # Cookies are the one thing that requests of different threads would change for each other.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return RequestsTransport(session=session, **_connection(account))


def _refuse_to_register(answer: Any) -> None:
    """Left alone, the SDK registers a missing resource provider by itself, and waits for that inside the call."""
    from azure.core.exceptions import HttpResponseError
    from azure.mgmt.core.exceptions import ARMErrorFormat

    response = answer.http_response
    if response.status_code != _CONFLICT:
        return
    if hasattr(response, "read"):
        response.read()
    if "MissingSubscriptionRegistration" in response.text():
        raise HttpResponseError(response=response, error_format=ARMErrorFormat)


def _refuse_what_breaks_logins(answer: Any) -> None:
    """MSAL keeps the error of an answer for the next one's headers, and where it is no text, as in the JSON of some
    gateways, each later login of the process breaks at it."""
    from azure.core.exceptions import ServiceResponseError

    if not answer.http_request.url.endswith(_TOKENS):
        return
    try:
        told = json.loads(answer.http_response.text())
    except ValueError:
        return
    if isinstance(told, Mapping) and not isinstance(told.get("error", ""), str):
        raise ServiceResponseError("the answer is not the login service's")


def _connection(account: Account) -> dict[str, Any]:
    return {
        "connection_verify": str(account.ca_file) if account.ca_file else True,
        "connection_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "retry_total": 0,
    }


class Kind(StrEnum):
    """The kinds of call that Azure counts apart."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"


_RATES: Final[Mapping[Kind, tuple[float, int]]] = {
    Kind.READ: (25, 250),
    Kind.WRITE: (10, 200),
    Kind.DELETE: (10, 200),
}
"""What Azure Resource Manager lets one identity do in one subscription: calls a second, and at once after a rest."""


class Pacing:
    """The paces of one account's calls. Get it from `pacing`."""

    def __init__(self) -> None:
        self._paces = {kind: Pace(rate, burst) for kind, (rate, burst) in _RATES.items()}

    @contextmanager
    def call(self, kind: Kind, *, waited: Callable[[float], bool] = lambda _: False) -> Iterator[None]:
        """Make one call within. Raises `TooFast` when it must not be made, else what the call raises.

        `waited` is asked, with the seconds, when the call comes too early: it waits and says True, or says False.
        """
        from azure.core.exceptions import AzureError, HttpResponseError

        pace = self._paces[kind]
        _take_turn(pace, waited)
        try:
            yield
        except HttpResponseError as error:
            answer = trouble(error)
            if answer.fault is Fault.THROTTLED:
                pace.throttled(answer.retry_after_seconds)
            elif answer.fault is not Fault.UNKNOWN:
                pace.answered()
            raise
        except AzureError:
            raise
        else:
            pace.answered()


def _take_turn(pace: Pace, waited: Callable[[float], bool]) -> None:
    while True:
        try:
            return pace.call()
        except TooFast as early:
            if not waited(early.retry_after_seconds):
                raise


_pacings: dict[tuple[str, str, str | None], Pacing] = {}
_pacings_lock = threading.Lock()


def pacing(account: Account) -> Pacing:
    """The paces of this account: the same object for all of this worker that use the account."""
    key = (account.cloud.management_url, account.subscription_id, account.client_id)
    with _pacings_lock:
        return _pacings.setdefault(key, Pacing())
