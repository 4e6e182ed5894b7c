"""The calls to Cloud DNS that are needed, over its REST API.

Google's own package for it, google-cloud-dns, has no way to ask for one name only, so that each look would read the
whole zone; none to set a time limit on a change; it hides whether a zone is private; and it cannot ask for permissions.
So the login and the session are Google's (google-auth), and the five calls are made here.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from poolwright.dns.claims import TURNS
from poolwright.dns.errors import DNSError, InvalidSettings, Transient
from poolwright.dns.google.errors import error_of, throttled
from poolwright.dns.google.records import Place, RecordSet, read
from poolwright.dns.names import owner_name
from poolwright.vendors import gcp
from poolwright.vendors.pace import TooFast
from poolwright.vendors.patience import Patience

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport.requests import AuthorizedSession

    from poolwright.dns.google.zones import Zone

ENDPOINT: Final = "https://dns.googleapis.com"
# Below 600 calls in any minute. What a project may do is its own quota; a refusal pauses all calls anyway.
_CALLS_PER_SECOND: Final = 8.0
_BURST_CALLS: Final = 100
_BAD_REQUEST: Final = 400
_UNMET: Final = frozenset({_BAD_REQUEST, 404, 409, 412})
_PERMISSIONS: Final = ":testIamPermissions"
"""The end of the one path whose answers do not say what they are."""


class Unmet(Exception):
    """A change was refused as a whole: what it takes for granted is not so, or not any more. Look again."""

    def __init__(self, error: DNSError) -> None:
        super().__init__(str(error))
        self.error = error
        """What to raise when looking again does not help."""


class CloudDNS:
    """One project. Threads may share it; each has a session of its own."""

    def __init__(self, account: gcp.Account, clock: Callable[[], float]) -> None:
        self._account = account
        self._root = f"{account.endpoint_url or ENDPOINT}/dns/v1/projects/{account.project}/managedZones"
        self._pace = gcp.pace_of(account, "dns", _CALLS_PER_SECOND, _BURST_CALLS, clock)
        self._patience = Patience()
        self.operation = self._patience.operation
        """Around the calls that belong together: the first may be refused for coming too early, the others wait."""
        self._lock = threading.Lock()
        self._login: Credentials | None = None
        self._mine = threading.local()

    @property
    def project(self) -> str:
        """The project's id."""
        return self._account.project

    def managed_zones(self) -> Sequence[Mapping[str, Any]]:
        """All managed zones of the project, as the API has them."""
        return list(self._pages("", "managedZones", {}, "asked for the managed zones"))

    def at(self, zone: "Zone", name: str) -> tuple[RecordSet, ...]:
        """The record sets at this very name."""
        native = self._pages(f"/{zone.resource}/rrsets", "rrsets", {"name": f"{name}."}, f"asked for {name}")
        return tuple(map(read, native))

    def place(self, zone: "Zone", name: str) -> Place:
        """What is at this name, and at the name of its owner mark."""
        return Place(name, self.at(zone, name), self.at(zone, owner_name(name)))

    def first_look(self, zone: "Zone", name: str) -> Place:
        """As `place`, but where nothing is at the name itself, its mark is not asked for: a change that adds one finds
        out."""
        at_name = self.at(zone, name)
        return Place(name, at_name, self.at(zone, owner_name(name)) if at_name else ())

    def place_if_marked(self, zone: "Zone", name: str) -> Place | None:
        """As `place`; None, and one call saved, where nothing is at the name of the owner mark."""
        at_owner = self.at(zone, owner_name(name))
        return Place(name, self.at(zone, name), at_owner) if at_owner else None

    def every_set(self, zone: "Zone") -> Sequence[RecordSet]:
        """All record sets of a zone."""
        action = f"asked for all records of {zone.resource}"
        return [read(native) for native in self._pages(f"/{zone.resource}/rrsets", "rrsets", {}, action)]

    def change(self, zone: "Zone", *, deletions: Sequence[RecordSet] = (), additions: Sequence[RecordSet] = ()) -> None:
        """Remove and add these record sets as a whole. Raises `Unmet` when nothing was done because a deletion is not
        there just so, an addition is there already, or an alias is at its name."""
        body = {
            "deletions": [dict(one.native) for one in deletions],
            "additions": [dict(one.native) for one in additions],
        }
        names = sorted({one.name for one in (*deletions, *additions)}, key=len)
        self._call("POST", f"/{zone.resource}/changes", f"asked to change {names[0]}", body=body, unmet=_UNMET)

    def permissions(self, zone: "Zone", wanted: Sequence[str]) -> Sequence[str]:
        """Those of the wanted permissions that we have on this zone."""
        action = f"asked for our permissions on {zone.resource}"
        path = f"/{zone.resource}{_PERMISSIONS}"
        return list(self._call("POST", path, action, body={"permissions": list(wanted)}).get("permissions") or ())

    def _pages(self, path: str, key: str, query: Mapping[str, str], action: str) -> Iterator[Mapping[str, Any]]:
        token: str | None = None
        while True:
            page = self._call("GET", path, action, query={**query, **({"pageToken": token} if token else {})})
            yield from page.get(key) or ()
            token = page.get("nextPageToken")
            if not token:
                return

    def _call(
        self,
        method: str,
        path: str,
        action: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        unmet: frozenset[int] = frozenset(),
    ) -> Mapping[str, Any]:
        try:
            answer = self._in_turn(lambda session: _answer(session, method, f"{self._root}{path}", query, body))
        except TooFast as error:
            raise throttled(action, error.retry_after_seconds) from None
        except gcp.errors() as error:
            told, status = error_of(gcp.trouble(error), action), getattr(error, "code", None)
            if status not in unmet:
                raise told from error
            busy = Transient(f"Cloud DNS, {action}: the records kept changing meanwhile; ask again")
            raise Unmet(told if status == _BAD_REQUEST else busy) from error
        if not (isinstance(answer, Mapping) and (path.endswith(_PERMISSIONS) or _is_googles(answer))):
            raise Transient(f"Cloud DNS, {action}: the answer is not one of its own; ask again")
        return answer

    def _in_turn(self, call: "Callable[[AuthorizedSession], Any]") -> Any:
        for turns_left in reversed(range(TURNS)):
            try:
                with gcp.paced(self._pace):
                    answer = call(self._session())
            except TooFast as refusal:
                if not turns_left or not self._patience.waited(refusal.retry_after_seconds):
                    raise
            else:
                self._patience.made()
                return answer
        raise AssertionError("the last turn ends in an answer or an error")

    def _session(self) -> "AuthorizedSession":
        found: AuthorizedSession | None = getattr(self._mine, "session", None)
        if found is None:
            ca_file = self._account.ca_file
            if ca_file and not ca_file.is_file():
                raise InvalidSettings(f"there is no file {ca_file} to read authorities from; correct `ca_file`")
            with self._lock:
                if self._login is None:
                    self._login = gcp.credentials(self._account)
            found = self._mine.session = gcp.session(self._account, self._login)
        return found


def _is_googles(answer: Mapping[str, Any]) -> bool:
    """Whether Cloud DNS has written this. Its empty lists have no items, as has any JSON of a gateway's."""
    return str(answer.get("kind", "")).startswith("dns#")


def _answer(
    session: "AuthorizedSession",
    method: str,
    url: str,
    query: Mapping[str, str] | None,
    body: Mapping[str, Any] | None,
) -> Any:
    from google.api_core.exceptions import from_http_response

    response = session.request(method, url, params=query, json=body)  # type: ignore[no-untyped-call]
    if not response.ok:
        raise from_http_response(response)  # type: ignore[no-untyped-call]
    return response.json()
