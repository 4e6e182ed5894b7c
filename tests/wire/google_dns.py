"""Stands for Google Cloud DNS (REST v1), for one service account that signs its own tokens.

It holds to what the API's reference says: a change is carried out as a whole or not at all, each deletion must repeat a
record set exactly, each addition must be new once the deletions are done, and an alias stands alone at its name.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from tests.wire.server import Request, Response

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PERMISSIONS = frozenset(
    {
        "dns.changes.create",
        "dns.resourceRecordSets.create",
        "dns.resourceRecordSets.delete",
        "dns.resourceRecordSets.list",
        "dns.resourceRecordSets.update",
    }
)

_RRSET = {"kind", "name", "type", "ttl", "rrdatas", "signatureRrdatas", "routingPolicy"}
_CHANGE = {"kind", "additions", "deletions", "startTime", "id", "status", "isServing"}
_NAME = re.compile(r"^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+$")
_PROJECT = r"/dns/v1/projects/(?P<project>[a-z0-9-]+)"
_ROUTES = {
    ("GET", re.compile(rf"{_PROJECT}/managedZones")): "zones",
    ("GET", re.compile(rf"{_PROJECT}/managedZones/(?P<zone>[a-z0-9-]+)/rrsets")): "rrsets",
    ("POST", re.compile(rf"{_PROJECT}/managedZones/(?P<zone>[a-z0-9-]+)/changes")): "changes",
    ("POST", re.compile(rf"{_PROJECT}/managedZones/(?P<zone>[a-z0-9-]+):testIamPermissions")): "permissions",
}

_FORMS: Mapping[str, Callable[[Any], object]] = {
    "A": IPv4Address,
    "AAAA": IPv6Address,
    "TXT": re.compile(r'"[^"]{0,255}"').fullmatch,
    "PTR": _NAME.match,
    "CNAME": _NAME.match,
}

RRSet = dict[str, Any]


class Refusal(Exception):
    """An answer that is an error, in the form that all of Google's JSON APIs have."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.response = refusal(status, reason, message)


def refusal(status: int, reason: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error."""
    one = {"message": message, "domain": "global", "reason": reason}
    return Response(status, {"error": {"code": status, "message": message, "errors": [one]}}, headers or {})


class GoogleDNSService:
    """One project with managed zones."""

    page_size = 3

    def __init__(self, public_key: RSAPublicKey) -> None:
        """`public_key`: that of the service account."""
        self.complaints: list[str] = []
        self.project = "project-0"
        self._public_key = public_key
        self.zones: dict[str, dict[str, Any]] = {}
        self.records: dict[str, dict[tuple[str, str], RRSet]] = {}
        self.permissions = set(PERMISSIONS)
        self.tokens: set[str] = set()
        """Tokens that Google's token service gave out, beside those that the service account signs."""
        self.changes = 0
        self.before_next_change: Callable[[], None] | None = None

    def add_zone(self, resource: str, dns_name: str, visibility: str = "public", **more: Any) -> None:
        """Add an empty managed zone."""
        self.zones[resource] = {
            "kind": "dns#managedZone",
            "id": str(1000 + len(self.zones)),
            "name": resource,
            "dnsName": f"{dns_name}.",
            "visibility": visibility,
            **more,
        }
        self.records[resource] = {}
        if not more:
            self.put(resource, f"{dns_name}.", "SOA", ["ns-cloud-a1.googledomains.com. dns.example. 1 2 3 4 5"])
            self.put(resource, f"{dns_name}.", "NS", ["ns-cloud-a1.googledomains.com."])

    def put(self, resource: str, name: str, kind: str, data: Sequence[str], ttl: int = 300, **more: Any) -> None:
        """Set a record set as somebody else does, without conditions."""
        rrset = {"kind": "dns#resourceRecordSet", "name": name, "type": kind, "ttl": ttl, "rrdatas": list(data), **more}
        self.records[resource][name, kind] = rrset

    def clear(self, project: str) -> None:
        """Forget all zones, and be this project from now on."""
        self.project = project
        self.zones.clear()
        self.records.clear()
        self.permissions = set(PERMISSIONS)

    def __call__(self, request: Request) -> Response:
        try:
            self._check_token(request.headers.get("authorization", "").removeprefix("Bearer "))
            for (method, path), name in _ROUTES.items():
                match = path.fullmatch(request.path)
                if match and method == request.method:
                    self._check_project(match["project"])
                    answer: Response = getattr(self, f"_{name}")(request, *match.groups()[1:])
                    return answer
        except Refusal as error:
            return error.response
        self.complaints.append(f"{request.method} {request.path} is no call of the API")
        return refusal(404, "notFound", "The requested URL was not found on this server.")

    def _check_token(self, token: str) -> None:
        if token in self.tokens:
            return
        try:
            head, body, signature = token.split(".")
            self._public_key.verify(_decoded(signature), f"{head}.{body}".encode(), PKCS1v15(), SHA256())
            claims = json.loads(_decoded(body))
        except (ValueError, InvalidSignature):
            raise Refusal(401, "authError", "Request had invalid authentication credentials.") from None
        if claims.get("scope") != SCOPE and not str(claims.get("aud", "")).startswith("https://dns."):
            self._complain(f"a token for something else: {claims.get('scope')}, {claims.get('aud')}")

    def _check_project(self, project: str) -> None:
        if project != self.project:
            raise Refusal(403, "forbidden", f"Permission denied on resource project {project}.")

    def _zones(self, request: Request) -> Response:
        self._check_query(request, {"pageToken", "maxResults", "dnsName"})
        return self._page(request, "managedZones", list(self.zones.values()))

    def _rrsets(self, request: Request, zone: str) -> Response:
        self._check_query(request, {"pageToken", "maxResults", "name", "type"})
        records = self._zone(zone).values()
        name, kind = request.parameter("name"), request.parameter("type")
        if kind and not name:
            raise Refusal(400, "required", "The parameter type needs the parameter name")
        if name and not name.endswith("."):
            raise Refusal(400, "invalid", f"Invalid value for 'parameters.name': '{name}'")
        found = [one for one in records if name in (None, one["name"]) and kind in (None, one["type"])]
        return self._page(request, "rrsets", sorted(found, key=lambda one: (one["name"], one["type"])))

    def _permissions(self, request: Request, zone: str) -> Response:
        self._zone(zone)
        asked = request.json["permissions"]
        return Response(body={"permissions": [one for one in asked if one in self.permissions]})

    def _changes(self, request: Request, zone: str) -> Response:
        step, self.before_next_change = self.before_next_change, None
        if step:
            step()
        records = dict(self._zone(zone))
        change = self._checked(request.json)
        for number, one in enumerate(change.get("deletions", [])):
            self._delete(records, one, f"entity.change.deletions[{number}]")
        for number, one in enumerate(change.get("additions", [])):
            self._add(zone, records, one, f"entity.change.additions[{number}]")
        self.records[zone] = records
        self.changes += 1
        return Response(body={"kind": "dns#change", **change, "id": str(self.changes), "status": "pending"})

    def _delete(self, records: dict[tuple[str, str], RRSet], one: RRSet, what: str) -> None:
        there = records.get((one["name"], one["type"]))
        if there is None:
            raise Refusal(404, "notFound", f"The '{what}' resource named '{_label(one)}' does not exist.")
        if _content(there) != _content(one):
            raise Refusal(412, "conditionNotMet", f"Precondition not met for '{what}'")
        del records[one["name"], one["type"]]

    def _add(self, zone: str, records: dict[tuple[str, str], RRSet], one: RRSet, what: str) -> None:
        name, kind = one["name"], one["type"]
        suffix = self.zones[zone]["dnsName"]
        if name != suffix and not name.endswith(f".{suffix}"):
            self._complain(f"{name} is not in the zone {suffix}")
        if (name, kind) in records:
            raise Refusal(409, "alreadyExists", f"The resource '{what}' named '{_label(one)}' already exists")
        others = {other for at, other in records if at == name}
        if others and "CNAME" in {kind, *others}:
            raise Refusal(
                400,
                "cnameResourceRecordSetConflict",
                f"The resource record set '{what}' is invalid because the DNS name '{name}' may have either one CNAME "
                "resource record set or resource record sets of other types, but not both.",
            )
        records[name, kind] = {"kind": "dns#resourceRecordSet", **one}

    def _checked(self, change: Any) -> dict[str, Any]:
        if not isinstance(change, dict) or set(change) - _CHANGE or not (change.keys() & {"additions", "deletions"}):
            self._complain(f"no change: {json.dumps(change)}")
        rrsets = [*change.get("additions", []), *change.get("deletions", [])]
        if not rrsets or len(rrsets) > 1000:
            self._complain("a change has 1 to 1000 record sets")
        for one in rrsets:
            self._check_rrset(one)
        return dict(change)

    def _check_rrset(self, one: Any) -> None:
        if not isinstance(one, dict) or set(one) - _RRSET or not {"name", "type"} <= set(one):
            self._complain(f"no record set: {json.dumps(one)}")
        if not _NAME.match(one["name"]) or len(one["name"]) > 254:
            self._complain(f"no absolute name: {one['name']}")
        if not isinstance(one.get("ttl"), int) or not 0 <= one["ttl"] < 2**31:
            self._complain(f"no TTL: {one.get('ttl')}")
        data = one.get("rrdatas", [])
        if not ("routingPolicy" in one or data) or len(set(data)) != len(data):
            self._complain(f"no record data, or some of it twice: {data}")
        for text in data:
            self._check_data(one["type"], text)

    def _check_data(self, kind: str, text: Any) -> None:
        try:
            fits = kind not in _FORMS or _FORMS[kind](text)
        except ValueError:
            fits = False
        if not fits:
            self._complain(f"{text!r} is no data of a {kind} record")

    def _zone(self, zone: str) -> dict[tuple[str, str], RRSet]:
        if zone not in self.zones:
            raise Refusal(404, "notFound", f"The 'parameters.managedZone' resource named '{zone}' does not exist.")
        return self.records[zone]

    def _page(self, request: Request, key: str, items: list[Any]) -> Response:
        start = int(request.parameter("pageToken") or 0)
        end = start + int(request.parameter("maxResults") or self.page_size)
        more = {"nextPageToken": str(end)} if end < len(items) else {}
        return Response(body={"kind": f"dns#{key}ListResponse", key: items[start:end], **more})

    def _check_query(self, request: Request, known: set[str]) -> None:
        if set(request.query) - known - {"alt", "prettyPrint"}:
            self._complain(f"unknown parameters: {sorted(request.query)}")

    def _complain(self, what: str) -> None:
        self.complaints.append(what)
        raise Refusal(400, "invalid", f"Invalid value: {what}")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}")


def _label(one: RRSet) -> str:
    return f"{one['name']} ({one['type']})"


def _content(one: RRSet) -> dict[str, Any]:
    return {key: one.get(key) for key in ("name", "type", "ttl", "rrdatas", "routingPolicy")}
