"""A stand-in for OCI DNS: zones of one compartment, and changes with conditions that are carried out as a whole."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.wire.oci_requests import Identity, failed, hidden, violations, with_request_id
from tests.wire.server import Request, Response

BASE = "/20180115"
COMPARTMENT = "ocid1.compartment.oc1..names"
_KINDS = frozenset(
    ["A", "AAAA", "ALIAS", "CAA", "CNAME", "DNAME", "HTTPS", "MX", "NS", "PTR", "SOA", "SPF", "SRV", "SVCB", "TXT"]
)


@dataclass
class StoredZone:
    """A zone with its records."""

    name: str
    ocid: str
    scope: str = "GLOBAL"
    zone_type: str = "PRIMARY"
    view: str | None = None
    state: str = "ACTIVE"
    is_protected: bool = False
    records: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """(name, kind, data) -> TTL; names without a dot at their end."""

    def put(self, name: str, kind: str, data: str, ttl: int = 300) -> None:
        """Add a record; a set of records has one TTL."""
        self.records[name, kind, data] = ttl
        for key in self.records:
            if key[:2] == (name, kind):
                self.records[key] = ttl

    def matching(self, operation: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """The records that an operation describes."""
        name, kind, data = operation["domain"].rstrip(".").lower(), operation.get("rtype"), operation.get("rdata")
        return [key for key in self.records if key[0] == name and kind in (None, key[1]) and data in (None, key[2])]


class OCIDNSService:
    """The service's state and answers."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.clear()

    def clear(self) -> None:
        """No zones at all."""
        self.complaints: list[str] = []
        self.zones: dict[str, StoredZone] = {}
        self.before_next_change: Callable[[], None] | None = None
        self.unmet = failed(409, "Conflict", "A precondition does not hold.")
        """How a condition that does not hold is answered: Oracle does not say."""
        self.page_size = 1000
        self.changes = 0

    def add_zone(self, name: str, **properties: Any) -> StoredZone:
        """A zone, with the records that every zone has."""
        ocid = f"ocid1.dns-zone.oc1..{len(self.zones) + 1}"
        zone = self.zones[ocid] = StoredZone(name, ocid, **properties)
        zone.put(name, "SOA", "ns1.p68.dns.oraclecloud.net. hostmaster. 1 3600 600 604800 1800")
        zone.put(name, "NS", "ns1.p68.dns.oraclecloud.net.", 86_400)
        return zone

    def __call__(self, request: Request) -> Response:
        return with_request_id(self._answered(request))

    def _answered(self, request: Request) -> Response:
        if refusal := self._identity.refusal(request):
            return refusal
        parts = request.path.removeprefix(BASE).strip("/").split("/")
        if request.path.startswith(BASE) and parts[0] == "zones":
            if request.method == "GET" and len(parts) == 1:
                return self._list_zones(request)
            zone = self.zones.get(parts[1])
            if parts[2:] == ["records"] and request.method in ("GET", "PATCH"):
                if zone is None:
                    return hidden()
                return self._read(request, zone) if request.method == "GET" else self._change(request, zone)
        return self._complain(failed(404, "NotFound", "no such operation"), f"{request.method} {request.path}")

    def _list_zones(self, request: Request) -> Response:
        if request.parameter("compartmentId") != COMPARTMENT:
            return hidden()
        asked = {name: request.parameter(name) for name in ("scope", "zoneType", "viewId")}
        found = [
            {
                "name": zone.name,
                "id": zone.ocid,
                "zoneType": zone.zone_type,
                "scope": zone.scope,
                "viewId": zone.view,
                "lifecycleState": zone.state,
                "isProtected": zone.is_protected,
                "compartmentId": COMPARTMENT,
            }
            for zone in self.zones.values()
            if asked["scope"] in (None, zone.scope)
            and asked["zoneType"] in (None, zone.zone_type)
            and asked["viewId"] in (None, zone.view)
        ]
        return self._page(request, found, lambda items: items)

    def _read(self, request: Request, zone: StoredZone) -> Response:
        part, exactly = request.parameter("domainContains"), request.parameter("domain")
        found = [
            {
                "domain": name,
                "rtype": kind,
                "rdata": data,
                "ttl": ttl,
                "recordHash": f"{hash((name, kind, data)):x}",
                "isProtected": kind in ("SOA", "NS") and name == zone.name,
                "rrsetVersion": "1",
            }
            for (name, kind, data), ttl in sorted(zone.records.items())
            if (part or "").lower() in name and exactly in (None, name)
        ]
        return self._page(request, found, lambda items: {"items": items})

    def _change(self, request: Request, zone: StoredZone) -> Response:
        if step := self.before_next_change:
            self.before_next_change = None
            step()
        body = request.json
        if wrong := _problem_with(body, zone):
            return self._complain(failed(400, "InvalidParameter", wrong), f"change of {zone.name}: {wrong}")
        operations: list[dict[str, Any]] = body["items"]
        for one in operations:
            is_there = bool(zone.matching(one))
            if (one["operation"], is_there) in (("REQUIRE", False), ("PROHIBIT", True)):
                return self.unmet
        changed = StoredZone(zone.name, zone.ocid, records=dict(zone.records))
        for one in operations:
            _apply(changed, one)
        if _alias_beside_others(changed):
            return failed(400, "InvalidParameter", "A CNAME record cannot stand beside others.")
        self.changes += changed.records != zone.records
        zone.records = changed.records
        return Response(200, {"items": []})

    def _page(self, request: Request, found: Sequence[Any], wrapped: Callable[[list[Any]], Any]) -> Response:
        start = int(request.parameter("page") or 0)
        end = start + min(self.page_size, int(request.parameter("limit") or 50))
        headers = {"opc-next-page": str(end)} if end < len(found) else {}
        return Response(200, wrapped(list(found[start:end])), headers)

    def _complain(self, answer: Response, problem: str) -> Response:
        self.complaints.append(problem)
        return answer


def _problem_with(body: Any, zone: StoredZone) -> str | None:
    from oci.dns.models import dns_type_mapping

    found = [str(one) for one in violations(body, "PatchZoneRecordsDetails", dns_type_mapping)]
    if found:
        return "; ".join(found)
    for one in body.get("items") or [{}]:
        name, kind, ttl = str(one.get("domain", "")), one.get("rtype"), one.get("ttl", 60)
        if not f".{name}".endswith(f".{zone.name}") or kind not in _KINDS:
            found.append(f"{name} {kind} cannot be in {zone.name}")
        if one.get("operation") not in ("REQUIRE", "PROHIBIT", "ADD", "REMOVE") or ttl < 1:
            found.append(f"{one} is no operation")
        if kind == "TXT" and not str(one.get("rdata", '""')).startswith('"'):
            found.append(f"{one} has a text without quotes")
    return "; ".join(found) or None


def _apply(zone: StoredZone, operation: Mapping[str, Any]) -> None:
    if operation["operation"] == "REMOVE":
        for key in zone.matching(operation):
            del zone.records[key]
    elif operation["operation"] == "ADD":
        if operation.get("rdata") is not None:
            zone.put(operation["domain"].rstrip("."), operation["rtype"], operation["rdata"], operation.get("ttl", 300))
        for key in zone.matching(operation):
            zone.records[key] = operation.get("ttl", 300)


def _alias_beside_others(zone: StoredZone) -> bool:
    aliases = {name for name, kind, _ in zone.records if kind == "CNAME"}
    return any(name in aliases and kind != "CNAME" for name, kind, _ in zone.records)
