"""Stands for Google Compute Engine (REST v1): one project with three zones, for one service account.

Time stands still until `tick`. A creation takes three ticks and a deletion two. What the API's reference does not allow
is refused and complained about.
"""

import copy
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.wire.gcp_answers import Refusal, refusal
from tests.wire.gcp_key import is_token
from tests.wire.gcp_rules import complaints_about, is_request_id
from tests.wire.server import Request, Response

PROJECT = "project-0"
REGION = "us-east4"
ZONES = tuple(f"{REGION}-{letter}" for letter in "abc")
MACHINE_TYPES = ("e2-small", "e2-standard-2", "n1-standard-4", "g2-standard-4")
PAGE = 25
NOTHING: frozenset[str] = frozenset()
_API = f"/compute/v1/projects/{PROJECT}"
_LINK = f"https://www.googleapis.com{_API}"
_LIVES = ("PROVISIONING", "STAGING", "STAGING", "RUNNING")

Body = dict[str, Any]


@dataclass(eq=False)
class Instance:
    """An instance and how far it is."""

    body: Body
    creation: Body
    age: int = 0
    leaving: int | None = None
    """Ticks until it is gone."""
    is_listed: bool = True


@dataclass(eq=False)
class Project:
    """What one case has."""

    instances: dict[tuple[str, str], Instance] = field(default_factory=dict)
    disks: dict[tuple[str, str], Body] = field(default_factory=dict)
    operations: list[Body] = field(default_factory=list)
    requests: dict[str, Body] = field(default_factory=dict)
    """Request id -> its operation."""
    failures: dict[str, Sequence[str]] = field(default_factory=dict)
    """Zone -> code and message with which creations fail there, after they were accepted."""
    failing: dict[str, Sequence[str]] = field(default_factory=dict)
    """Name of an operation -> code and message with which it fails at the next tick."""
    failing_at_once: bool = True
    """The answer to a creation that fails says so already."""
    hides_new_instances: bool = False
    """From lists."""
    unreachable_zone: str | None = None
    permissions: tuple[str, ...] = ("compute.subnetworks.use", "compute.subnetworks.useExternalIp")


class ComputeEngine:
    """The API."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.state = Project()
        self.page_size = PAGE
        self.images: dict[str, Body] = {
            "linux-1": {"name": "linux-1", "diskSizeGb": "10", "guestOsFeatures": [{"type": "UEFI_COMPATIBLE"}]},
            "windows-1": {"name": "windows-1", "diskSizeGb": "50", "guestOsFeatures": [{"type": "WINDOWS"}]},
            "old-1": {"name": "old-1", "diskSizeGb": "10", "deprecated": {"state": "OBSOLETE"}},
        }
        self._numbers = itertools.count(1000)
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Any], frozenset[str]]] = []
        lists = frozenset({"filter", "maxResults", "pageToken"})
        zone = r"/zones/([a-z0-9-]+)"
        for method, path, answer, parameters in (
            ("GET", "", self._described, NOTHING),
            ("POST", f"{zone}/instances", self._insert, frozenset({"requestId"})),
            ("GET", f"{zone}/instances/([^/]+)", self._get_instance, NOTHING),
            ("DELETE", f"{zone}/instances/([^/]+)", self._delete_instance, frozenset({"requestId"})),
            ("DELETE", f"{zone}/disks/([^/]+)", self._delete_disk, frozenset({"requestId"})),
            ("DELETE", f"/regions/({REGION})/disks/([^/]+)", self._delete_disk, frozenset({"requestId"})),
            ("GET", "/aggregated/instances", self._list_instances, lists),
            ("GET", "/aggregated/disks", self._list_disks, lists),
            ("GET", f"{zone}/operations", self._list_operations, lists),
            ("GET", f"{zone}/machineTypes/([^/]+)", self._one_of("machineTypes", MACHINE_TYPES), NOTHING),
            (
                "GET",
                f"{zone}/diskTypes/([^/]+)",
                self._one_of("diskTypes", ("pd-balanced", "pd-ssd")),
                NOTHING,
            ),
            (
                "GET",
                f"{zone}/acceleratorTypes/([^/]+)",
                self._one_of("acceleratorTypes", ("nvidia-tesla-t4",)),
                NOTHING,
            ),
            ("GET", "/zones/([^/]+)", self._known("zones", ZONES), NOTHING),
            ("GET", "/global/networks/([^/]+)", self._known("global/networks", ("default",)), NOTHING),
            ("GET", "/global/images/family/(linux)", lambda _, __: self.images["linux-1"], NOTHING),
            ("GET", "/global/images/([^/]+)", self._image, NOTHING),
            ("GET", f"/regions/{REGION}/subnetworks/(desktops)", self._described, NOTHING),
            ("POST", f"/regions/{REGION}/subnetworks/(desktops)/testIamPermissions", self._permit, NOTHING),
        ):
            self._routes.append((method, re.compile(_API + path), answer, parameters))

    def __call__(self, request: Request) -> Response:
        if not is_token(request.headers.get("authorization", "")):
            return refusal(401, "authError", "Request had invalid authentication credentials.")
        if not request.path.startswith(_API):
            return refusal(404, "notFound", "The resource 'projects/other' was not found")
        try:
            for method, path, answer, parameters in self._routes:
                match = path.fullmatch(request.path)
                if match and method == request.method:
                    for name in request.query.keys() - parameters:
                        self.complaints.append(f"{request.method} {request.path} has no parameter {name}")
                    return Response(200, answer(request, *match.groups()))
        except Refusal as error:
            return error.response
        if request.method == "GET":
            return refusal(404, "notFound", f"The resource '{request.path.removeprefix('/compute/v1/')}' was not found")
        self.complaints.append(f"{request.method} {request.path} is no call of the API")
        return refusal(404, "notFound", "The requested URL was not found on this server.")

    def tick(self) -> None:
        """Let some time pass."""
        for operation in self.state.operations:
            if operation["status"] == "RUNNING" and operation["name"] in self.state.failing:
                self._fail(operation)
        for key, disk in list(self.state.disks.items()):
            if disk["status"] == "DELETING":
                del self.state.disks[key]
        for key, instance in list(self.state.instances.items()):
            self._age(key, instance)

    def stop_spot(self, name: str, status: str) -> None:
        """Google takes an instance back, and has come so far with it."""
        instance = next(one for (_, its), one in self.state.instances.items() if its == name)
        instance.body["status"] = status
        if status == "STOPPING":
            instance.leaving = 1
            self._operation(instance.body["zone"].rpartition("/")[2], "compute.instances.preempted", name)

    def leftovers(self) -> list[str]:
        """All that exists."""
        kinds = (("VM", self.state.instances), ("disk", self.state.disks))
        return [f"{kind} {name} in {zone}" for kind, things in kinds for zone, name in things]

    def _age(self, key: tuple[str, str], instance: Instance) -> None:
        if instance.leaving is None:
            instance.age = min(instance.age + 1, len(_LIVES) - 1)
            if instance.body["status"] in _LIVES:
                instance.body["status"] = _LIVES[instance.age]
            if instance.age == len(_LIVES) - 1 and instance.creation["status"] != "DONE":
                self._end(instance.creation)
            return
        instance.leaving -= 1
        if instance.leaving < 0:
            zone, _ = key
            del self.state.instances[key]
            for disk in instance.body["disks"]:
                name = disk["source"].rpartition("/")[2]
                if disk["autoDelete"]:
                    del self.state.disks[zone, name]
                else:
                    self.state.disks[zone, name].pop("users", None)

    def _insert(self, request: Request, zone: str) -> Body:
        request_id, body = request.parameter("requestId"), copy.deepcopy(request.json)
        wrong = list(complaints_about(body, zone))
        if not is_request_id(request_id):
            wrong.append(f"requestId {request_id!r}")
        if wrong:
            self.complaints += wrong
            raise Refusal(400, "invalid", wrong[0])
        known = self.state.requests.get(request_id or "")
        if known:
            return known
        self._refuse_unknown(body, zone)
        name = body["name"]
        if zone not in self.state.failures:
            self._refuse_taken(name, zone)
        operation = self._operation(zone, "insert", name, request_id)
        if zone in self.state.failures:
            self.state.failing[operation["name"]] = self.state.failures[zone]
            if self.state.failing_at_once:
                self._fail(operation)
        else:
            self._make(body, zone, operation)
        self.state.requests[request_id or ""] = operation
        return operation

    def _refuse_taken(self, name: str, zone: str) -> None:
        for kind, things in (("instances", self.state.instances), ("disks", self.state.disks)):
            if (zone, name) in things:
                path = f"projects/{PROJECT}/zones/{zone}/{kind}/{name}"
                raise Refusal(409, "alreadyExists", f"The resource '{path}' already exists")

    def _refuse_unknown(self, body: Body, zone: str) -> None:
        if zone not in ZONES:
            raise Refusal(400, "invalid", f"Invalid value for field 'zone': '{zone}'. Unknown zone.")
        machine_type = body["machineType"].rpartition("/")[2]
        if machine_type not in MACHINE_TYPES:
            raise Refusal(400, "invalid", f"Invalid value for field 'resource.machineType': '{machine_type}'.")
        for disk in body["disks"]:
            path = disk.get("initializeParams", {}).get("sourceImage")
            if path and path.rpartition("/")[2] not in (*self.images, "linux"):
                raise Refusal(404, "notFound", f"The resource '{path}' was not found")
        for interface in body["networkInterfaces"]:
            path = interface.get("network", "default")
            if path.rpartition("/")[2] != "default":
                raise Refusal(404, "notFound", f"The resource '{path}' was not found")

    def _make(self, body: Body, zone: str, operation: Body) -> None:
        name, number = body["name"], next(self._numbers)
        for index, disk in enumerate(body["disks"]):
            disk_name = name if index == 0 else f"{name}-{index}"
            made = disk.get("initializeParams", {})
            if made:
                self.state.disks[zone, disk_name] = {
                    "name": disk_name,
                    "zone": f"{_LINK}/zones/{zone}",
                    "labels": made.get("labels", {}),
                    "status": "READY",
                    "users": [f"{_LINK}/zones/{zone}/instances/{name}"],
                }
                disk["source"] = f"{_LINK}/zones/{zone}/disks/{disk_name}"
            disk.setdefault("autoDelete", False)
        for interface in body["networkInterfaces"]:
            interface["networkIP"] = f"10.0.{number // 250}.{number % 250}"
            for access in interface.get("accessConfigs", []):
                access["natIP"] = f"203.0.113.{number % 250}"
        body |= {
            "id": str(number),
            "zone": f"{_LINK}/zones/{zone}",
            "machineType": f"{_LINK}/{body['machineType']}",
            "status": _LIVES[0],
        }
        listed = not self.state.hides_new_instances
        self.state.instances[zone, name] = Instance(body, operation, is_listed=listed)

    def _get_instance(self, _: Request, zone: str, name: str) -> Body:
        instance: Instance = self._existing("instances", self.state.instances, zone, name)
        return instance.body

    def _delete_instance(self, _: Request, zone: str, name: str) -> Body:
        instance = self._existing("instances", self.state.instances, zone, name)
        if instance.body.get("deletionProtection"):
            raise Refusal(400, "invalidUsage", f"Resource {name} is protected against accidental deletion.")
        if instance.leaving is None:
            instance.body["status"], instance.leaving = "STOPPING", 1
            self._end(instance.creation)
        operation = self._operation(zone, "delete", name)
        self._end(operation)
        return operation

    def _delete_disk(self, _: Request, zone: str, name: str) -> Body:
        disk = self._existing("disks", self.state.disks, zone, name)
        if disk.get("users"):
            raise Refusal(400, "resourceInUseByAnotherResource", f"The disk resource '{name}' is already being used")
        disk["status"] = "DELETING"
        return self._operation(zone, "delete", name)

    def _existing(self, kind: str, things: Mapping[tuple[str, str], Any], zone: str, name: str) -> Any:
        if (zone, name) not in things:
            path = f"projects/{PROJECT}/zones/{zone}/{kind}/{name}"
            raise Refusal(404, "notFound", f"The resource '{path}' was not found")
        return things[zone, name]

    def _list_instances(self, request: Request) -> Body:
        return self._aggregated(
            request,
            "instances",
            [(zone, one.body) for (zone, _), one in self.state.instances.items() if one.is_listed],
        )

    def _list_disks(self, request: Request) -> Body:
        hidden = {key for key, one in self.state.instances.items() if not one.is_listed}
        return self._aggregated(
            request, "disks", [(key[0], disk) for key, disk in self.state.disks.items() if key not in hidden]
        )

    def _aggregated(self, request: Request, kind: str, all_of_them: Iterable[tuple[str, Body]]) -> Body:
        labels = self._label_filter(request.parameter("filter") or "")
        found = [
            (zone, one)
            for zone, one in all_of_them
            if all(one.get("labels", {}).get(key) == value for key, value in labels.items())
        ]
        start = int(request.parameter("pageToken") or 0)
        end = start + min(int(request.parameter("maxResults") or self.page_size), self.page_size)
        nothing = {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results on this page."}}
        items: Body = {f"zones/{zone}": nothing for zone in ZONES}
        for place, one in found[start:end]:
            scope = f"regions/{place}" if place == REGION else f"zones/{place}"
            items[scope] = {kind: [*items.get(scope, {}).get(kind, []), one]}
        page: Body = {"id": "1", "items": items}
        if self.state.unreachable_zone:
            items[f"zones/{self.state.unreachable_zone}"] = {"warning": {"code": "UNREACHABLE", "message": "down"}}
        return {**page, "nextPageToken": str(end)} if end < len(found) else page

    def _label_filter(self, text: str) -> dict[str, str]:
        terms = [re.fullmatch(r'\(labels\.([a-z0-9_-]+) = "([^"]*)"\)', term) for term in text.split(" AND ")]
        if None in terms:
            self.complaints.append(f"filter {text!r}")
            raise Refusal(400, "invalid", "Invalid value for field 'filter'")
        return {term[1]: term[2] for term in terms if term}

    def _list_operations(self, request: Request, zone: str) -> Body:
        which = request.parameter("filter") or ""
        by_target = re.fullmatch(r'targetLink eq "\.\*/instances/([a-z0-9-]+)"', which)
        if not by_target and which != '(operationType = "insert") AND (status != "DONE")':
            self.complaints.append(f"filter {which!r}")
        found = [
            one
            for one in self.state.operations
            if one["zone"] == f"{_LINK}/zones/{zone}"
            and (
                one["targetLink"].endswith(f"/instances/{by_target[1]}")
                if by_target
                else one["operationType"] == "insert" and one["status"] != "DONE"
            )
        ]
        start = int(request.parameter("pageToken") or 0)
        page: Body = {"id": "1", "items": found[start : start + self.page_size]}
        return {**page, "nextPageToken": str(start + self.page_size)} if len(found) > start + self.page_size else page

    def _operation(self, zone: str, kind: str, target: str, request_id: str | None = None) -> Body:
        number = next(self._numbers)
        operation: Body = {
            "id": str(number),
            "name": f"operation-{number}",
            "zone": f"{_LINK}/zones/{zone}",
            "operationType": kind,
            "targetLink": f"{_LINK}/zones/{zone}/instances/{target}",
            "targetId": str(number),
            "status": "RUNNING",
            "insertTime": _now(),
            "startTime": _now(),
            **({"clientOperationId": request_id} if request_id else {}),
        }
        self.state.operations.append(operation)
        return operation

    def _end(self, operation: Body) -> None:
        operation |= {"status": "DONE", "progress": 100, "endTime": _now()}

    def _fail(self, operation: Body) -> None:
        code, message = self.state.failing.pop(operation["name"])
        operation |= {"error": {"errors": [{"code": code, "message": message}]}, "httpErrorStatusCode": 503}
        self._end(operation)

    def _one_of(self, kind: str, names: Sequence[str]) -> Callable[[Request, str, str], Body]:
        def answer(_: Request, zone: str, name: str) -> Body:
            if name not in names:
                path = f"projects/{PROJECT}/zones/{zone}/{kind}/{name}"
                raise Refusal(404, "notFound", f"The resource '{path}' was not found")
            return {"name": name, "zone": zone}

        return answer

    def _known(self, kind: str, names: Sequence[str]) -> Callable[[Request, str], Body]:
        def answer(_: Request, name: str) -> Body:
            if name not in names:
                raise Refusal(404, "notFound", f"The resource 'projects/{PROJECT}/{kind}/{name}' was not found")
            return {"name": name}

        return answer

    def _image(self, _: Request, name: str) -> Body:
        if name not in self.images:
            raise Refusal(404, "notFound", f"The resource 'projects/{PROJECT}/global/images/{name}' was not found")
        return self.images[name]

    def _described(self, _: Request, name: str = PROJECT) -> Body:
        return {"name": name}

    def _permit(self, request: Request, _: str) -> Body:
        return {"permissions": [one for one in request.json["permissions"] if one in self.state.permissions]}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
