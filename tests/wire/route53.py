"""Stands for Route 53: moto, behind the rules on change batches that the service has and moto has not.

moto takes the creation of what exists and a second removal, and lists names in another order. What is refused here is
what Route 53 refuses, in its words; everything else moto does.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from unittest.mock import patch
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.route53 import models
from werkzeug.test import Client

from tests.wire.server import Request, Response

_NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
_ACCOUNT, _PARTITION = "123456789012", "aws"
_TTL = 300


class Route53:
    """The app for a `WireServer`."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        """What requests did that ours must not do."""
        self.before_next_change: Callable[[], None] | None = None
        self._moto = Client(DomainDispatcherApplication(create_backend_app))
        self._backend = models.route53_backends[_ACCOUNT][_PARTITION]

    def __call__(self, request: Request) -> Response:
        """Answer as the service does."""
        if is_change(request):
            step, self.before_next_change = self.before_next_change, None
            if step is not None:
                step()
            refusal = self._refusal(request)
            if refusal is not None:
                return refusal
        answer = self._moto.open(
            request.raw_path, method=request.method, headers=dict(request.headers), data=request.body
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
        return Response(answer.status_code, answer.get_data(), kept)

    def clear(self) -> None:
        """Forget all hosted zones."""
        self._backend.zones.clear()

    def add_zone(self, name: str, *, private: bool = False) -> str:
        """Make a hosted zone, as somebody else does. Returns its id."""
        return str(self._backend.create_hosted_zone(f"{name}.", private_zone=private).resource_id)

    def add(self, name: str, kind: str, data: str) -> None:
        """Add a record to the zone that holds the name, as somebody else does."""
        name = name.replace("*", r"\052")
        zone = max(
            (one for one in self._backend.zones.values() if f".{name}.".endswith(f".{one.name}")),
            key=lambda one: len(one.name),
        )
        for one in zone.rrsets:
            if (one.name, one.type) == (f"{name}.", kind):
                one.records = [*one.records, data]
                return
        zone.add_rrset({"Name": f"{name}.", "Type": kind, "TTL": _TTL, "ResourceRecords": [data]})

    def remove(self, name: str, kind: str) -> None:
        """Remove a record set, as somebody else does."""
        for zone in self._backend.zones.values():
            zone.delete_rrset({"Name": f"{name}.", "Type": kind})

    def records(self) -> Iterator[Any]:
        """All record sets but for what every zone has at its top, as moto keeps them."""
        for zone in self._backend.zones.values():
            yield from (one for one in zone.rrsets if one.type not in ("SOA", "NS"))

    def _refusal(self, request: Request) -> Response | None:
        zone = self._backend.zones[request.path.split("/")[3]]
        there = {(one.name, one.type): _as_sent(one) for one in zone.rrsets}
        problems: list[str] = []
        removed: set[tuple[str, str]] = set()
        after = dict(there)
        for action, record_set in _changes(request.body):
            key = record_set["Name"], record_set["Type"]
            if action == "UPSERT" or (key in removed and action == "DELETE"):
                self.complaints.append(f"{action} of {key} must not be asked for")
            problems += _problems(action, key, record_set, after)
            if action == "DELETE":
                after.pop(key, None)
                removed.add(key)
            else:
                after[key] = record_set
        problems += _aliases_beside_others(after)
        if problems:
            return error(400, "InvalidChangeBatch", f"[{', '.join(problems)}]")
        # moto looks into its journal rather than at its records to see whether a removal names what is there.
        zone.rr_changes = models.ChangeList()
        for one in there.values():
            zone.rr_changes.append({"Action": "UPSERT", "ResourceRecordSet": copy.deepcopy(dict(one))})
        return None


@contextmanager
def listed_as_route53_does() -> Iterator[None]:
    """Let moto sort by names with a dot at their end, which sorts `a-a` before `a` and not in the midst of its own."""
    with patch.object(models, "reverse_domain_name", _sort_key):
        yield


def is_change(request: Request) -> bool:
    """Whether this asks for a change of records."""
    return request.method == "POST" and "/rrset" in request.path


def error(status: int, code: str, message: str) -> Response:
    """An answer that says no."""
    body = (
        f'<?xml version="1.0"?><ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>b25f48e8-84fd-11e6-80d9-574e0c4664cb</RequestId>"
        "</ErrorResponse>"
    )
    return Response(status, body.encode(), {"content-type": "text/xml"})


def _changes(body: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for change in ElementTree.fromstring(body).iter(f"{{{_NAMESPACE}}}Change"):
        found = {element.tag.partition("}")[2]: element.text or "" for element in change.iter()}
        values = [element.text or "" for element in change.iter(f"{{{_NAMESPACE}}}Value")]
        yield (
            found["Action"],
            {
                "Name": f"{found['Name'].rstrip('.')}.",
                "Type": found["Type"],
                "TTL": int(found["TTL"]),
                "ResourceRecords": [{"Value": value} for value in values],
            },
        )


def _problems(
    action: str, key: tuple[str, str], record_set: Mapping[str, Any], there: Mapping[tuple[str, str], Any]
) -> Sequence[str]:
    said = f"resource record set [name='{key[0]}', type='{key[1]}']"
    if action == "CREATE":
        wrong = [f"Invalid Resource Record: {value}" for value in _values(record_set) if not _fits(key[1], value)]
        return [*wrong, *([f"Tried to create {said} but it already exists"] if key in there else [])]
    if key not in there:
        return [f"Tried to delete {said} but it was not found"]
    current = there[key]
    if (current["TTL"], sorted(_values(current))) != (record_set["TTL"], sorted(_values(record_set))):
        return [f"Tried to delete {said} but the values provided do not match the current values"]
    return []


def _aliases_beside_others(there: Mapping[tuple[str, str], Any]) -> Sequence[str]:
    names = [name for name, _ in there]
    return [
        f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with the same "
        "DNS name in the zone"
        for name, kind in there
        if kind == "CNAME" and names.count(name) > 1
    ]


def _fits(kind: str, value: str) -> bool:
    if kind == "TXT":
        return len(value) > 1 and value[0] == value[-1] == '"'
    address: Mapping[str, Callable[[str], object]] = {"A": IPv4Address, "AAAA": IPv6Address}
    try:
        address.get(kind, str)(value)
    except ValueError:
        return False
    return True


def _values(record_set: Mapping[str, Any]) -> Sequence[str]:
    return [one["Value"] for one in record_set["ResourceRecords"]]


def _as_sent(record_set: Any) -> Mapping[str, Any]:
    records = [{"Value": value} for value in record_set.records]
    return {"Name": record_set.name, "Type": record_set.type, "TTL": int(record_set.ttl), "ResourceRecords": records}


def _sort_key(name: str) -> str:
    return ".".join(reversed(name.rstrip(".").replace(r"\052", "*").split("."))) + "."
