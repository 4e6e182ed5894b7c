"""A stand-in for OCI's compute, network, block storage and identity services: one compartment with its instances.

Time passes when a test says so. A terminated instance stays in lists, as at OCI.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.wire.oci_requests import Identity, failed, hidden, violations, with_request_id
from tests.wire.server import Request, Response

COMPARTMENT = "ocid1.compartment.oc1..pools"
DOMAINS = ("Uocm:US-ASHBURN-AD-1", "Uocm:US-ASHBURN-AD-2")
SHAPE, FIXED_SHAPE = "VM.Standard.E4.Flex", "VM.Standard2.1"
IMAGE = "ocid1.image.oc1.iad.linux"
WINDOWS_IMAGE = "ocid1.image.oc1.iad.windows"
PUBLIC_SUBNET = "ocid1.subnet.oc1.iad.public"
PRIVATE_SUBNET = "ocid1.subnet.oc1.iad.private"
NSG = "ocid1.networksecuritygroup.oc1.iad.web"
OFFICE_SUBNETS = {PUBLIC_SUBNET: False, PRIVATE_SUBNET: True}
RUNNING_AFTER, ATTACHED_AFTER, TERMINATED_AFTER, VOLUME_GONE_AFTER = 2, 4, 2, 3
BASE = "/20160918"
INITIAL_PASSWORD = "Initial-pass-word-1"
_REQUIRED = ("compartmentId", "availabilityDomain", "shape", "sourceDetails", "createVnicDetails")


@dataclass
class StoredInstance:
    """An instance, with its one network interface and its boot volume."""

    number: int
    request: dict[str, Any]
    launched_at: int
    terminated_at: int | None = None
    boot_volume_preserved: bool = False
    extra_vnics: list[str] = field(default_factory=list)

    @property
    def ocid(self) -> str:
        return f"ocid1.instance.oc1.iad.{self.number}"

    @property
    def vnic(self) -> str:
        return f"ocid1.vnic.oc1.iad.{self.number}"

    @property
    def private_ip(self) -> str:
        return f"10.0.{self.number // 250}.{self.number % 250 + 2}"

    @property
    def public_ip(self) -> str | None:
        interface = self.request["createVnicDetails"]
        prohibited = OFFICE_SUBNETS[interface["subnetId"]]
        if not interface.get("assignPublicIp", not prohibited):
            return None
        return f"203.0.{self.number // 250}.{self.number % 250 + 2}"


class OCICloud:
    """The services' state and answers."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.page_size = 1000
        self.clear()

    def clear(self) -> None:
        """Back to an empty compartment."""
        self.now = 0
        self.complaints: list[str] = []
        self.instances: dict[str, StoredInstance] = {}
        self.tokens: dict[str, tuple[str, str]] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        self.listed: frozenset[str] | None = None
        """While set, lists know these instances only."""
        self.replays_dead = False
        """Answer a used token with its dead instance rather than refuse it."""
        self.password_ready = False
        self.page_size = 1000
        self._made = 0

    def __call__(self, request: Request) -> Response:
        return with_request_id(self._answered(request))

    def _answered(self, request: Request) -> Response:
        if refusal := self._identity.refusal(request):
            return refusal
        parts = request.path.removeprefix(BASE).strip("/").split("/")
        answer = self._routes().get((request.method, parts[0], len(parts)))
        if answer is None or not request.path.startswith(BASE):
            return self._complain(failed(404, "NotFound", "no such operation"), f"{request.method} {request.path}")
        return answer(request, *parts[1:])

    def state(self, instance: StoredInstance) -> str:
        """Its lifecycle state now."""
        if instance.terminated_at is not None:
            return "TERMINATED" if self.now >= instance.terminated_at + TERMINATED_AFTER else "TERMINATING"
        return "RUNNING" if self.now >= instance.launched_at + RUNNING_AFTER else "PROVISIONING"

    def living(self) -> Sequence[str]:
        """All that costs money: instances and volumes."""
        boot = [f"boot volume {one.number}" for one in self.instances.values() if self._boot_volume_state(one)]
        return [
            *(one.ocid for one in self.instances.values() if self.state(one) != "TERMINATED"),
            *boot,
            *(ocid for ocid, one in self.volumes.items() if one["lifecycleState"] != "TERMINATED"),
        ]

    def script(self, ocid: str) -> bytes:
        """The user data as the instance got it, decoded."""
        return base64.b64decode(self.instances[ocid].request["metadata"].get("user_data", ""))

    def add_volume(self, ocid: str, tags: Mapping[str, str], kind: str = "bootVolumes") -> None:
        """A volume that somebody detached and kept."""
        self.volumes[ocid] = {
            "id": ocid,
            "kind": kind,
            "compartmentId": COMPARTMENT,
            "displayName": "left behind",
            "freeformTags": dict(tags),
            "lifecycleState": "AVAILABLE",
        }

    def _routes(self) -> Mapping[tuple[str, str, int], Callable[..., Response]]:
        return {
            ("POST", "instances", 1): self._launch,
            ("GET", "instances", 1): self._list_instances,
            ("GET", "instances", 2): self._get_instance,
            ("DELETE", "instances", 2): self._terminate,
            ("GET", "instances", 3): self._credentials,
            ("GET", "vnicAttachments", 1): self._list_attachments,
            ("GET", "vnics", 2): self._get_vnic,
            ("GET", "privateIps", 1): self._list_private_ips,
            ("GET", "publicIps", 1): self._list_public_ips,
            ("GET", "subnets", 2): self._get_subnet,
            ("GET", "networkSecurityGroups", 2): self._get_group,
            ("GET", "images", 2): self._get_image,
            ("GET", "shapes", 1): self._list_shapes,
            ("GET", "bootVolumes", 1): self._list_boot_volumes,
            ("GET", "volumes", 1): self._list_volumes,
            ("DELETE", "bootVolumes", 2): self._delete_volume,
            ("DELETE", "volumes", 2): self._delete_volume,
            ("GET", "availabilityDomains", 1): self._list_domains,
            ("GET", "faultDomains", 1): self._list_fault_domains,
        }

    def _launch(self, request: Request) -> Response:
        body = request.json
        token = request.headers.get("opc-retry-token")
        if wrong := self._problem_with(body, token):
            return self._complain(failed(400, "InvalidParameter", wrong), f"launch: {wrong}")
        if body["compartmentId"] != COMPARTMENT or body["createVnicDetails"]["subnetId"] not in OFFICE_SUBNETS:
            return hidden()
        if body["sourceDetails"]["imageId"] not in (IMAGE, WINDOWS_IMAGE):
            return failed(400, "RelatedResourceNotAuthorizedOrNotFound", "image not found")
        if body["shape"] not in (SHAPE, FIXED_SHAPE) or body["availabilityDomain"] not in DOMAINS:
            return failed(400, "InvalidParameter", "Invalid shape or availability domain")
        assert token is not None
        digest = json.dumps(body, sort_keys=True)
        if token in self.tokens:
            return self._repeated(digest, *self.tokens[token])
        self._made += 1
        made = StoredInstance(self._made, body, self.now)
        self.instances[made.ocid], self.tokens[token] = made, (digest, made.ocid)
        return Response(200, self._instance(made))

    def _repeated(self, digest: str, first: str, ocid: str) -> Response:
        made = self.instances.get(ocid)
        is_dead = made is None or made.terminated_at is not None
        if made is not None and is_dead and self.replays_dead:
            return Response(200, self._instance(made))
        if is_dead or digest != first:
            return failed(409, "InvalidatedRetryToken", "The provided retry token was used in an earlier request.")
        assert made is not None
        return Response(200, self._instance(made))

    def _problem_with(self, body: Any, token: str | None) -> str | None:
        from oci.core.models import core_type_mapping

        found = [str(one) for one in violations(body, "LaunchInstanceDetails", core_type_mapping)]
        found += [f"{name} is missing" for name in _REQUIRED if not body.get(name)]
        metadata = {**body.get("metadata", {}), **body.get("extendedMetadata", {})}
        if len(json.dumps(metadata).encode()) > 32_000:
            found.append("too much metadata")
        if len(body.get("freeformTags", {})) > 10:
            found.append("too many tags")
        if body.get("shape", "").endswith(".Flex") and not body.get("shapeConfig", {}).get("ocpus"):
            found.append("a flexible shape without ocpus")
        if not token or len(token) > 64:
            found.append("no retry token that OCI takes")
        base64.b64decode(metadata.get("user_data", ""), validate=True)
        return "; ".join(found) or None

    def _list_instances(self, request: Request) -> Response:
        name = request.parameter("displayName")
        return self._page(
            request,
            [
                self._instance(one)
                for one in self.instances.values()
                if (self.listed is None or one.ocid in self.listed) and name in (None, one.request["displayName"])
            ],
        )

    def _get_instance(self, _: Request, ocid: str) -> Response:
        found = self.instances.get(ocid)
        return Response(200, self._instance(found)) if found else hidden()

    def _terminate(self, request: Request, ocid: str) -> Response:
        found = self.instances.get(ocid)
        if found is None or self.state(found) == "TERMINATED":
            return hidden()
        if request.parameter("preserveDataVolumesCreatedAtLaunch") not in ("false", "False"):
            return self._complain(Response(204), "terminate: data volumes would be preserved")
        found.boot_volume_preserved = request.parameter("preserveBootVolume") not in ("false", "False")
        if found.terminated_at is None:
            found.terminated_at = self.now
        return Response(204)

    def _credentials(self, _: Request, ocid: str, what: str) -> Response:
        if what != "initialCredentials" or ocid not in self.instances or not self.password_ready:
            return hidden()
        return Response(200, {"username": "opc", "password": INITIAL_PASSWORD})

    def _list_attachments(self, request: Request) -> Response:
        asked = request.parameter("instanceId")
        found = []
        for one in self.instances.values():
            if asked in (None, one.ocid):
                found += [self._attachment(one, vnic) for vnic in (one.vnic, *one.extra_vnics)]
        return self._page(request, found)

    def _attachment(self, instance: StoredInstance, vnic: str) -> dict[str, Any]:
        attached = self.now >= instance.launched_at + ATTACHED_AFTER
        state = "DETACHED" if self.state(instance) == "TERMINATED" else "ATTACHED" if attached else "ATTACHING"
        return {
            "id": f"ocid1.vnicattachment.oc1.iad.{vnic}",
            "instanceId": instance.ocid,
            "vnicId": vnic,
            "subnetId": instance.request["createVnicDetails"]["subnetId"],
            "compartmentId": COMPARTMENT,
            "availabilityDomain": instance.request["availabilityDomain"],
            "lifecycleState": state,
            "timeCreated": "2026-01-01T00:00:00Z",
        }

    def _get_vnic(self, _: Request, ocid: str) -> Response:
        for one in self.instances.values():
            if ocid in (one.vnic, *one.extra_vnics):
                is_primary = ocid == one.vnic
                body: dict[str, Any] = {"id": ocid, "isPrimary": is_primary, "lifecycleState": "AVAILABLE"}
                body["privateIp"] = one.private_ip if is_primary else "10.9.9.9"
                if is_primary and one.public_ip:
                    body["publicIp"] = one.public_ip
                return Response(200, body)
        return hidden()

    def _list_private_ips(self, request: Request) -> Response:
        subnet = request.parameter("subnetId")
        found = [
            {
                "id": f"ocid1.privateip.oc1.iad.{one.number}",
                "ipAddress": one.private_ip,
                "isPrimary": True,
                "subnetId": subnet,
                "vnicId": one.vnic,
            }
            for one in self._attached()
            if one.request["createVnicDetails"]["subnetId"] == subnet
        ]
        return self._page(request, found)

    def _list_public_ips(self, request: Request) -> Response:
        if request.parameter("scope") != "AVAILABILITY_DOMAIN" or request.parameter("lifetime") != "EPHEMERAL":
            return self._complain(failed(400, "InvalidParameter", "scope"), "public addresses of another scope")
        found = [
            {
                "id": f"ocid1.publicip.oc1.iad.{one.number}",
                "ipAddress": one.public_ip,
                "privateIpId": f"ocid1.privateip.oc1.iad.{one.number}",
                "scope": "AVAILABILITY_DOMAIN",
                "lifetime": "EPHEMERAL",
            }
            for one in self._attached()
            if one.public_ip and one.request["availabilityDomain"] == request.parameter("availabilityDomain")
        ]
        return self._page(request, found)

    def _attached(self) -> Iterable[StoredInstance]:
        for one in self.instances.values():
            if self.state(one) != "TERMINATED" and self.now >= one.launched_at + ATTACHED_AFTER:
                yield one

    def _get_subnet(self, _: Request, ocid: str) -> Response:
        if ocid not in OFFICE_SUBNETS:
            return hidden()
        return Response(200, {"id": ocid, "displayName": "subnet", "prohibitPublicIpOnVnic": OFFICE_SUBNETS[ocid]})

    def _get_group(self, _: Request, ocid: str) -> Response:
        return Response(200, {"id": ocid, "displayName": "web"}) if ocid == NSG else hidden()

    def _get_image(self, _: Request, ocid: str) -> Response:
        systems = {IMAGE: "Oracle Linux", WINDOWS_IMAGE: "Windows"}
        if ocid not in systems:
            return hidden()
        image = {"displayName": "image", "operatingSystem": systems[ocid], "lifecycleState": "AVAILABLE"}
        return Response(200, {"id": ocid, **image})

    def _list_shapes(self, request: Request) -> Response:
        flexible = {
            "shape": SHAPE,
            "isFlexible": True,
            "ocpuOptions": {"min": 1, "max": 64},
            "memoryOptions": {"minInGBs": 1, "maxInGBs": 1024},
            "baselineOcpuUtilizations": ["BASELINE_1_1", "BASELINE_1_2", "BASELINE_1_8"],
        }
        return self._page(request, [flexible, {"shape": FIXED_SHAPE, "ocpus": 1, "memoryInGBs": 15}])

    def _list_boot_volumes(self, request: Request) -> Response:
        return self._page(request, [*self._own_boot_volumes(), *self._volumes_of("bootVolumes")])

    def _list_volumes(self, request: Request) -> Response:
        return self._page(request, self._volumes_of("volumes"))

    def _volumes_of(self, kind: str) -> list[dict[str, Any]]:
        return [
            {key: value for key, value in one.items() if key != "kind"}
            for one in self.volumes.values()
            if one["kind"] == kind
        ]

    def _own_boot_volumes(self) -> list[dict[str, Any]]:
        return [
            {
                "id": f"ocid1.bootvolume.oc1.iad.{one.number}",
                "displayName": f"{one.request['displayName']} (Boot Volume)",
                "freeformTags": one.request.get("freeformTags", {}),
                "lifecycleState": state,
            }
            for one in self.instances.values()
            if (state := self._boot_volume_state(one))
        ]

    def _boot_volume_state(self, instance: StoredInstance) -> str | None:
        if instance.terminated_at is None or instance.boot_volume_preserved:
            return "AVAILABLE"
        return "TERMINATING" if self.now < instance.terminated_at + VOLUME_GONE_AFTER else None

    def _delete_volume(self, _: Request, ocid: str) -> Response:
        if ocid not in self.volumes:
            return self._complain(hidden(), f"deletes {ocid}, which hangs on an instance or does not exist")
        self.volumes[ocid]["lifecycleState"] = "TERMINATED"
        return Response(204)

    def _list_domains(self, request: Request) -> Response:
        if request.parameter("compartmentId") != COMPARTMENT:
            return hidden()
        return Response(200, [{"name": name, "id": f"ocid1.availabilitydomain.oc1..{name[-1]}"} for name in DOMAINS])

    def _list_fault_domains(self, _: Request) -> Response:
        return Response(200, [{"name": f"FAULT-DOMAIN-{number}"} for number in (1, 2, 3)])

    def _instance(self, instance: StoredInstance) -> dict[str, Any]:
        asked = instance.request
        created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=instance.number)
        body = {
            "id": instance.ocid,
            "lifecycleState": self.state(instance),
            "region": "iad",
            "timeCreated": created.isoformat().replace("+00:00", "Z"),
            "imageId": asked["sourceDetails"]["imageId"],
        }
        copied = ("compartmentId", "availabilityDomain", "displayName", "shape", "freeformTags", "metadata")
        body |= {name: asked[name] for name in copied if name in asked}
        if "preemptibleInstanceConfig" in asked:
            body["preemptibleInstanceConfig"] = asked["preemptibleInstanceConfig"]
        return body

    def _page(self, request: Request, found: Sequence[Any]) -> Response:
        compartment = request.parameter("compartmentId")
        if compartment not in (None, COMPARTMENT):
            return hidden()
        start = int(request.parameter("page") or 0)
        end = start + min(self.page_size, int(request.parameter("limit") or 100))
        headers = {"opc-next-page": str(end)} if end < len(found) else {}
        return Response(200, list(found[start:end]), headers)

    def _complain(self, answer: Response, problem: str) -> Response:
        self.complaints.append(problem)
        return answer
