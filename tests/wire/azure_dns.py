"""Stands for Azure DNS, public zones (2018-05-01) and private ones (2024-06-01), and for the login before them.

It holds to what Microsoft's reference says of record sets: `If-None-Match: *` creates only, `If-Match` writes or
removes only what still has that etag, and an alias stands alone at its name. What the API does not describe is a
complaint, and so is any write without a condition, which the API would allow and our provider must never send.
"""

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.wire.azure_login import Login
from tests.wire.server import Request, Response

PUBLIC, PRIVATE = "dnsZones", "privateDnsZones"
PAGE_SIZE = 3
_VERSIONS = {PUBLIC: "2018-05-01", PRIVATE: "2024-06-01"}
_LISTS = {PUBLIC: "recordsets", PRIVATE: "ALL"}
_KINDS = {
    PUBLIC: ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"),
    PRIVATE: ("A", "AAAA", "CNAME", "MX", "PTR", "SOA", "SRV", "TXT"),
}
_PATH = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)(/resourceGroups/(?P<group>[^/]+))?"
    r"/providers/Microsoft\.Network/(?P<type>dnsZones|privateDnsZones)(/(?P<zone>[^/]+)(/(?P<rest>.+))?)?",
    re.IGNORECASE,
)
_PERMISSIONS = "providers/Microsoft.Authorization/permissions"


@dataclass
class StoredSet:
    """A record set: its records as lines of a zone file."""

    lines: list[str]
    ttl: int = 300
    metadata: dict[str, str] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class StoredZone:
    """A zone: its record sets by relative name and kind."""

    type: str
    group: str
    name: str
    sets: dict[tuple[str, str], StoredSet] = field(default_factory=dict)


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.response = dns_error(status, code, message)


def dns_error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as Azure DNS says it: flat, other than Azure Resource Manager itself."""
    return Response(status, {"code": code, "message": message}, headers or {})


class AzureDNSService:
    """One subscription with zones in resource groups."""

    def __init__(self) -> None:
        self.login = Login()
        self.subscription = ""
        self.zones: list[StoredZone] = []
        self.complaints: list[str] = []
        self.actions = ["Microsoft.Network/dnsZones/*", "Microsoft.Network/privateDnsZones/*"]
        self.base_url = ""
        """Where it is reached: the links to next pages name it."""
        self.before_next_write: Callable[[], None] | None = None

    def clear(self, subscription: str) -> None:
        """Forget all zones, and be this subscription from now on."""
        self.subscription = subscription
        self.zones.clear()
        self.actions = ["Microsoft.Network/dnsZones/*", "Microsoft.Network/privateDnsZones/*"]

    def add_zone(self, kind: str, group: str, name: str) -> StoredZone:
        """Add an empty zone."""
        zone = StoredZone(kind, group, name)
        zone.sets["@", "SOA"] = StoredSet(["ns.example. host.example. 1 2 3 4 5"])
        if kind == PUBLIC:
            zone.sets["@", "NS"] = StoredSet(["ns.example."])
        self.zones.append(zone)
        return zone

    def __call__(self, request: Request) -> Response:
        if self.login.knows(request):
            return self.login(request)
        refused = self.login.refusal(request)
        if refused is not None:
            return refused
        try:
            return self._answer(request)
        except Refusal as error:
            return error.response

    def _answer(self, request: Request) -> Response:
        match = _PATH.fullmatch(request.path)
        if match is None or match["subscription"] != self.subscription:
            raise Refusal(404, "SubscriptionNotFound", f"{request.path} was not found.")
        kind = next(one for one in _VERSIONS if one.lower() == match["type"].lower())
        rest = match["rest"] or ""
        if rest.lower() == _PERMISSIONS.lower():
            return Response(body={"value": [{"actions": self.actions, "notActions": []}]})
        if request.parameter("api-version") != _VERSIONS[kind]:
            self._complain(f"the API has no version {request.parameter('api-version')}")
        if not match["zone"]:
            groups = [zone.group for zone in self.zones] if match["group"] is None else [match["group"]]
            found = [zone for zone in self.zones if zone.type == kind and zone.group in groups]
            return self._page(request, [self._zone_json(zone) for zone in found])
        zone = self._zone(kind, match["group"] or "", match["zone"])
        if rest.lower() == _LISTS[kind].lower() and request.method == "GET":
            return self._page(request, [self._set_json(zone, *key) for key in sorted(zone.sets)])
        record_kind, _, name = rest.partition("/")
        if record_kind not in _KINDS[kind] or not name or request.method not in ("GET", "PUT", "DELETE"):
            self._complain(f"{request.method} {request.path} is no call of the API")
        answer: Response = getattr(self, f"_{request.method.lower()}")(request, zone, name.lower(), record_kind)
        return answer

    def _get(self, request: Request, zone: StoredZone, name: str, kind: str) -> Response:
        if (name, kind) not in zone.sets:
            raise Refusal(404, "NotFound", f"The resource record '{name}' does not exist in resource group.")
        return Response(body=self._set_json(zone, name, kind))

    def _put(self, request: Request, zone: StoredZone, name: str, kind: str) -> Response:
        self._meanwhile()
        made = self._read(zone.type, kind, request.json)
        there = zone.sets.get((name, kind))
        self._check_condition(request, there, f"{kind} {name}")
        others = {other for at, other in zone.sets if at == name and other != kind}
        if others and (kind == "CNAME" or "CNAME" in others):
            raise Refusal(
                409,
                "Conflict",
                f"The record could not be created because a CNAME record with the same name already exists: {name}",
            )
        zone.sets[name, kind] = made
        return Response(200 if there else 201, self._set_json(zone, name, kind))

    def _delete(self, request: Request, zone: StoredZone, name: str, kind: str) -> Response:
        self._meanwhile()
        there = zone.sets.get((name, kind))
        if there is None:
            return Response(204)
        self._check_condition(request, there, f"{kind} {name}")
        del zone.sets[name, kind]
        return Response(200)

    def _meanwhile(self) -> None:
        step, self.before_next_write = self.before_next_write, None
        if step:
            step()

    def _check_condition(self, request: Request, there: StoredSet | None, what: str) -> None:
        if_match, if_none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
        if if_match in (None, "*") and if_none_match != "*":
            self._complain(f"{request.method} {what} without a condition")
        if if_none_match == "*" and there is not None:
            raise Refusal(
                412, "PreconditionFailed", f"The Record set {what} exists already and hence cannot be created."
            )
        if if_match is not None and (there is None or if_match.strip('"') != there.etag):
            raise Refusal(412, "PreconditionFailed", f"The Record set {what} has been modified (etag mismatch).")

    def _read(self, zone_type: str, kind: str, body: Any) -> StoredSet:
        properties = body.get("properties", {})
        ttl_key, records_key = _keys(zone_type, kind)
        if set(body) - {"properties", "etag"} or set(properties) - {ttl_key, records_key, "metadata"}:
            self._complain(f"unknown keys: {body}")
        ttl, metadata = properties.get(ttl_key), properties.get("metadata", {})
        if not isinstance(ttl, int) or not 1 <= ttl <= 2**31 - 1:
            self._complain(f"no TTL: {ttl}")
        if not all(isinstance(text, str) for pair in metadata.items() for text in pair) or len(metadata) > 10:
            self._complain(f"no metadata: {metadata}")
        lines = list(self._lines(kind, properties.get(records_key)))
        if not 1 <= len(lines) <= 20 or len(set(lines)) != len(lines):
            self._complain(f"a record set has 1 to 20 records: {lines}")
        return StoredSet(lines, ttl, dict(metadata))

    def _lines(self, kind: str, records: Any) -> Iterator[str]:
        key = {"A": "ipv4Address", "AAAA": "ipv6Address", "PTR": "ptrdname"}.get(kind, "")
        for one in records or ():
            if not key or set(one) != {key} or not isinstance(one[key], str):
                self._complain(f"no {kind} record: {one}")
            yield f"{one[key].removesuffix('.')}." if kind == "PTR" else one[key]

    def _zone(self, kind: str, group: str, name: str) -> StoredZone:
        for zone in self.zones:
            if (zone.type, zone.group.lower(), zone.name) == (kind, group.lower(), name.lower()):
                return zone
        raise Refusal(404, "ParentResourceNotFound", f"The zone {name} was not found.")

    def _page(self, request: Request, items: Sequence[Any]) -> Response:
        start = int(request.parameter("$skipToken") or 0)
        body: dict[str, Any] = {"value": items[start : start + PAGE_SIZE]}
        if start + PAGE_SIZE < len(items):
            version = request.parameter("api-version")
            body["nextLink"] = f"{self.base_url}{request.path}?api-version={version}&$skipToken={start + PAGE_SIZE}"
        return Response(body=body)

    def _zone_json(self, zone: StoredZone) -> Mapping[str, Any]:
        return {
            "id": self._id(zone),
            "name": zone.name,
            "type": f"Microsoft.Network/{zone.type}",
            "location": "global",
            "properties": {"numberOfRecordSets": len(zone.sets), "maxNumberOfRecordSets": 10_000},
        }

    def _set_json(self, zone: StoredZone, name: str, kind: str) -> Mapping[str, Any]:
        stored = zone.sets[name, kind]
        ttl_key, records_key = _keys(zone.type, kind)
        return {
            "id": f"{self._id(zone)}/{kind}/{name}",
            "name": name,
            "type": f"Microsoft.Network/{zone.type}/{kind}",
            "etag": stored.etag,
            "properties": {
                "metadata": stored.metadata,
                "fqdn": f"{zone.name}." if name == "@" else f"{name}.{zone.name}.",
                ttl_key: stored.ttl,
                records_key: _records_json(kind, stored.lines),
            },
        }

    def _id(self, zone: StoredZone) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{zone.group}/providers/Microsoft.Network/"
            f"{zone.type}/{zone.name}"
        )

    def _complain(self, what: str) -> None:
        self.complaints.append(what)
        raise Refusal(400, "BadRequest", what)


def _keys(zone_type: str, kind: str) -> tuple[str, str]:
    """What the TTL and the records are called, which differs between the two APIs."""
    singular = kind in ("CNAME", "SOA")
    records = f"{kind}Record{'' if singular else 's'}"
    if zone_type == PRIVATE or kind == "CAA":
        records = f"{kind.lower()}{records.removeprefix(kind)}"
    return ("ttl" if zone_type == PRIVATE else "TTL"), records


def _records_json(kind: str, lines: Sequence[str]) -> Any:
    match kind:
        case "A":
            return [{"ipv4Address": line} for line in lines]
        case "AAAA":
            return [{"ipv6Address": line} for line in lines]
        case "PTR":
            return [{"ptrdname": line} for line in lines]
        case "TXT":
            return [{"value": [line.strip('"')]} for line in lines]
        case "CNAME":
            return {"cname": lines[0]} if lines else None
        case "MX":
            return [{"preference": int(line.split()[0]), "exchange": line.split()[1]} for line in lines]
        case "SOA":
            return {"host": lines[0].split()[0]}
    return [{"nsdname": line} for line in lines]
