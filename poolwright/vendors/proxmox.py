"""Proxmox VE: one cluster's API, its client, its pace, and what its answers mean."""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, model_validator

from poolwright.domain.base import Model
from poolwright.vendors.faults import Fault
from poolwright.vendors.pace import Pace, TooFast

DEFAULT_PORT: Final = 8006
CONNECT_TIMEOUT_SECONDS: Final = 5.0
READ_TIMEOUT_SECONDS: Final = 30.0
LONGEST_MESSAGE: Final = 300

# Proxmox VE has no limit of its own; a node answers with few processes, and people work on its web page meanwhile.
_CALLS_PER_SECOND: Final = 40.0
_BURST_CALLS: Final = 200
# Tickets live for two hours.
_TICKET_SECONDS: Final = 3_600.0

_BY_STATUS: Final[Mapping[int, Fault]] = {
    400: Fault.INVALID,
    401: Fault.AUTHENTICATION,
    403: Fault.PERMISSION,
    429: Fault.THROTTLED,
}
# Nearly everything that Proxmox VE refuses is a 500; only its words tell one from another. The first that fits counts.
_BY_WORDS: Final[Sequence[tuple[re.Pattern[str], Fault]]] = tuple(
    (re.compile(pattern, re.IGNORECASE), fault)
    for pattern, fault in (
        (r"config(uration)? file already exists|already exists on node|(vm|ct) \d+ already exists", Fault.CONFLICT),
        (r"configuration file .* does not exist|unable to find configuration file", Fault.MISSING),
        (r"quota exceeded", Fault.QUOTA),
        (r"is full|no space left|not enough|insufficient|out of (memory|space)|cannot allocate memory", Fault.CAPACITY),
        (r"is locked|can't lock file|can't acquire lock|lock request timeout", Fault.CONFLICT),
        (r"is running - destroy failed|protection mode", Fault.CONFLICT),
        (r"not allowed for linked clones|linked clone feature is not supported", Fault.INVALID),
        (r"non-shared storage|uses local storage|no such cluster node|does not support vm images", Fault.INVALID),
        (r"(storage|pool|snapshot|bridge) '[^']*' (does not exist|is disabled)|only root can", Fault.INVALID),
    )
)
_WORD: Final = r"[A-Za-z][A-Za-z0-9.\-_]+"
_USER: Final = re.compile(rf"[^\s:/!@]+@{_WORD}(!{_WORD})?")
_TOKEN: Final = re.compile(rf"([^\s:/!@]+@{_WORD}!)?{_WORD}")
_NO_POOL: Final = re.compile(r"pool '[^']*' does not exist")


def _checked_host(host: str) -> str:
    parts = urlsplit(host if "//" in host else f"//{host}")
    if parts.scheme not in ("", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError(f"{host!r} is not a host of Proxmox VE; write pve.example.com or https://pve.example.com:8006")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise ValueError(f"{host!r} has no valid port; write it as in https://pve.example.com:8006") from None
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{name}:{port}"


def _checked_user(name: str) -> str:
    if not _USER.fullmatch(name):
        raise ValueError(f"{name!r} is no user of Proxmox VE; write it with its realm, as in poolwright@pve")
    return name


def _checked_token(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is no API token's name; write it as in desks, or poolwright@pve!desks")
    return name


class Account(Model):
    """A user or API token of a Proxmox VE cluster."""

    host: Annotated[str, AfterValidator(_checked_host)]
    """Any node of the cluster, or a name that leads to one that works: `pve.example.com`, `https://10.0.0.5:8006`."""
    username: Annotated[str, AfterValidator(_checked_user)]
    """With its realm: `poolwright@pve`. `poolwright@pve!token-name` names the token, too."""
    token_name: Annotated[str, AfterValidator(_checked_token)] | None = None
    """Name of the user's API token: `poolwright`, or in full `poolwright@pve!poolwright`."""
    token_value: SecretStr | None = None
    """The token's secret (a UUID). Either this or `password`."""
    password: SecretStr | None = None
    """The user's password, where there is no token."""
    verify_tls: bool = True
    """False: take any certificate. Whoever stands in between can then read the credentials."""
    ca_file: Path | None = None
    """PEM file of the authority that signed the nodes' certificates: a cluster's own is `/etc/pve/pve-root-ca.pem`."""

    @model_validator(mode="after")
    def _one_way_in(self) -> "Account":
        if (self.token_value is None) == (self.password is None):
            raise ValueError("give either token_name with token_value, or password")
        if self.token_value is not None and not self.token_id.partition("!")[2]:
            raise ValueError("token_value needs token_name, the name of the token that it belongs to")
        named = self.token_name or ""
        if "!" in named and named.partition("!")[0] != self.user:
            raise ValueError(f"token_name {named} is of another user than {self.user}; give that user's name")
        return self

    @property
    def user(self) -> str:
        """The user without a token's name."""
        return self.username.partition("!")[0]

    @property
    def token_id(self) -> str:
        """`user@realm!token`, or the user alone where it logs in with a password."""
        if self.token_value is None:
            return self.user
        token = (self.token_name or self.username.partition("!")[2]).rpartition("!")[2]
        return f"{self.user}!{token}"


class Refused(Exception):
    """A call failed. The message is the cluster's, shortened; it holds nothing of the request but what was called."""

    def __init__(
        self, fault: Fault, message: str, *, status: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.status = status
        """HTTP status of the call; None where none came, or the login before it failed."""
        self.retry_after_seconds = retry_after_seconds
        """With `Fault.THROTTLED`."""


class API:
    """One cluster's API. Instances may be shared by threads: each thread has its own connection.

    Every call raises `Refused`, never what proxmoxer or requests raise; none waits, and none is repeated but for one
    case: a ticket that was refused before anything was done is fetched anew.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._pace = _pace_of(account.host, account.token_id)
        self._threads = threading.local()

    def get(self, path: str, **parameters: Any) -> Any:
        """What is at the path, such as `nodes/pve1/qemu/100/config`."""
        answer = self._call("GET", path, parameters)
        if answer is None:
            raise Refused(Fault.UNKNOWN, f"GET {path} was answered with nothing")
        return answer

    def post(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Do something; long work answers with the id of its task, see `task_in`."""
        return self._call("POST", path, parameters or {})

    def put(self, path: str, parameters: Mapping[str, Any]) -> Any:
        """Change something."""
        return self._call("PUT", path, parameters)

    def delete(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Remove something."""
        return self._call("DELETE", path, parameters or {})

    def _call(self, method: str, path: str, parameters: Mapping[str, Any]) -> Any:
        doing = f"{method} {path}"
        try:
            return self._once(doing, lambda: self._send(method, path, parameters))
        except Refused as refused:
            if refused.status != 401 or self._account.password is None:
                raise
        self._threads.api = None
        return self._once(doing, lambda: self._send(method, path, parameters))

    def _send(self, method: str, path: str, parameters: Mapping[str, Any]) -> Any:
        resource = self._api()(path.split("/"))
        send = {"GET": resource.get, "POST": resource.post, "PUT": resource.put, "DELETE": resource.delete}[method]
        return send(**parameters)

    def _once(self, doing: str, send: Callable[[], Any]) -> Any:
        from proxmoxer.core import AuthenticationError, ResourceException
        from requests.exceptions import RequestException

        # What is raised is never chained: proxmoxer's and requests' errors may hold what was sent.
        try:
            self._pace.call()
            answer = send()
        except TooFast as error:
            raise Refused(Fault.THROTTLED, str(error), retry_after_seconds=error.retry_after_seconds) from None
        except ResourceException as error:
            raise self._refused(doing, error) from None
        except AuthenticationError as error:
            raise _login_refused(self._account.user, str(error)) from None
        except (RequestException, OSError, ValueError, KeyError, TypeError) as error:
            raise Refused(Fault.UNKNOWN, f"{doing} got no answer ({type(error).__name__})") from None
        if isinstance(answer, Mapping) and isinstance(answer.get("errors"), bytes):
            # proxmoxer hands a web page with status 200 back as if it were data.
            raise Refused(Fault.UNKNOWN, f"{doing} was answered by something that is not Proxmox VE")
        self._pace.answered()
        return answer

    def _refused(self, doing: str, error: Any) -> Refused:
        status = int(error.status_code)
        said = _said(error)
        fault = fault_of(status, said)
        pause = self._pace.throttled() if fault is Fault.THROTTLED else None
        return Refused(fault, f"{doing}: {status} {said}", status=status, retry_after_seconds=pause)

    def _api(self) -> Any:
        api = getattr(self._threads, "api", None)
        if api is None or time.monotonic() - self._threads.opened_at > _TICKET_SECONDS:
            api = _open(self._account)
            self._threads.api, self._threads.opened_at = api, time.monotonic()
        return api


def task_in(answer: Any) -> str:
    """The id of the task (UPID) that a call was answered with. Raises `Refused` where it names none."""
    if not isinstance(answer, str) or not answer.startswith("UPID:"):
        raise Refused(Fault.UNKNOWN, "the cluster does not say which task does it")
    return answer


def fault_of(status: int, message: str) -> Fault:
    """What an HTTP status from 400 on, with the words that came with it, means."""
    if status == 500:
        return fault_in(message)
    if status == 403 and _NO_POOL.search(message):
        return Fault.INVALID
    return _BY_STATUS.get(status, Fault.UNKNOWN)


def fault_in(message: str) -> Fault:
    """What the words of a 500 or the end of a failed task mean."""
    return next((fault for pattern, fault in _BY_WORDS if pattern.search(message)), Fault.UNKNOWN)


@lru_cache(maxsize=256)
def _pace_of(host: str, token_id: str) -> Pace:  # noqa: ARG001 (one pace for each)
    return Pace(_CALLS_PER_SECOND, _BURST_CALLS)


def _open(account: Account) -> Any:
    from proxmoxer import ProxmoxAPI

    parts = urlsplit(account.host)
    if account.token_value is not None:
        token = account.token_id.partition("!")[2]
        way_in = {"token_name": token, "token_value": account.token_value.get_secret_value()}
    else:
        assert account.password is not None
        way_in = {"password": account.password.get_secret_value()}
    return ProxmoxAPI(
        parts.hostname if ":" not in (parts.hostname or "") else f"[{parts.hostname}]",
        port=parts.port,
        user=account.user,
        verify_ssl=str(account.ca_file) if account.ca_file and account.verify_tls else account.verify_tls,
        timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
        **way_in,
    )


def _login_refused(user: str, said: str) -> Refused:
    # proxmoxer says the same of every answer but 200, whether the password was wrong or the cluster was down.
    found = re.search(r"code: (\d+)", said)
    status = int(found[1]) if found else 401
    fault = Fault.UNKNOWN if status >= 500 else Fault.THROTTLED if status == 429 else Fault.AUTHENTICATION
    return Refused(fault, f"the login of {user} was refused with {status}")


def _said(error: Any) -> str:
    said = str(error.content or error.status_message or "")
    if error.status_code == 400 and isinstance(error.errors, Mapping):
        fields = "; ".join(f"{name}: {problem}" for name, problem in error.errors.items() if isinstance(problem, str))
        said = f"{said} {fields}"
    return " ".join(said.split())[:LONGEST_MESSAGE]
