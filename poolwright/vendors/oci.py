"""Oracle Cloud Infrastructure: the account, its signed calls, their pace, and what its errors mean.

The SDK takes more than a second to import, so it is only imported when the first call is made.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, SecretStr, model_validator

from poolwright.domain.base import Model
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import Pace, TooFast
from poolwright.vendors.patience import Patience

CONNECT_TIMEOUT_SECONDS: Final = 5.0
READ_TIMEOUT_SECONDS: Final = 30.0
PAGE_SIZE: Final = 1000
"""The most that a list call of the compute, network and block storage services gives at once."""

UNSIGNED: Final = "Unsigned"
"""Code of a call that was not made because there is nothing to sign it with."""

NO_CA_FILE: Final = "NoCAFile"
"""Code of a call that was not made because the certificate authorities to trust are not there."""

_BURST_SECONDS: Final = 5
"""After a rest, as many calls may be made at once as otherwise in so many seconds."""
_TURNS: Final = 20
"""How often a call of an operation that has begun waits for its turn before it gives up."""
_LONGEST_MESSAGE: Final = 400
_LONGEST_RETRY_SECONDS: Final = 3_600.0
# Longer than any part of an OCID: a value that we sent, of which a secret may be part.
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/=_-]{80,}")

_FAULT_OF_CODE: Final[Mapping[str, Fault]] = {
    "NotAuthenticated": Fault.AUTHENTICATION,
    "NotAuthorized": Fault.PERMISSION,
    "NotAllowed": Fault.PERMISSION,
    "SignUpRequired": Fault.PERMISSION,
    "NotAuthorizedOrResourceAlreadyExists": Fault.PERMISSION,
    "LimitExceeded": Fault.QUOTA,
    "QuotaExceeded": Fault.QUOTA,
    "OutOfCapacity": Fault.CAPACITY,
    "OutOfHostCapacity": Fault.CAPACITY,
    "CannotParseRequest": Fault.INVALID,
    "InvalidParameter": Fault.INVALID,
    "MissingParameter": Fault.INVALID,
    "PayloadTooLarge": Fault.INVALID,
    "RelatedResourceNotAuthorizedOrNotFound": Fault.INVALID,
    "RequestEntityTooLarge": Fault.INVALID,
    "NotAuthorizedOrNotFound": Fault.MISSING,
    "NotFound": Fault.MISSING,
    "Conflict": Fault.CONFLICT,
    "IncorrectState": Fault.CONFLICT,
    "InvalidatedRetryToken": Fault.CONFLICT,
    "NoEtagMatch": Fault.CONFLICT,
    "ResourceLocked": Fault.CONFLICT,
    "TooManyRequests": Fault.THROTTLED,
}
_NO_CAPACITY: Final = ("out of host capacity", "out of capacity")
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500

_OCID = r"^ocid1\.[a-z0-9-]+\.[a-z0-9-]*\.[A-Za-z0-9-]*\.[A-Za-z0-9._-]+$"
OCID = Annotated[str, Field(pattern=_OCID, max_length=255)]
"""An id as Oracle gives it: `ocid1.<kind of thing>.<realm>.[region].<unique>`."""

_KEY_SETTINGS: Final = ("user_ocid", "tenancy_ocid", "fingerprint", "private_key")


class Account(Model):
    """Whose tenancy, and which compartment of it."""

    user_ocid: OCID | None = None
    """User that the API key belongs to. Left out together with the key and the tenancy: the worker's own instance
    principal is used, which needs a worker that runs on OCI."""
    tenancy_ocid: OCID | None = None
    """Tenancy of that user."""
    fingerprint: Annotated[str, Field(pattern=r"^([0-9a-f]{2}:){15}[0-9a-f]{2}$")] | None = None
    """Fingerprint of the API key, as the console shows it."""
    private_key: SecretStr | None = None
    """The API key's private part, in PEM."""
    passphrase: SecretStr | None = None
    """Passphrase of the private key, if it has one."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{3,64}$")] | None = None
    """Region, such as `us-ashburn-1`. With an instance principal it may be left out: the worker's own."""
    compartment_ocid: OCID
    """Compartment that everything is made and looked for in. One of its own is best: every list reads all of it."""
    endpoint_url: Annotated[str, Field(pattern=r"^https?://[^/?#]+$")] | None = None
    """Where all calls go instead of Oracle's public endpoints, such as a gateway of one's own."""
    ca_file: Path | None = None
    """Certificate authorities to trust instead of the usual ones (PEM)."""
    calls_per_second: float = Field(default=20.0, gt=0, le=10_000)
    """As many calls as one worker makes to this account. Oracle publishes no limits; the default leaves room for other
    users of the tenancy."""

    @model_validator(mode="after")
    def _key_is_whole(self) -> Self:
        missing = [name for name in (*_KEY_SETTINGS, "region") if getattr(self, name) is None]
        if missing and set(_KEY_SETTINGS) - set(missing):
            raise ValueError(
                f"{', '.join(missing)} missing beside the rest of the API key; give {', '.join(_KEY_SETTINGS)} and "
                "region, or leave the whole key out to use the worker's instance principal"
            )
        return self


class CallFailed(Exception):
    """A call that was refused, or whose outcome is unknown. The message is for operators and has no secret in it."""

    def __init__(
        self,
        fault: Fault,
        message: str,
        *,
        code: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.fault, self.code, self.retry_after_seconds = fault, code, retry_after_seconds


class Connection:
    """The calls of one account. May be shared by threads: each has clients of its own.

    Every call is made inside an `operation`.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._pace = _pace_of(account)
        self._patience = Patience()
        self._lock = threading.Lock()
        self._signer: Any = None
        self._clients = threading.local()

    @contextmanager
    def operation(self, *, begun: bool = False) -> Iterator[None]:
        """Around calls that belong together: only the first of them is refused when it comes too fast, the others wait
        for their turn. `begun`: the first waits too."""
        with self._patience.operation(begun=begun):
            yield

    @contextmanager
    def for_others(self) -> Iterator[None]:
        """Around calls that other threads wait for: none of them is refused when it comes too fast."""
        with self._patience.operation(begun=True):
            yield
        self._patience.made()

    def compute(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call the compute service; gives the SDK's response. Raises `CallFailed`."""
        return self._call("compute", operation, arguments, options)

    def network(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call the network service; gives the SDK's response. Raises `CallFailed`."""
        return self._call("network", operation, arguments, options)

    def block_storage(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call the block storage service; gives the SDK's response. Raises `CallFailed`."""
        return self._call("block_storage", operation, arguments, options)

    def identity(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call the identity service; gives the SDK's response. Raises `CallFailed`."""
        return self._call("identity", operation, arguments, options)

    def dns(self, operation: str, *arguments: Any, **options: Any) -> Any:
        """Call the DNS service; gives the SDK's response. Raises `CallFailed`."""
        return self._call("dns", operation, arguments, options)

    def _call(self, service: str, operation: str, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        action = operation.replace("_", " ")
        ca_file = self._account.ca_file
        if ca_file is not None and not ca_file.is_file():
            problem = f"ca_file {ca_file} is no file on this worker; put it there, or take it out"
            raise CallFailed(Fault.INVALID, problem, code=NO_CA_FILE)
        try:
            client = self._client(service)
        except Exception as error:  # noqa: BLE001 (the SDK and the metadata service have many ways to say it)
            raise _unsigned(error) from None
        self._take_turn()
        try:
            response = getattr(client, operation)(*arguments, **options)
        except Exception as error:
            failure = _failure_of(error, action)
            if failure is None:
                raise
            if failure.fault is Fault.THROTTLED:
                failure.retry_after_seconds = self._pace.throttled(failure.retry_after_seconds)
            raise failure from None
        if not response.request_id:
            # The SDK makes empty lists and empty things of whatever a gateway answers in OCI's place.
            raise CallFailed(
                Fault.UNKNOWN,
                f"the answer to {action} is not one of OCI's, as it has no request id; what happened is not known, "
                "ask again, and see what stands between this worker and OCI",
            )
        self._pace.answered()
        self._patience.made()
        return response

    def _take_turn(self) -> None:
        for turns_left in reversed(range(_TURNS)):
            try:
                self._pace.call()
            except TooFast as refusal:
                wait = refusal.retry_after_seconds
                if not turns_left or not self._patience.waited(wait):
                    raise CallFailed(Fault.THROTTLED, str(refusal), retry_after_seconds=wait) from None
            else:
                return

    def _client(self, service: str) -> Any:
        found = getattr(self._clients, service, None)
        if found is None:
            found = _new_client(service, self._account, self._shared_signer())
            setattr(self._clients, service, found)
        return found

    def _shared_signer(self) -> Any:
        with self._lock:
            if self._signer is None:
                self._signer = _new_signer(self._account)
            return self._signer


def every(
    call: Callable[..., Any], operation: str, *arguments: Any, page_size: int = PAGE_SIZE, **options: Any
) -> list[Any]:
    """All pages of a list operation: `every(connection.compute, "list_instances", compartment)`.

    All or an error: a list that may lack something is never returned.
    """
    found: list[Any] = []
    page: str | None = None
    while True:
        turn = {"page": page} if page else {}
        response = call(operation, *arguments, limit=page_size, **turn, **options)
        found += getattr(response.data, "items", response.data)
        page = response.headers.get("opc-next-page")
        if not page:
            return found


_paces: dict[tuple[object, ...], Pace] = {}
_paces_lock = threading.Lock()


def _pace_of(account: Account) -> Pace:
    """One pace for all providers that use the same account."""
    rate = account.calls_per_second
    key = (account.tenancy_ocid, account.user_ocid, account.region, account.endpoint_url, rate)
    with _paces_lock:
        return _paces.setdefault(key, Pace(rate, max(1, round(rate * _BURST_SECONDS))))


def _new_signer(account: Account) -> Any:
    if account.private_key is None:
        from oci.auth.signers import InstancePrincipalsSecurityTokenSigner
        from oci.retry import NoneRetryStrategy

        # Its own repeats take minutes, in which a thread is lost.
        once = NoneRetryStrategy()
        return InstancePrincipalsSecurityTokenSigner(retry_strategy=once, federation_client_retry_strategy=once)
    from oci.signer import Signer

    return Signer(
        account.tenancy_ocid,
        account.user_ocid,
        account.fingerprint,
        None,
        pass_phrase=account.passphrase.get_secret_value() if account.passphrase else None,
        private_key_content=account.private_key.get_secret_value(),
    )


def _new_client(service: str, account: Account, signer: Any) -> Any:
    from oci.circuit_breaker import NoCircuitBreakerStrategy
    from oci.core import BlockstorageClient, ComputeClient, VirtualNetworkClient
    from oci.dns import DnsClient
    from oci.identity import IdentityClient
    from oci.retry import NoneRetryStrategy

    kind = {
        "compute": ComputeClient,
        "network": VirtualNetworkClient,
        "block_storage": BlockstorageClient,
        "identity": IdentityClient,
        "dns": DnsClient,
    }[service]
    config = {
        "user": account.user_ocid,
        "tenancy": account.tenancy_ocid,
        "fingerprint": account.fingerprint,
        "key_content": "kept by the signer",
        "region": account.region or getattr(signer, "region", None),
    }
    client = kind(
        {name: value for name, value in config.items() if value is not None},
        signer=signer,
        service_endpoint=account.endpoint_url,
        # Temporal repeats, with everything that it knows; a repeat inside the SDK would hide what happened.
        retry_strategy=NoneRetryStrategy(),
        circuit_breaker_strategy=NoCircuitBreakerStrategy(),
        timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
    )
    client.base_client.session.hooks["response"].append(_refuse_what_is_not_whole)
    if account.ca_file is not None:
        _trust(client, account.ca_file)
    return client


class AnswerCutShort(OSError):
    """OCI answered with success, and what arrived is not whole."""


def _refuse_what_is_not_whole(response: Any, **_: Any) -> None:
    # The SDK would make an empty list or an empty thing of it, which says that nothing exists.
    ought_to_be_one = response.status_code == 200 or (response.status_code == 204 and response.request.method == "GET")
    if not ought_to_be_one or "opc-request-id" not in response.headers:
        return
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, list | dict):
        raise AnswerCutShort


def _trust(client: Any, ca_file: Path) -> None:
    """Let this file decide even where REQUESTS_CA_BUNDLE is set, which would win over the session's own setting."""
    from oci.base_client import OCIHTTPAdapter

    class TrustingAdapter(OCIHTTPAdapter):  # type: ignore[misc] # the SDK has no types
        def send(self, request: Any, **options: Any) -> Any:
            return super().send(request, **{**options, "verify": str(ca_file)})

    client.base_client.session.mount("https://", TrustingAdapter())


def _unsigned(error: Exception) -> CallFailed:
    if isinstance(error, OSError):
        # The instance's metadata service, which its principal comes from, did not answer.
        fault, reason = Fault.UNKNOWN, "this worker's instance principal cannot be had"
    else:
        fault, reason = Fault.AUTHENTICATION, "the credentials are of no use"
    return CallFailed(
        fault,
        f"no call to OCI can be signed: {reason} ({type(error).__name__}); check private_key and its passphrase, or "
        "whether this worker runs on an OCI instance that has a principal",
        code=UNSIGNED,
    )


def _failure_of(error: Exception, action: str) -> CallFailed | None:
    """What this error of the SDK means; None: it is none of the SDK's."""
    from oci.exceptions import ServiceError

    if isinstance(error, ServiceError):
        fault = _fault_of(error)
        said = _ENCODED.sub("...", " ".join(str(error.message or "no reason given").split()))[:_LONGEST_MESSAGE]
        message = (
            f"OCI refused to {action}: {error.status} {error.code or 'without a code'}, {said} "
            f"(request {error.request_id or 'without an id'}); {_WAY_OUT[fault]}"
        )
        return CallFailed(fault, message, code=error.code, retry_after_seconds=_retry_after_seconds(error))
    if isinstance(error, OSError):
        # So are all that the SDK raises where a connection fails.
        cause = error.args[0] if error.args else error
        return CallFailed(
            Fault.UNKNOWN,
            f"no answer of OCI to {action} ({type(cause).__name__}); what happened is not known, ask again",
        )
    return None


def _fault_of(error: Any) -> Fault:
    if error.status == _TOO_MANY_REQUESTS:
        return Fault.THROTTLED
    if error.status >= _SERVER_ERROR and any(words in str(error.message).lower() for words in _NO_CAPACITY):
        # A plain InternalError, which its message alone tells from the others.
        return Fault.CAPACITY
    return _FAULT_OF_CODE.get(error.code or "", Fault.UNKNOWN)


def _retry_after_seconds(error: Any) -> float | None:
    try:
        return min(max(0.0, float(error.headers.get("retry-after"))), _LONGEST_RETRY_SECONDS)
    except (TypeError, ValueError):
        return None


_WAY_OUT: Final[Mapping[Fault, str]] = {
    Fault.AUTHENTICATION: "check user_ocid, tenancy_ocid, fingerprint and private_key, and the worker's clock",
    Fault.PERMISSION: "give the user's group the policy that Poolwright's page on OCI shows",
    Fault.QUOTA: "ask for a higher service limit or compartment quota, or use another shape or availability domain",
    Fault.CAPACITY: "another availability domain or shape may have room",
    Fault.INVALID: "correct the settings; `poolwright provider check` names what does not exist",
    Fault.MISSING: "OCI does not tell what is missing from what is forbidden: look at the OCIDs and at the policy",
    Fault.CONFLICT: "ask again when the other operation is over",
    Fault.THROTTLED: "the account goes slower for a while",
    Fault.UNKNOWN: "ask again",
}
