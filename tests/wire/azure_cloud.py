"""A stand-in for Azure Resource Manager with VMs and what belongs to them, in memory.

Every request is checked: its login, its API version, and its body against Microsoft's description. A VM is made with
its interface, address and disk, as Azure does it; time passes when `pass_time` says so.
"""

import base64
import copy
import itertools
import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.wire.azure_login import Login, arm_error
from tests.wire.azure_schema import complaints
from tests.wire.server import Request, Response

Resource = dict[str, Any]

REGION = "westeurope"
SIZES = ("Standard_D2s_v3", "Standard_D4s_v3")
ZONES = ("1", "2", "3")
IMAGE = ("canonical", "ubuntu-24_04-lts", "server")
COMPUTE, NETWORK = "Microsoft.Compute", "Microsoft.Network"
VMS = f"{COMPUTE}/virtualMachines"
DISKS = f"{COMPUTE}/disks"
INTERFACES = f"{NETWORK}/networkInterfaces"
ADDRESSES = f"{NETWORK}/publicIPAddresses"
NAMED = {"subnet": "network/desktops", "network_security_group": "desktops"}
GROUP = "pools"
_PATH = re.compile(r"(?i)/subscriptions/(?P<subscription>[^/]+)(?:/resourceGroups/(?P<group>[^/]+))?(?P<rest>/.*)?")
_JSON = {"content-type": "application/json"}
_LARGEST_CUSTOM_DATA_BYTES = 65_535


def is_creation(request: Request) -> bool:
    """Whether it makes something."""
    return request.method == "PUT"


def is_arm(request: Request) -> bool:
    """Whether it is for the Resource Manager, and not for the login."""
    return request.path.startswith("/subscriptions/")


@dataclass
class Subscription:
    """One subscription with one resource group."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    creation_steps: int = 0
    """How often time passes before a VM that was asked for is made."""
    address_steps: int = 0
    """How often time passes before a VM that was made has an address."""
    deletion_steps: int = 0
    """How often time passes before a VM that is deleted is gone."""
    failure: tuple[str, str] | None = None
    """Code and message that creations fail with after they were accepted."""
    takes_children_along: bool = True
    """False: interfaces, addresses and disks stay when their VM goes, as after a failed creation."""
    actions: tuple[str, ...] = ("*",)
    subnets: set[str] = field(default_factory=lambda: {"network/desktops"})
    groups: set[str] = field(default_factory=lambda: {"desktops"})
    resources: dict[str, Resource] = field(default_factory=dict)
    """By id in lower case."""
    custom_data: dict[str, bytes] = field(default_factory=dict)
    """By name of the VM, as it got it."""
    now: int = 0

    def id_of(self, kind: str, name: str) -> str:
        return f"/subscriptions/{self.id}/resourceGroups/{GROUP}/providers/{kind}/{name}"

    def get(self, kind: str, name: str) -> Resource | None:
        return self.resources.get(self.id_of(kind, name).lower())

    def of(self, kind: str) -> list[Resource]:
        return [one for one in self.resources.values() if one["type"].lower() == kind.lower()]

    def add(self, kind: str, name: str, **content: Any) -> Resource:
        resource = {"id": self.id_of(kind, name), "name": name.rpartition("/")[2], "type": kind, **content}
        self.resources[resource["id"].lower()] = resource
        return resource

    def remove(self, resource: Resource) -> None:
        self.resources.pop(resource["id"].lower(), None)

    def names(self) -> list[str]:
        return [one["id"].partition("/providers/")[2] for one in self.resources.values()]

    def pass_time(self) -> None:
        self.now += 1
        for vm in self.of(VMS):
            self.bring_on(vm)

    def bring_on(self, vm: Resource) -> None:
        """Let what is under way for this VM end, if its time has come."""
        inner = vm["properties"]
        if inner["provisioningState"] == "Deleting" and self.now >= vm["_deleted_at"]:
            self._end(vm)
        elif inner["provisioningState"] == "Creating" and self.now >= vm["_made_at"]:
            code, message = self.failure or ("", "")
            inner["provisioningState"] = "Failed" if code else "Succeeded"
            vm["_failure"] = (code, message)
        if self.now >= vm["_address_at"]:
            for interface in self.of(INTERFACES):
                if (interface["properties"].get("virtualMachine") or {}).get("id") == vm["id"]:
                    self._give_addresses(interface)

    def _give_addresses(self, interface: Resource) -> None:
        configuration = interface["properties"]["ipConfigurations"][0]["properties"]
        configuration.setdefault("privateIPAddress", f"10.0.{interface['_number'] // 250}.{interface['_number'] % 250}")
        public = configuration.get("publicIPAddress")
        if public:
            inner = self.resources[public["id"].lower()]["properties"]
            inner.setdefault("ipAddress", f"198.51.{interface['_number'] // 250}.{interface['_number'] % 250}")

    def _end(self, vm: Resource) -> None:
        self.remove(vm)
        for child in [one for one in self.resources.values() if one.get("_vm") == vm["id"]]:
            if self.takes_children_along:
                self.remove(child)
            elif child["type"] != ADDRESSES:
                child["properties"].pop("virtualMachine", None)
                child.pop("managedBy", None)


class AzureCloud:
    """The app: give it to a `WireServer`."""

    def __init__(self) -> None:
        self.login = Login()
        self.complaints: list[str] = []
        self._subscriptions: dict[str, Subscription] = {}
        self._numbers = itertools.count(4)

    def subscription(self) -> Subscription:
        """A new one, empty."""
        made = Subscription()
        self._subscriptions[made.id] = made
        return made

    def __call__(self, request: Request) -> Response:
        response = self._answer(request)
        # Written out here: what it shows may change once this returns.
        return Response(response.status, json.dumps(response.body).encode(), {**_JSON, **response.headers})

    def _answer(self, request: Request) -> Response:
        if self.login.knows(request):
            return self.login(request)
        if refusal := self.login.refusal(request):
            return refusal
        self._check(request)
        match = _PATH.fullmatch(request.path)
        subscription = self._subscriptions.get(match["subscription"]) if match else None
        if match is None or subscription is None:
            return arm_error(404, "SubscriptionNotFound", "The subscription could not be found.")
        rest = (match["rest"] or "").removeprefix("/providers/")
        if match["group"] is None:
            return self._of_subscription(rest, request)
        if match["group"].lower() != GROUP:
            return arm_error(404, "ResourceGroupNotFound", f"Resource group '{match['group']}' could not be found.")
        return self._in_group(subscription, rest, request)

    def _check(self, request: Request) -> None:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", request.parameter("api-version") or ""):
            self.complaints.append(f"{request.method} {request.path} has no api-version")
        if "asyncoperations" in request.path.lower():
            self.complaints.append(f"{request.path}: an operation was waited for")

    def _of_subscription(self, rest: str, request: Request) -> Response:
        if rest == f"{COMPUTE}/skus":
            places = [{"location": REGION, "zones": list(ZONES)}]
            kind = "virtualMachines"
            there = request.parameter("$filter") == f"location eq '{REGION}'"
            offered = SIZES if there else ()
            return _page([{"resourceType": kind, "name": size, "locationInfo": places} for size in offered])
        publisher, offer, sku = IMAGE
        wanted = f"{COMPUTE}/locations/{REGION}/publishers/{publisher}/artifacttypes/vmimage/offers/{offer}/skus/{sku}"
        if rest.startswith(f"{wanted}/versions"):
            return Response(200, [{"name": "24.04.202611010"}])
        return arm_error(404, "NotFound", f"Artifact: {rest} was not found.")

    def _in_group(self, subscription: Subscription, rest: str, request: Request) -> Response:
        if not rest:
            return Response(200, {"id": f"/subscriptions/{subscription.id}/resourceGroups/{GROUP}", "name": GROUP})
        if rest.endswith("Microsoft.Authorization/permissions"):
            return _page([{"actions": list(subscription.actions), "notActions": []}])
        namespace, kind, *names = rest.split("/")
        kind = f"{namespace}/{kind}"
        if kind == f"{NETWORK}/virtualNetworks":
            return _known(f"{names[0]}/{names[2]}" in subscription.subnets, names[-1])
        if kind == f"{NETWORK}/networkSecurityGroups":
            return _known(names[0] in subscription.groups, names[0])
        if not names:
            return _page([_answer(one) for one in subscription.of(kind)])
        if len(names) == 3 and names[1] == "runCommands":
            return self._run_command(subscription, names[0], names[2], request)
        answers: dict[str, Callable[[Subscription, str, str, Request], Response]] = {
            "GET": self._get,
            "DELETE": self._delete,
            "PUT": self._put,
        }
        return answers[request.method](subscription, kind, names[0], request)

    def _get(self, subscription: Subscription, kind: str, name: str, request: Request) -> Response:
        found = subscription.get(kind, name)
        if found is None:
            return _missing(f"{kind}/{name}")
        return Response(200, _answer(found, view=request.parameter("$expand") == "instanceView"))

    def _delete(self, subscription: Subscription, kind: str, name: str, request: Request) -> Response:
        found = subscription.get(kind, name)
        if found is None:
            return Response(204)
        inner = found["properties"]
        if kind == VMS:
            inner["provisioningState"] = "Deleting"
            found.setdefault("_deleted_at", subscription.now + subscription.deletion_steps)
            subscription.bring_on(found)
        elif inner.get("virtualMachine"):
            return arm_error(400, "NicInUse", f"Network Interface {name} is used by a virtual machine.")
        elif any(_uses(interface, found) for interface in subscription.of(INTERFACES)):
            return arm_error(400, "PublicIPAddressCannotBeDeleted", f"Public IP address {name} can not be deleted.")
        elif found.get("managedBy"):
            return arm_error(409, "OperationNotAllowed", f"Disk {name} is attached to a VM.")
        else:
            subscription.remove(found)
            for address in subscription.of(ADDRESSES):
                if _uses(found, address):
                    address["properties"].pop("ipConfiguration", None)
        return Response(202, None, {"Azure-AsyncOperation": f"{self.login.base_url}/asyncoperations/1"})

    def _put(self, subscription: Subscription, kind: str, name: str, request: Request) -> Response:
        if kind != VMS:
            self.complaints.append(f"{kind} {name} is asked for by itself")
            return arm_error(400, "BadRequest", "This is not made here.")
        if request.headers.get("if-none-match") != "*":
            self.complaints.append(f"VM {name} is put over what may be there")
        if subscription.get(VMS, name):
            return arm_error(412, "PreconditionFailed", f"The resource {name} exists.")
        body = request.json
        wrong = list(complaints("virtualMachines", VMS, name, body))
        self.complaints += wrong
        if wrong:
            return arm_error(400, "InvalidRequestContent", "; ".join(wrong))
        if refusal := _refusal(subscription, body):
            return refusal
        vm = self._make(subscription, name, copy.deepcopy(body))
        answer = _answer(vm)
        subscription.bring_on(vm)
        return Response(201, answer, {"Azure-AsyncOperation": f"{self.login.base_url}/asyncoperations/1"})

    def _make(self, subscription: Subscription, name: str, body: Resource) -> Resource:
        inner = body["properties"]
        profile = inner["osProfile"]
        profile.pop("adminPassword", None)
        subscription.custom_data[name] = base64.b64decode(profile.pop("customData", ""))
        vm = subscription.add(VMS, name, **body)
        made_at = subscription.now + subscription.creation_steps
        vm |= {"_made_at": made_at, "_address_at": made_at + subscription.address_steps, "_failure": ("", "")}
        inner |= {"provisioningState": "Creating", "vmId": str(uuid.uuid4())}
        disk = inner["storageProfile"]["osDisk"]["name"]
        subscription.add(DISKS, disk, location=body["location"], properties={}, managedBy=vm["id"], _vm=vm["id"])
        configurations = inner["networkProfile"].pop("networkInterfaceConfigurations")
        made = [self._make_interface(subscription, vm, one) for one in configurations]
        inner["networkProfile"]["networkInterfaces"] = [{"id": one["id"]} for one in made]
        return vm

    def _make_interface(self, subscription: Subscription, vm: Resource, wanted: Resource) -> Resource:
        """Azure adds to the name that was asked for."""
        number = next(self._numbers)
        configuration = wanted["properties"]["ipConfigurations"][0]["properties"]
        ip: Resource = {"subnet": configuration["subnet"]}
        public = configuration.get("publicIPAddressConfiguration")
        tags, name = wanted.get("tags") or {}, f"{wanted['name']}-{number:08x}"
        if public:
            address = subscription.add(
                ADDRESSES,
                f"{public['name']}-{number:08x}",
                tags=public.get("tags") or {},
                properties={"ipConfiguration": {"id": f"{subscription.id_of(INTERFACES, name)}/ipConfigurations/1"}},
                _vm=vm["id"],
            )
            ip["publicIPAddress"] = {"id": address["id"]}
        return subscription.add(
            INTERFACES,
            name,
            tags=tags,
            properties={"ipConfigurations": [{"properties": ip}], "virtualMachine": {"id": vm["id"]}},
            _vm=vm["id"],
            _number=number,
        )

    def _run_command(self, subscription: Subscription, vm: str, name: str, request: Request) -> Response:
        kind, full_name = f"{VMS}/{vm}/runCommands", f"{vm}/runCommands/{name}"
        machine, found = subscription.get(VMS, vm), subscription.get(VMS, full_name)
        if machine is None:
            return arm_error(404, "ParentResourceNotFound", f"VM {vm} was not found.")
        if request.method == "GET":
            return Response(200, _answer(found, view=True)) if found else _missing(full_name)
        body = request.json
        self.complaints += complaints("virtualMachines_runCommands", f"{VMS}/runCommands", name, body)
        made = subscription.add(VMS, full_name, **copy.deepcopy(body), _vm=machine["id"], _runs=0)
        made["type"] = kind
        made["properties"] |= {
            "provisioningState": "Succeeded",
            "instanceView": {"executionState": "Succeeded", "exitCode": 0, "output": "done", "error": ""},
        }
        return Response(201, _answer(made), {"Azure-AsyncOperation": f"{self.login.base_url}/asyncoperations/2"})


def _refusal(subscription: Subscription, body: Resource) -> Response | None:
    """What Azure refuses at once."""
    inner = body["properties"]
    size, image = inner["hardwareProfile"]["vmSize"], inner["storageProfile"]["imageReference"]
    if body["location"] != REGION:
        return arm_error(400, "LocationNotAvailableForResourceType", f"There are no VMs in {body['location']}.")
    if size not in SIZES:
        return arm_error(400, "InvalidParameter", f"The value {size} provided for the VM size is not valid.")
    if "publisher" in image and (image["publisher"], image["offer"], image["sku"]) != IMAGE:
        return arm_error(404, "PlatformImageNotFound", "The platform image is not available.")
    if len(base64.b64decode(inner["osProfile"].get("customData", ""))) > _LARGEST_CUSTOM_DATA_BYTES:
        return arm_error(400, "InvalidParameter", "Custom data in OSProfile is too long.")
    for wanted in _links(inner):
        name = wanted.partition("/virtualNetworks/")[2].replace("/subnets/", "/")
        group = wanted.partition("/networkSecurityGroups/")[2]
        if name not in subscription.subnets and group not in subscription.groups:
            return arm_error(400, "InvalidResourceReference", f"Resource {wanted} referenced was not found.")
    return None


def _links(inner: Resource) -> Iterator[str]:
    for interface in inner["networkProfile"].get("networkInterfaceConfigurations", ()):
        if "networkSecurityGroup" in interface["properties"]:
            yield interface["properties"]["networkSecurityGroup"]["id"]
        for configuration in interface["properties"]["ipConfigurations"]:
            yield configuration["properties"]["subnet"]["id"]


def _uses(interface: Resource, address: Resource) -> bool:
    configurations = interface["properties"].get("ipConfigurations", ())
    return any((one["properties"].get("publicIPAddress") or {}).get("id") == address["id"] for one in configurations)


def _answer(resource: Resource, *, view: bool = False) -> Resource:
    shown = {key: value for key, value in resource.items() if not key.startswith("_")}
    shown["properties"] = {key: value for key, value in resource["properties"].items() if view or key != "instanceView"}
    if view and resource["type"] == VMS:
        shown["properties"]["instanceView"] = {"statuses": _statuses(resource)}
    return shown


def _statuses(vm: Resource) -> list[Resource]:
    state = vm["properties"]["provisioningState"]
    if state == "Failed":
        code, message = vm["_failure"]
        return [{"code": f"ProvisioningState/failed/{code}", "level": "Error", "message": message}]
    power = vm.get("_power", "running" if state == "Succeeded" else "starting")
    return [{"code": f"ProvisioningState/{state.lower()}"}, {"code": f"PowerState/{power}"}]


def _page(values: list[Resource]) -> Response:
    return Response(200, {"value": values})


def _known(known: bool, name: str) -> Response:
    return Response(200, {"name": name}) if known else _missing(name)


def _missing(name: str) -> Response:
    return arm_error(404, "ResourceNotFound", f"The Resource '{name}' under resource group '{GROUP}' was not found.")
