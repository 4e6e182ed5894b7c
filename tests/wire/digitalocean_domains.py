"""Stands for DigitalOcean's domains and their records, as its API description and its known answers have them.

Like the real service it takes duplicates, knows no conditions, and gives ids in the order of creation.
"""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from jsonschema import Draft202012Validator

from tests.wire.server import Request, Response

TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "SRV", "TXT")
_INTEGER = {"type": ["integer", "null"]}
_PROPERTIES = {
    "type": {"type": "string", "enum": list(TYPES)},
    "name": {"type": "string", "minLength": 1},
    "data": {"type": "string", "minLength": 1},
    "ttl": {"type": "integer"},
    **dict.fromkeys(("priority", "port", "weight", "flags"), _INTEGER),
    "tag": {"type": ["string", "null"]},
}
# The description lets unknown properties pass; a request of ours has none.
_CREATION = Draft202012Validator(
    {
        "type": "object",
        "properties": _PROPERTIES,
        "required": ["type", "name", "data"],
        "additionalProperties": False,
    }
)
_CHANGE = Draft202012Validator(
    {"type": "object", "properties": _PROPERTIES, "required": ["type"], "additionalProperties": False}
)
_QUERY = {"domains": {"per_page", "page"}, "records": {"per_page", "page", "name", "type"}}
_SHORTEST_TTL = 30
_FIRST_ID = 28_448_429


class DigitalOceanDomains:
    """The app for a `WireServer`."""

    def __init__(self) -> None:
        self.domains: dict[str, dict[int, dict[str, Any]]] = {}
        self.tokens: dict[str, frozenset[str]] = {}
        """Each token with its scopes."""
        self.before_next_write: Callable[[], None] | None = None
        self.before_next_page: Callable[[], None] | None = None
        self.complaints: list[str] = []
        """What requests did that the API description does not allow."""
        self._next_id = _FIRST_ID

    def add(self, domain: str, name: str, kind: str, data: str, ttl: int = 1800) -> int:
        """Add a record as somebody else does; `name` is relative. Returns its id."""
        self._next_id += 1
        unused = dict.fromkeys(("priority", "port", "weight", "flags", "tag"))
        record = {"id": self._next_id, "type": kind, "name": name, "data": data, "ttl": ttl, **unused}
        self.domains[domain][self._next_id] = record
        return self._next_id

    def __call__(self, request: Request) -> Response:
        """Answer as the service does."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            return _error(401, "unauthorized", "Unable to authenticate you")
        scopes = self.tokens[token]
        wanted = "domain:read" if request.method == "GET" else "domain:update"
        if wanted not in scopes:
            return _error(403, "forbidden", "You are not authorized to perform this operation")
        if request.method != "GET":
            self._let_happen("before_next_write")
        match request.path.strip("/").split("/"):
            case ["v2", "domains"] if request.method == "GET":
                return self._list_domains(request)
            case ["v2", "domains", domain, "records", *rest] if len(rest) <= 1:
                return self._records(request, domain, rest)
        self.complaints.append(f"{request.method} {request.path} is no operation of the API description")
        return _error(404, "not_found", "The resource you requested could not be found.")

    def _records(self, request: Request, domain: str, rest: Sequence[str]) -> Response:
        records = self.domains.get(domain)
        if records is None or (rest and int(rest[0]) not in records):
            return _error(404, "not_found", "The resource you requested could not be found.")
        match (request.method, rest):
            case ("GET", []):
                return self._list_records(request, domain)
            case ("POST", []):
                return self._create(domain, request)
            case ("PATCH", [record_id]):
                return self._change(records[int(record_id)], request)
            case ("DELETE", [record_id]):
                del records[int(record_id)]
                return Response(204)
        self.complaints.append(f"{request.method} {request.path} is no operation that was expected")
        return _error(405, "method_not_allowed", "Method not allowed")

    def _list_domains(self, request: Request) -> Response:
        return self._page(request, "domains", [{"name": name, "ttl": 1800} for name in sorted(self.domains)])

    def _list_records(self, request: Request, domain: str) -> Response:
        name, kind = request.parameter("name"), request.parameter("type")
        found = [
            record
            for _, record in sorted(self.domains[domain].items())
            if (name is None or _whole_name(record["name"], domain) == name) and kind in (None, record["type"])
        ]
        answer = self._page(request, "domain_records", found)
        self._let_happen("before_next_page")
        return answer

    def _page(self, request: Request, key: str, found: Sequence[Mapping[str, Any]]) -> Response:
        unknown = set(request.query) - _QUERY["domains" if key == "domains" else "records"]
        size, page = int(request.parameter("per_page") or 20), int(request.parameter("page") or 1)
        if unknown or not 1 <= size <= 200 or page < 1:
            self.complaints.append(f"{request.raw_path} has a query that the API description does not allow")
        links = {"pages": {"next": f"https://api.example/?page={page + 1}"}} if page * size < len(found) else {}
        part = [dict(one) for one in found[(page - 1) * size : page * size]]
        return Response(200, {key: part, "links": links, "meta": {"total": len(found)}})

    def _create(self, domain: str, request: Request) -> Response:
        body = request.json
        if (refusal := self._invalid(_CREATION, body)) is not None:
            return refusal
        kind, name = body["type"], body["name"]
        if name.endswith((domain, ".")):
            self.complaints.append(f"the name {name} of a new record is not relative to {domain}")
        beside = {record["type"] for record in self.domains[domain].values() if record["name"] == name}
        if "CNAME" in beside or (kind == "CNAME" and beside):
            return _error(422, "unprocessable_entity", "records cannot share a name with a CNAME record")
        made = self.add(domain, name, kind, body["data"], body.get("ttl", 1800))
        return Response(201, {"domain_record": self.domains[domain][made]})

    def _change(self, record: dict[str, Any], request: Request) -> Response:
        body = request.json
        if (refusal := self._invalid(_CHANGE, body)) is not None:
            return refusal
        record.update(body)
        return Response(200, {"domain_record": record})

    def _invalid(self, schema: Draft202012Validator, body: Any) -> Response | None:
        problems = [error.message for error in schema.iter_errors(body)]
        if not problems and body.get("ttl", _SHORTEST_TTL) < _SHORTEST_TTL:
            problems = [f"record ttl must be greater than {_SHORTEST_TTL}"]
        if not problems and not _fits(body):
            problems = ["IP address did not match the type of the record"]
        if not problems:
            return None
        self.complaints += problems
        return _error(422, "unprocessable_entity", problems[0])

    def _let_happen(self, moment: str) -> None:
        step = getattr(self, moment)
        setattr(self, moment, None)
        if step is not None:
            step()


def _fits(body: Mapping[str, Any]) -> bool:
    address: Mapping[str, Callable[[str], object]] = {"A": IPv4Address, "AAAA": IPv6Address}
    try:
        address.get(body["type"], str)(body.get("data", "192.0.2.1"))
    except ValueError:
        return False
    return True


def _whole_name(name: str, domain: str) -> str:
    return domain if name == "@" else f"{name}.{domain}"


def _error(status: int, code: str, message: str) -> Response:
    return Response(status, {"id": code, "message": message, "request_id": "4d9d8375-3c56-4925-a3e7-eb137fed17e9"})
