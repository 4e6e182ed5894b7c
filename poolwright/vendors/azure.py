"""What Azure's VM provider and DNS provider share: the account, its login, its pace and its error codes."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from poolwright.domain.base import Model
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import Pace

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 30
_CONFLICT: Final = 409


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
    client_secret: SecretStr | None = None
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
    cloud = account.cloud
    return {
        "base_url": cloud.management_url,
        "credential_scopes": [cloud.scope],
        "raw_response_hook": _refuse_to_register,
        **_connection(account),
    }


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
    def call(self, kind: Kind) -> Iterator[None]:
        """Make one call within. Raises `TooFast` when it must not be made, else what the call raises."""
        from azure.core.exceptions import AzureError, HttpResponseError

        pace = self._paces[kind]
        pace.call()
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


_pacings: dict[tuple[str, str, str | None], Pacing] = {}
_pacings_lock = threading.Lock()


def pacing(account: Account) -> Pacing:
    """The paces of this account: the same object for all of this worker that use the account."""
    key = (account.cloud.management_url, account.subscription_id, account.client_id)
    with _pacings_lock:
        return _pacings.setdefault(key, Pacing())


class Trouble(NamedTuple):
    """What an error of the SDK means."""

    fault: Fault
    code: str | None
    """Azure's own word for it."""
    message: str
    """What Azure says, for operators. Answers never hold what we sent in secret."""
    retry_after_seconds: float | None = None
    """With `Fault.THROTTLED`: what Azure asked for."""


_BY_CODE: Final[Mapping[Fault, Sequence[str]]] = {
    Fault.AUTHENTICATION: (
        "AuthenticationFailed",
        "AuthenticationFailedInvalidHeader",
        "ExpiredAuthenticationToken",
        "InvalidAuthenticationToken",
        "InvalidAuthenticationTokenAudience",
        "InvalidAuthenticationTokenTenant",
        "invalid_client",
        "unauthorized_client",
        "invalid_grant",
        "invalid_tenant",
    ),
    Fault.PERMISSION: (
        "AuthorizationFailed",
        "Forbidden",
        "LinkedAuthorizationFailed",
        "LinkedAccessCheckFailed",
        "RequestDisallowedByPolicy",
        "RequestDisallowedByAzure",
        "DisallowedOperation",
        "ReadOnlyDisabledSubscription",
        "ScopeLocked",
    ),
    Fault.QUOTA: (
        "QuotaExceeded",
        "ResourceQuotaExceeded",
        "ResourceGroupQuotaExceeded",
        "PublicIPCountLimitReached",
        "StaticPublicIPCountLimitReached",
        "PublicIPAddressCountLimitReached",
        "NetworkInterfaceCountLimitReached",
        "RecordSetQuotaExceeded",
        "ResourceCountExceedsLimitDueToTemplate",
    ),
    Fault.CAPACITY: (
        "AllocationFailed",
        "ZonalAllocationFailed",
        "OverconstrainedAllocationRequest",
        "OverconstrainedZonalAllocationRequest",
        "SkuNotAvailable",
        "SubnetIsFull",
        "SubnetsHaveNotEnoughFreeAddresses",
        "SpotVMEvicted",
    ),
    Fault.INVALID: (
        "BadRequest",
        "ImageNotFound",
        "GalleryImageNotFound",
        "InvalidParameter",
        "InvalidRequestContent",
        "InvalidRequestFormat",
        "InvalidResourceReference",
        "InvalidSubscriptionId",
        "InvalidTemplate",
        "LinkedInvalidPropertyId",
        "LocationNotAvailableForResourceType",
        "LocationRequired",
        "MarketplacePurchaseEligibilityFailed",
        "MissingSubscriptionRegistration",
        "NoRegisteredProviderFound",
        "ParentResourceNotFound",
        "PlatformImageNotFound",
        "PropertyChangeNotAllowed",
        "ResourceGroupNotFound",
        "ResourcePurchaseValidationFailed",
        "SubscriptionNotFound",
        "VMMarketplaceInvalidInput",
    ),
    Fault.MISSING: ("NotFound", "ResourceNotFound"),
    Fault.CONFLICT: (
        "AnotherOperationInProgress",
        "AttachDiskWhileBeingDetached",
        "Conflict",
        "CannotDeletePublicIPAddress",
        "NicInUse",
        "OperationNotAllowed",
        "OperationPreempted",
        "PreconditionFailed",
        "PublicIPAddressCannotBeDeleted",
        "PublicIPAddressInUse",
        "ReferencedResourceNotProvisioned",
        "ResourceGroupBeingDeleted",
        "ResourceNotYetSynced",
        "RetryableError",
    ),
    Fault.THROTTLED: ("OperationLimitExceeded", "SubscriptionRequestsThrottled", "Throttled", "TooManyRequests"),
    Fault.UNKNOWN: ("InternalServerError", "ServerTimeout", "ServiceUnavailable", "InternalOperationError"),
}
_FAULTS: Final[Mapping[str, Fault]] = {code: fault for fault, codes in _BY_CODE.items() for code in codes}
_BY_STATUS: Final[Mapping[int, Fault]] = {
    # No 404: a page of some gateway on the way is no proof that something does not exist.
    400: Fault.INVALID,
    401: Fault.AUTHENTICATION,
    403: Fault.PERMISSION,
    409: Fault.CONFLICT,
    412: Fault.CONFLICT,
    429: Fault.THROTTLED,
}


def fault_of_code(code: str, message: str = "") -> Fault | None:
    """What one of Azure's error codes means; None for one that is not known.

    `OperationNotAllowed` is Azure's word both for an exhausted quota of cores and for an operation that is not possible
    now; only the message tells which.
    """
    if code == "OperationNotAllowed" and "quota" in message.lower():
        return Fault.QUOTA
    return _FAULTS.get(code)


def trouble(error: "AzureError") -> Trouble:
    """What an error of the SDK means.

    The code in the answer decides and never the exception's class: an exhausted quota comes as `ResourceExistsError`,
    and a failure that was found later comes with status 200.
    """
    from azure.core.exceptions import HttpResponseError

    if not isinstance(error, HttpResponseError):
        return Trouble(Fault.UNKNOWN, None, _first_line(str(error.message)))
    told = _told(error)
    fault = _fault_of_status(error)
    code: str | None = None
    message = _first_line(str(error.message))
    if told:
        code, message = told[0]
    # The innermost code says the most; those around it are often no more than "Conflict".
    for inner_code, inner_message in reversed(told) if fault is not Fault.THROTTLED else ():
        known = fault_of_code(inner_code, inner_message)
        if known is not None:
            fault, code, message = known, inner_code, inner_message
            break
    return Trouble(fault, code, message, _retry_after_seconds(error) if fault is Fault.THROTTLED else None)


def _fault_of_status(error: Any) -> Fault:
    from azure.core.exceptions import ClientAuthenticationError

    status = error.status_code or 0
    if status < 429 and isinstance(error, ClientAuthenticationError):
        # A login that failed before anything was asked: it has no status, or that of the login service.
        return Fault.AUTHENTICATION
    return _BY_STATUS.get(status, Fault.UNKNOWN)


def _told(error: Any) -> list[tuple[str, str]]:
    """Codes and messages of an answer, the outermost first."""
    found, waiting = list[tuple[str, str]](), [error.error] if error.error else []
    while waiting:
        one = waiting.pop(0)
        if getattr(one, "code", None):
            found.append((str(one.code), _first_line(str(getattr(one, "message", "") or ""))))
        waiting += getattr(one, "details", None) or []
    return found


def _retry_after_seconds(error: Any) -> float | None:
    value = error.response.headers.get("Retry-After") if error.response is not None else None
    return float(value) if value and str(value).isdigit() else None


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].strip()[:500]
