"""Whether the settings of the azure provider can work: Azure is asked for each thing that they name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from azure.core.exceptions import HttpResponseError

from poolwright.domain.findings import Finding
from poolwright.providers.azure.client import Client
from poolwright.providers.azure.errors import translated
from poolwright.providers.azure.settings import Settings
from poolwright.vendors.azure_faults import Trouble, trouble
from poolwright.vendors.faults import Fault

_GROUPS_API: Final = "2021-04-01"
_PERMISSIONS_API: Final = "2022-04-01"
_SIZES_API: Final = "2021-07-01"
_IMAGES_API: Final = "2024-07-01"
_GALLERIES_API: Final = "2024-03-03"
_NETWORK_API: Final = "2024-05-01"

NEEDED_ACTIONS: Final = (
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/disks/read",
    "Microsoft.Compute/disks/write",
    "Microsoft.Compute/disks/delete",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/networkInterfaces/delete",
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Network/publicIPAddresses/read",
    "Microsoft.Network/publicIPAddresses/delete",
)
PUBLIC_ADDRESS_ACTIONS: Final = (
    "Microsoft.Network/publicIPAddresses/write",
    "Microsoft.Network/publicIPAddresses/join/action",
)
RUN_COMMAND_ACTIONS: Final = (
    "Microsoft.Compute/virtualMachines/runCommands/read",
    "Microsoft.Compute/virtualMachines/runCommands/write",
)
SUBNET_ACTION: Final = "Microsoft.Network/virtualNetworks/subnets/join/action"
NETWORK_SECURITY_GROUP_ACTION: Final = "Microsoft.Network/networkSecurityGroups/join/action"

_LOGIN_REMEDY: Final = "correct tenant_id, client_id and client_secret, or make a new secret if it has expired"
_UNTOLD: Final = frozenset({Fault.PERMISSION})
"""Things outside the resource group that an identity need not see for VMs to work."""
_WRONG: Final = frozenset({Fault.MISSING, Fault.INVALID})


def check(client: Client, settings: Settings) -> Sequence[Finding]:
    """All that is wrong. Raises the errors of the tree when Azure cannot be asked."""
    with translated(f"checking {settings.resource_group}"):
        found = _group(client, settings)
    if found:
        return found
    with translated(f"checking {settings.resource_group}"):
        return [
            *_permissions(client, settings),
            *_sizes(client, settings),
            *_image(client, settings),
            *_subnet(client, settings),
            *_network_security_group(client, settings),
        ]


def _group(client: Client, settings: Settings) -> list[Finding]:
    """Findings that make all other questions useless."""
    refused = _refusal(client, settings.group_id, _GROUPS_API)
    if refused is None:
        return []
    if refused.fault is Fault.AUTHENTICATION:
        setting = "client_secret" if settings.client_secret else "client_id"
        return [Finding(setting=setting, problem=refused.message, remedy=_LOGIN_REMEDY)]
    if refused.fault is Fault.PERMISSION:
        remedy = "give the identity the role that the provider's page names, on this resource group"
        return [Finding(setting="resource_group", problem=refused.message, remedy=remedy)]
    setting = "subscription_id" if "ubscription" in (refused.code or "") else "resource_group"
    return [Finding(setting=setting, problem=refused.message, remedy="correct it, or make the resource group")]


def _permissions(client: Client, settings: Settings) -> Iterator[Finding]:
    needed = [*NEEDED_ACTIONS]
    needed += PUBLIC_ADDRESS_ACTIONS if settings.assign_public_ip else ()
    needed += RUN_COMMAND_ACTIONS if settings.is_windows else ()
    yield from _permissions_on(client, "resource_group", settings.group_id, needed)


def _permissions_on(client: Client, setting: str, thing_id: str, needed: Sequence[str]) -> Iterator[Finding]:
    try:
        granted = client.list_all(f"{thing_id}/providers/Microsoft.Authorization/permissions", _PERMISSIONS_API)
    except HttpResponseError as error:
        if trouble(error).fault in _UNTOLD | _WRONG:
            return
        raise
    missing = [action for action in needed if not any(_grants(one, action) for one in granted)]
    if missing:
        yield Finding(
            setting=setting,
            problem=f"the identity may not {', '.join(missing)}",
            remedy=f"give it the role that the provider's page names, on this {setting.replace('_', ' ')}",
        )


def _grants(granted: Mapping[str, Any], action: str) -> bool:
    return _matches(granted.get("actions"), action) and not _matches(granted.get("notActions"), action)


def _matches(patterns: Sequence[str] | None, action: str) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE) for pattern in patterns or ()
    )


def _sizes(client: Client, settings: Settings) -> Iterator[Finding]:
    path = f"/subscriptions/{settings.subscription_id}/providers/Microsoft.Compute/skus"
    try:
        told = client.list_all(path, _SIZES_API, **{"$filter": f"location eq '{settings.region}'"})
    except HttpResponseError as error:
        if trouble(error).fault in _UNTOLD:
            return
        raise
    sizes = {one["name"].lower(): one for one in told if one.get("resourceType") == "virtualMachines"}
    if not sizes:
        yield Finding(
            setting="region", problem=f"{settings.region} has no VM sizes", remedy="name a region such as westeurope"
        )
        return
    there = {zone for one in sizes.values() for zone in _zones(one)}
    zones = [zone for zone in settings.availability_zones if zone in there]
    for size in settings.vm_sizes:
        problem = _problem_of_size(size, sizes.get(size.lower()), settings, zones)
        if problem:
            yield Finding(setting="vm_sizes", problem=problem, remedy="choose another size, or ask Azure for access")
    nowhere = [zone for zone in settings.availability_zones if zone not in there]
    if nowhere:
        yield Finding(
            setting="availability_zones",
            problem=f"{settings.region} has no zone {', '.join(nowhere)}",
            remedy="name zones of the region, or none",
        )


def _problem_of_size(size: str, told: Mapping[str, Any] | None, settings: Settings, zones: Sequence[str]) -> str | None:
    if told is None:
        return f"{settings.region} has no size {size}"
    restrictions = told.get("restrictions") or ()
    if any(one.get("type") == "Location" for one in restrictions):
        return f"the subscription may not use {size} in {settings.region}"
    closed = {
        zone
        for one in restrictions
        if one.get("type") == "Zone"
        for zone in (one.get("restrictionInfo") or {}).get("zones") or ()
    }
    if wanted := [zone for zone in zones if zone in closed]:
        return f"the subscription may not use {size} in zone {', '.join(wanted)}"
    lacking = [zone for zone in zones if zone not in _zones(told)]
    return f"{settings.region} has {size}, but not in zone {', '.join(lacking)}" if lacking else None


def _zones(told: Mapping[str, Any]) -> set[str]:
    return {zone for place in told.get("locationInfo") or () for zone in place.get("zones") or ()}


def _image(client: Client, settings: Settings) -> Iterator[Finding]:
    image = settings.image_reference
    if image.id:
        api_version = _GALLERIES_API if "/galleries/" in image.id.lower() else _IMAGES_API
        yield from _named(client, "image_reference", image.id, api_version)
    elif image.publisher:
        path = (
            f"/subscriptions/{settings.subscription_id}/providers/Microsoft.Compute/locations/{settings.region}"
            f"/publishers/{image.publisher}/artifacttypes/vmimage/offers/{image.offer}/skus/{image.sku}/versions"
        )
        if image.version != "latest":
            path += f"/{image.version}"
        yield from _named(client, "image_reference", path, _IMAGES_API)
    elif given := image.shared_gallery_image_id or image.community_gallery_image_id:
        location = f"/subscriptions/{settings.subscription_id}/providers/Microsoft.Compute/locations/{settings.region}"
        path = f"{location}/{re.sub('(?i)/versions/latest/?$', '', given).strip('/')}"
        yield from _named(client, "image_reference", path, _GALLERIES_API)


def _subnet(client: Client, settings: Settings) -> Iterator[Finding]:
    yield from _joined(client, "subnet", settings.subnet_id, SUBNET_ACTION)


def _network_security_group(client: Client, settings: Settings) -> Iterator[Finding]:
    if group := settings.network_security_group_id:
        yield from _joined(client, "network_security_group", group, NETWORK_SECURITY_GROUP_ACTION)


def _joined(client: Client, setting: str, thing_id: str, action: str) -> Iterator[Finding]:
    """Whether the thing exists and interfaces may be made in it. It may be in another resource group than the VMs."""
    missing = list(_named(client, setting, thing_id, _NETWORK_API))
    yield from missing or _permissions_on(client, setting, thing_id, [action])


def _named(client: Client, setting: str, path: str, api_version: str) -> Iterator[Finding]:
    refused = _refusal(client, path, api_version)
    if refused is not None and refused.fault not in _UNTOLD:
        yield Finding(setting=setting, problem=refused.message, remedy="correct the name or id, or make it")


def _refusal(client: Client, path: str, api_version: str) -> Trouble | None:
    """Why the thing at this path cannot be used; None if it can. Raises the SDK's error if that was not answered."""
    try:
        client.look_up(path, api_version)
    except HttpResponseError as error:
        told = trouble(error)
        if told.fault in _WRONG | {Fault.AUTHENTICATION, Fault.PERMISSION}:
            return told
        raise
    return None
