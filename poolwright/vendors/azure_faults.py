"""Azure's error codes -> what they mean, for its VM provider and its DNS provider."""

import re
from collections.abc import Mapping, Sequence
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from poolwright.vendors.faults import Fault

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError


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

_LOGIN_OUT_OF_ORDER: Final = re.compile(r"HTTP Error: (429|5\d\d)|temporarily_unavailable|AADSTS9003[36]\b")
_NOT_THE_LOGINS_WORDS: Final = re.compile(
    r"OIDC Discovery failed(?!.*AADSTS)|^Authentication failed: (None$|\{)", re.DOTALL
)
"""Of a tenant that does not exist the login service itself says so, with a code."""
_BREAKS_THE_SDK: Final = (AttributeError, JSONDecodeError, KeyError, RuntimeError, TypeError, UnicodeDecodeError)
"""What the SDK ends with where the page of a proxy, or its JSON, is in the place of the login's answer."""


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

    if isinstance(error, ClientAuthenticationError) and error.status_code is None:
        return Fault.UNKNOWN if _login_was_not_answered(error) else Fault.AUTHENTICATION
    return _BY_STATUS.get(error.status_code or 0, Fault.UNKNOWN)


def _login_was_not_answered(error: BaseException | None) -> bool:
    """Whether the login service was out of reach or out of order: the SDK calls that a failed login too."""
    from azure.core.exceptions import AzureError, HttpResponseError

    while error is not None:
        if isinstance(error, AzureError) and not isinstance(error, HttpResponseError):
            return True
        if isinstance(error, _BREAKS_THE_SDK):
            return True
        if _LOGIN_OUT_OF_ORDER.search(str(error)) or _NOT_THE_LOGINS_WORDS.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


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
