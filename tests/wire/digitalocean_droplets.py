"""Stands for DigitalOcean's droplets and what goes with them, as its API description and its known answers have them.

Every request and every answer of success is validated against the vendor's own description. Time stands still until
`now_seconds` is changed.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from tests.wire.description import Description, Operation
from tests.wire.server import Request, Response

BOOT_SECONDS = 5
ADDRESS_SECONDS = 2
DESTROY_SECONDS = 4
USER_DATA_LIMIT_BYTES = 65_536
ALL_SCOPES = frozenset({"*"})
HEADERS = {"ratelimit-limit": "5000", "ratelimit-remaining": "4987", "ratelimit-reset": "1444931833"}
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Answered(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        body = {"id": code, "message": message, "request_id": "4d9d8375-3c56-4925-a3e7-eb137fed17e9"}
        self.response = Response(status, body, HEADERS)


@dataclass
class Droplet:
    """One droplet and what the API does not tell of it."""

    number: int
    body: Mapping[str, Any]
    made_at: float
    volume_ids: list[str] = field(default_factory=list)
    destroyed_at: float | None = None
    hidden: bool = False
    name: str = ""
    tags: list[str] = field(default_factory=list)

    def is_new(self, now: float) -> bool:
        """Whether it is still being made."""
        return now < self.made_at + BOOT_SECONDS


@dataclass
class Cloud:
    """The app for a `WireServer`: one account."""

    token: str
    scopes: frozenset[str] = ALL_SCOPES
    now_seconds: float = 0.0
    droplet_limit: int = 1_000
    full_regions: frozenset[str] = frozenset()
    hides_new: bool = False
    """Lists do not show droplets that are made now."""
    missing_tags_are_errors: bool = False
    before_create: Callable[[], None] | None = None
    after_page: Callable[[], None] | None = None
    complaints: list[str] = field(default_factory=list)
    droplets: dict[int, Droplet] = field(default_factory=dict)
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    reserved_ips: dict[str, int | None] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    firewalls: dict[str, list[str]] = field(default_factory=lambda: {"pool.firewall": []})
    ssh_keys: dict[str, int] = field(default_factory=lambda: {"ops": 512189, "audit": 512190})
    images: dict[str, int] = field(default_factory=lambda: {"ubuntu-24-04-x64": 6918990, "docker-20-04": 6918991})
    vpcs: dict[str, str] = field(default_factory=lambda: {"5a4981aa-9653-4bd1-bef5-d6bff52042e4": "fra1"})
    regions: Sequence[str] = ("fra1", "ams3", "nyc1")
    sizes: Sequence[str] = ("s-2vcpu-4gb", "c-2", "gpu-h100x1-80gb")

    def __post_init__(self) -> None:
        self._description = Description("digitalocean")
        self._numbers = itertools.count(3_164_444)

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        try:
            operation = self._let_in(request)
            response: Response = getattr(self, f"_{operation.name}")(request, operation.path)
        except Answered as answered:
            return answered.response
        self.complaints += self._description.answer_complaints(operation, _shortened(response))
        return response

    def leftovers(self) -> list[str]:
        """All that exists in the account and costs something, or is of no use any more."""
        self._come_on()
        server_tags = [f"tag {tag}" for tag in self.tags if tag.startswith("poolwright-server")]
        return [
            *(f"droplet {number}" for number in self.droplets),
            *(f"volume {volume}" for volume in self.volumes),
            *(f"reserved IP {address}" for address in self.reserved_ips),
            *server_tags,
        ]

    def add_volume(self, volume_id: str, droplet: int | None = None) -> None:
        """A volume, as somebody makes and attaches it by hand."""
        self.volumes[volume_id] = {"droplet": droplet, "tags": []}
        if droplet is not None:
            self.droplets[droplet].volume_ids.append(volume_id)

    def make(self, body: Mapping[str, Any]) -> Droplet:
        """A droplet, as somebody else makes it."""
        number = next(self._numbers)
        droplet = Droplet(
            number, body, self.now_seconds, hidden=self.hides_new, name=body["name"], tags=list(body.get("tags") or ())
        )
        self.droplets[number] = droplet
        self.tags.update(droplet.tags)
        return droplet

    def _let_in(self, request: Request) -> Operation:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise Answered(401, "Unauthorized", "Unable to authenticate you")
        operation = self._description.operation(request)
        if operation is None:
            self.complaints.append(f"there is no {request.method} {request.path}")
            raise Answered(404, "not_found", "The resource you were accessing could not be found.")
        if self.scopes != ALL_SCOPES and not self._description.scopes(operation) <= self.scopes:
            raise Answered(403, "Forbidden", "You are not authorized to perform this operation")
        complaints = list(self._description.request_complaints(operation, request))
        if complaints:
            self.complaints += complaints
            raise Answered(422, "unprocessable_entity", complaints[0])
        self._come_on()
        return operation

    def _come_on(self) -> None:
        for droplet in list(self.droplets.values()):
            if droplet.destroyed_at is None or self.now_seconds < droplet.destroyed_at + DESTROY_SECONDS:
                continue
            del self.droplets[droplet.number]
            for volume in droplet.volume_ids:
                if volume in self.volumes:
                    self.volumes[volume]["droplet"] = None
            for address, number in self.reserved_ips.items():
                if number == droplet.number:
                    self.reserved_ips[address] = None

    def _droplets_list(self, request: Request, path: Mapping[str, str]) -> Response:
        tag, name = request.parameter("tag_name"), request.parameter("name")
        if tag and (name or request.parameter("type")):
            self.complaints.append("droplets_list: tag_name cannot be combined")
        if tag and tag not in self.tags and self.missing_tags_are_errors:
            raise Answered(404, "not_found", "The resource you were accessing could not be found.")
        gpus = request.parameter("type") == "gpus"
        found = [
            self._shown(droplet)
            for droplet in reversed(self.droplets.values())
            if (tag in droplet.tags if tag else _is_gpu(droplet) == gpus)
            and (not name or droplet.name.lower() == name.lower())
            and not (self.hides_new and droplet.hidden)
        ]
        return self._page(request, "droplets", found)

    def _droplets_get(self, request: Request, path: Mapping[str, str]) -> Response:
        return Response(200, {"droplet": self._shown(self._existing(path))}, HEADERS)

    def _droplets_create(self, request: Request, path: Mapping[str, str]) -> Response:
        if self.before_create:
            self.before_create()
        body = request.json
        self._refuse(body)
        droplet = self.make(body)
        action = {"id": 7515, "rel": "create", "href": f"https://api.digitalocean.com/v2/actions/{droplet.number}"}
        return Response(202, {"droplet": self._shown(droplet), "links": {"actions": [action]}}, HEADERS)

    def _droplets_destroy(self, request: Request, path: Mapping[str, str]) -> Response:
        droplet = self._existing(path)
        if droplet.is_new(self.now_seconds) or droplet.destroyed_at is not None:
            raise Answered(422, "unprocessable_entity", "Droplet already has a pending event.")
        droplet.destroyed_at = self.now_seconds
        return Response(204, None, HEADERS)

    def _sshKeys_list(self, request: Request, path: Mapping[str, str]) -> Response:
        keys = [
            {"id": number, "name": name, "public_key": f"ssh-ed25519 AAAA {name}"}
            for name, number in self.ssh_keys.items()
        ]
        return self._page(request, "ssh_keys", keys)

    def _firewalls_list(self, request: Request, path: Mapping[str, str]) -> Response:
        walls = [{"id": f"id-of-{name}", "name": name, "tags": tags} for name, tags in self.firewalls.items()]
        return self._page(request, "firewalls", walls)

    def _firewalls_add_tags(self, request: Request, path: Mapping[str, str]) -> Response:
        tags = self.firewalls.get(path["firewall_id"].removeprefix("id-of-"))
        if tags is None:
            raise Answered(404, "not_found", "The resource you were accessing could not be found.")
        for tag in request.json["tags"]:
            if tag not in self.tags:
                raise Answered(422, "unprocessable_entity", f"tag {tag} does not exist")
            tags.append(tag)
        return Response(204, None, HEADERS)

    def _tags_create(self, request: Request, path: Mapping[str, str]) -> Response:
        self.tags.add(request.json["name"])
        return Response(201, {"tag": {"name": request.json["name"]}}, HEADERS)

    def _tags_delete(self, request: Request, path: Mapping[str, str]) -> Response:
        if path["tag_id"] not in self.tags:
            raise Answered(404, "not_found", "The resource you were accessing could not be found.")
        self.tags.discard(path["tag_id"])
        return Response(204, None, HEADERS)

    def _tags_assign_resources(self, request: Request, path: Mapping[str, str]) -> Response:
        if path["tag_id"] not in self.tags:
            raise Answered(404, "not_found", "The resource you were accessing could not be found.")
        for resource in request.json["resources"]:
            self.volumes[resource["resource_id"]]["tags"].append(path["tag_id"])
        return Response(204, None, HEADERS)

    def _reservedIPs_list(self, request: Request, path: Mapping[str, str]) -> Response:
        found = [
            {"ip": ip, "region": self._region("fra1"), "droplet": number and self._shown(self.droplets[number])}
            for ip, number in self.reserved_ips.items()
        ]
        return self._page(request, "reserved_ips", found)

    def _reservedIPs_delete(self, request: Request, path: Mapping[str, str]) -> Response:
        if path["reserved_ip"] not in self.reserved_ips:
            raise Answered(404, "not_found", "The resource you were accessing could not be found.")
        del self.reserved_ips[path["reserved_ip"]]
        return Response(204, None, HEADERS)

    def _volumes_list(self, request: Request, path: Mapping[str, str]) -> Response:
        found = [
            {
                "id": volume,
                "name": volume,
                "droplet_ids": [one["droplet"]] if one["droplet"] else [],
                "tags": one["tags"],
            }
            for volume, one in self.volumes.items()
        ]
        return self._page(request, "volumes", found)

    def _volumes_delete(self, request: Request, path: Mapping[str, str]) -> Response:
        volume = self.volumes.get(path["volume_id"])
        if volume is None:
            raise Answered(404, "not_found", "The resource you were accessing could not be found.")
        if volume["droplet"] is not None:
            raise Answered(409, "conflict", "This volume is attached to a droplet")
        del self.volumes[path["volume_id"]]
        return Response(204, None, HEADERS)

    def _regions_list(self, request: Request, path: Mapping[str, str]) -> Response:
        return self._page(request, "regions", [self._region(slug) for slug in self.regions])

    def _sizes_list(self, request: Request, path: Mapping[str, str]) -> Response:
        return self._page(request, "sizes", [self._size(slug) for slug in self.sizes])

    def _images_get(self, request: Request, path: Mapping[str, str]) -> Response:
        if path["image_id"] not in self.images:
            raise Answered(404, "not_found", "The resource you were accessing could not be found.")
        return Response(200, {"image": self._image(path["image_id"])}, HEADERS)

    def _vpcs_get(self, request: Request, path: Mapping[str, str]) -> Response:
        region = self.vpcs.get(path["vpc_id"])
        if region is None:
            raise Answered(404, "not_found", "The resource you were accessing could not be found.")
        return Response(200, {"vpc": {"id": path["vpc_id"], "name": "pool", "region": region}}, HEADERS)

    def _existing(self, path: Mapping[str, str]) -> Droplet:
        droplet = self.droplets.get(int(path["droplet_id"]))
        if droplet is None:
            raise Answered(404, "not_found", "The resource you were accessing could not be found.")
        return droplet

    def _refuse(self, body: Mapping[str, Any]) -> None:
        allowed = self._description.properties("droplet_create") | {"name"}
        # The description lets unknown properties pass; a request of ours has none.
        self.complaints += [f"droplets_create: there is no {name}" for name in body if name not in allowed]
        self.complaints += [f"droplets_create: {tag!r} is no tag" for tag in body.get("tags") or () if not _is_tag(tag)]
        for problem in self._problems(body):
            raise Answered(422, "unprocessable_entity", problem)

    def _problems(self, body: Mapping[str, Any]) -> Iterator[str]:
        if body["image"] not in self.images:
            yield "You specified an invalid image for Droplet creation."
        if body["region"] not in self.regions:
            yield "You specified an invalid region for Droplet creation."
        if body["size"] not in self.sizes:
            yield "You specified an invalid size for Droplet creation."
        if not set(body.get("ssh_keys") or ()) <= set(self.ssh_keys.values()):
            yield "The SSH keys you specified are invalid."
        if "vpc_uuid" in body and self.vpcs.get(body["vpc_uuid"]) != body["region"]:
            yield "The VPC you specified is not in this region."
        if len(body.get("user_data", "").encode()) > USER_DATA_LIMIT_BYTES:
            yield "User data is too long (maximum is 64 KiB)"
        if len(self.droplets) >= self.droplet_limit:
            yield "creating this/these droplet(s) will exceed your droplet limit"
        if body["region"] in self.full_regions:
            yield "Size is not available in this region."

    def _shown(self, droplet: Droplet) -> dict[str, Any]:
        now, body = self.now_seconds, droplet.body
        is_new = droplet.is_new(now)
        size = body["size"]
        return {
            "id": droplet.number,
            "name": droplet.name,
            "memory": 4096,
            "vcpus": 2,
            "disk": 80,
            "locked": is_new or droplet.destroyed_at is not None,
            "status": "new" if is_new else "active",
            "created_at": (_BEGIN + timedelta(seconds=int(droplet.made_at))).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "features": [name for name in ("monitoring", "ipv6", "backups") if body.get(name)],
            "backup_ids": [],
            "next_backup_window": None,
            "snapshot_ids": [],
            "image": self._image(body["image"]),
            "volume_ids": droplet.volume_ids,
            "size": self._size(size),
            "size_slug": size,
            "networks": self._networks(droplet),
            "region": self._region(body["region"]),
            "tags": droplet.tags,
        }

    def _networks(self, droplet: Droplet) -> dict[str, Any]:
        if self.now_seconds < droplet.made_at + BOOT_SECONDS + ADDRESS_SECONDS:
            return {"v4": [], "v6": []}
        host = f"{droplet.number // 250 % 250}.{droplet.number % 250 + 1}"
        private = {"ip_address": f"10.20.{host}", "netmask": "255.255.0.0", "gateway": "10.20.0.1", "type": "private"}
        public = {"ip_address": f"203.0.{host}", "netmask": "255.255.0.0", "gateway": "203.0.0.1", "type": "public"}
        address = f"2001:db8::{droplet.number:x}"
        public_v6 = {"ip_address": address, "netmask": 64, "gateway": "2001:db8::1", "type": "public"}
        return {
            "v4": [private, public] if droplet.body.get("public_networking", True) else [private],
            "v6": [public_v6] if droplet.body.get("ipv6") else [],
        }

    def _image(self, slug: str) -> dict[str, Any]:
        return {"id": self.images.get(slug, 1), "name": slug, "slug": slug, "regions": list(self.regions)}

    def _region(self, slug: str) -> dict[str, Any]:
        return {"name": slug, "slug": slug, "features": [], "available": True, "sizes": list(self.sizes)}

    def _size(self, slug: str) -> dict[str, Any]:
        numbers = {"memory": 4096, "vcpus": 2, "disk": 80, "transfer": 4.0, "price_monthly": 24.0, "price_hourly": 0.03}
        return {"slug": slug, "available": True, "regions": list(self.regions), "description": "Basic", **numbers}

    def _page(self, request: Request, key: str, items: Sequence[Mapping[str, Any]]) -> Response:
        size, page = int(request.parameter("per_page") or 20), int(request.parameter("page") or 1)
        shown = items[(page - 1) * size : page * size]
        links = {}
        if page * size < len(items):
            query = {name: values[0] for name, values in request.query.items()} | {"page": str(page + 1)}
            links = {"pages": {"next": f"https://api.digitalocean.com{request.path}?{urlencode(query)}"}}
        # What is sent is as it is now, whatever `after_page` changes.
        body = copy.deepcopy({key: list(shown), "links": links, "meta": {"total": len(items)}})
        response = Response(200, body, HEADERS)
        if self.after_page:
            self.after_page()
        return response


def _shortened(response: Response) -> Response:
    # The items of a list are made alike; to validate hundreds of them would take most of a test's time.
    if response.body is None:
        return response
    body = {key: value[:2] if isinstance(value, list) else value for key, value in response.body.items()}
    return replace(response, body=body)


def _is_gpu(droplet: Droplet) -> bool:
    return str(droplet.body["size"]).startswith("gpu-")


def _is_tag(tag: str) -> bool:
    return 0 < len(tag) <= 255 and all(letter.isalnum() or letter in "_-:" for letter in tag)
