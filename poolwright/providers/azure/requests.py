"""The request that makes a VM, as Azure's API names it."""

import base64
import gzip
import re
from collections.abc import Mapping
from typing import Any, Final

from poolwright.providers.azure.marks import OWNER_TAG, PLACE_TAG, PROTECTED_TAGS, marked_name
from poolwright.providers.azure.settings import SECRETS, SecurityType, Settings
from poolwright.providers.base import VMSpec
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.overrides import overridden

LARGEST_SCRIPT_BYTES: Final = 262_144
LARGEST_CUSTOM_DATA_BYTES: Final = 65_535
_LONGEST_WINDOWS_HOSTNAME: Final = 15
_LONGEST_HOSTNAME: Final = 64
_NETWORK_API: Final = "2022-11-01"
"""The newest version of the network API that Azure makes interfaces with as part of a VM."""
_PROTECTED: Final = (
    *(("tags", tag) for tag in PROTECTED_TAGS),
    ("name",),
    ("properties", "osProfile", "customData"),
    ("properties", "storageProfile", "osDisk", "name"),
)


def place_of(spec: VMSpec, settings: Settings) -> str:
    """The place that the VM is to be made in: the first when none is asked for. Raises `InvalidSettings`."""
    places = settings.places
    if spec.place is None:
        return next(iter(places))
    if spec.place not in places:
        raise InvalidSettings(f"there is no place {spec.place!r}; choose one of {', '.join(places)}")
    return spec.place


def vm_request(spec: VMSpec, settings: Settings) -> dict[str, Any]:
    """The body of the request that makes the VM with its network interface, public address and disks.

    Raises `InvalidSettings` for what can never succeed.
    """
    _refuse_hostname(spec.hostname, settings)
    place = place_of(spec, settings)
    size, zone = settings.places[place]
    tags = _tags(spec, settings, place)
    request: dict[str, Any] = {
        "location": settings.region,
        "tags": tags,
        "properties": {
            "hardwareProfile": {"vmSize": size},
            "storageProfile": _storage(spec, settings),
            "osProfile": _os_profile(spec, settings),
            "networkProfile": _network(spec, settings),
            **_security(settings),
            **_spot(settings),
        },
    }
    if zone is not None:
        request["zones"] = [zone]
    if settings.plan is not None:
        request["plan"] = settings.plan.model_dump()
    request = overridden(request, settings.config_override, protected=_PROTECTED)
    return _kept_in_hand(request, spec, tags)


def shown(request: Mapping[str, Any], spec: VMSpec) -> dict[str, Any]:
    """The request for people: without its secrets, and with the startup script as it was given."""
    masked: dict[str, Any] = SECRETS.masked(request)
    if "customData" not in (masked["properties"].get("osProfile") or {}):
        return masked
    script = spec.startup_script.get_secret_value()
    return overridden(masked, {"properties": {"osProfile": {"customData": script}}})


def _refuse_hostname(hostname: str, settings: Settings) -> None:
    longest = _LONGEST_WINDOWS_HOSTNAME if settings.is_windows else _LONGEST_HOSTNAME
    if len(hostname) > longest:
        raise InvalidSettings(
            f"host name {hostname!r} has {len(hostname)} characters and may have {longest}; shorten hostname_pattern"
        )
    if settings.is_windows and re.fullmatch(r"\d+", hostname):
        raise InvalidSettings(f"host name {hostname!r} has digits only, which Windows refuses; change hostname_pattern")


def _tags(spec: VMSpec, settings: Settings, place: str) -> dict[str, str]:
    return {
        **settings.tags,
        **spec.labels,
        OWNER_TAG: spec.mark.text(),
        PLACE_TAG: place,
    }


def _storage(spec: VMSpec, settings: Settings) -> dict[str, Any]:
    managed_disk: dict[str, Any] = {"storageAccountType": settings.os_disk_type}
    if settings.security_type is SecurityType.CONFIDENTIAL_VM:
        managed_disk["securityProfile"] = {"securityEncryptionType": "VMGuestStateOnly"}
    os_disk: dict[str, Any] = {
        "name": f"{marked_name(spec.mark)}-os",
        "createOption": "FromImage",
        "deleteOption": "Delete",
        "managedDisk": managed_disk,
    }
    if settings.os_disk_size_gib is not None:
        os_disk["diskSizeGB"] = settings.os_disk_size_gib
    return {"imageReference": dict(settings.image()), "osDisk": os_disk}


def _os_profile(spec: VMSpec, settings: Settings) -> dict[str, Any]:
    profile: dict[str, Any] = {"computerName": spec.hostname, "adminUsername": settings.os_username}
    if settings.os_password is not None:
        profile["adminPassword"] = settings.os_password.get_secret_value()
    script = script_of(spec)
    if settings.is_windows:
        return {**profile, "windowsConfiguration": {"provisionVMAgent": True}}
    if script:
        profile["customData"] = _custom_data(script)
    linux: dict[str, Any] = {"disablePasswordAuthentication": settings.os_password is None}
    if settings.ssh_public_key is not None:
        path = f"/home/{settings.os_username}/.ssh/authorized_keys"
        linux["ssh"] = {"publicKeys": [{"path": path, "keyData": settings.ssh_public_key}]}
    return {**profile, "linuxConfiguration": linux}


def script_of(spec: VMSpec) -> bytes:
    """The startup script's bytes. Raises `InvalidSettings` when there are too many."""
    script = spec.startup_script.get_secret_value().encode()
    if len(script) > LARGEST_SCRIPT_BYTES:
        raise InvalidSettings(
            f"the startup script has {len(script)} bytes and may have {LARGEST_SCRIPT_BYTES}; "
            "let it fetch its larger part"
        )
    return script


def _custom_data(script: bytes) -> str:
    """The script in base64, packed only where it has to be: cloud-init unpacks it, other agents do not."""
    data = script if len(script) <= LARGEST_CUSTOM_DATA_BYTES else gzip.compress(script, mtime=0)
    if len(data) > LARGEST_CUSTOM_DATA_BYTES:
        raise InvalidSettings(
            f"the startup script has {len(data)} bytes when packed and may have {LARGEST_CUSTOM_DATA_BYTES}; "
            "let it fetch its larger part"
        )
    return base64.b64encode(data).decode()


def _network(spec: VMSpec, settings: Settings) -> dict[str, Any]:
    """The interface and the public address are asked for inside the VM, so that no half of a creation can be lost."""
    address: dict[str, Any] = {"primary": True, "subnet": {"id": settings.subnet_id}}
    if settings.assign_public_ip:
        address["publicIPAddressConfiguration"] = {
            "name": f"{marked_name(spec.mark)}-ip",
            "sku": {"name": "Standard", "tier": "Regional"},
            "properties": {"deleteOption": "Delete", "publicIPAllocationMethod": "Static"},
        }
    interface: dict[str, Any] = {
        "primary": True,
        "deleteOption": "Delete",
        "ipConfigurations": [{"name": "primary", "properties": address}],
    }
    if settings.network_security_group_id is not None:
        interface["networkSecurityGroup"] = {"id": settings.network_security_group_id}
    return {
        "networkApiVersion": _NETWORK_API,
        "networkInterfaceConfigurations": [{"name": f"{marked_name(spec.mark)}-nic", "properties": interface}],
    }


def _security(settings: Settings) -> dict[str, Any]:
    if settings.security_type is None:
        return {}
    uefi = {"secureBootEnabled": settings.secure_boot, "vTpmEnabled": settings.virtual_tpm}
    if settings.security_type is SecurityType.CONFIDENTIAL_VM:
        uefi["vTpmEnabled"] = True
    profile: dict[str, Any] = {"securityType": settings.security_type.value}
    if any(value is not None for value in uefi.values()):
        profile["uefiSettings"] = {name: value for name, value in uefi.items() if value is not None}
    return {"securityProfile": profile}


def _spot(settings: Settings) -> dict[str, Any]:
    if settings.spot is None:
        return {}
    price = settings.spot.max_price_us_dollars_per_hour
    return {
        "priority": "Spot",
        "evictionPolicy": "Delete",
        "billingProfile": {"maxPrice": -1 if price is None else price},
    }


def _kept_in_hand(request: dict[str, Any], spec: VMSpec, tags: Mapping[str, str]) -> dict[str, Any]:
    """What an override added is marked and deleted with the VM too, and what was made for it stays ours."""
    properties = _object(request, "properties")
    for interface in _objects(_object(properties, "networkProfile"), "networkInterfaceConfigurations"):
        interface["tags"] = {**_object(interface, "tags"), **tags}
        _object(interface, "properties")["deleteOption"] = "Delete"
        for address in _objects(interface["properties"], "ipConfigurations"):
            public = _object(address, "properties").get("publicIPAddressConfiguration")
            if isinstance(public, dict):
                public["tags"] = {**_object(public, "tags"), **tags}
                _object(public, "properties")["deleteOption"] = "Delete"
    storage = _object(properties, "storageProfile")
    _object(storage, "osDisk")["deleteOption"] = "Delete"
    for disk in _objects(storage, "dataDisks"):
        if disk.get("createOption") != "Attach":
            disk["name"] = f"{marked_name(spec.mark)}-data-{disk.get('lun', 0)}"
            disk["deleteOption"] = "Delete"
    return request


def _object(holder: dict[str, Any], key: str) -> dict[str, Any]:
    value = holder[key] = {} if holder.get(key) is None else holder[key]
    if not isinstance(value, dict):
        raise InvalidSettings(f"config_override makes {key} something else than an object; correct it")
    return value


def _objects(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    values = holder.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise InvalidSettings(f"config_override makes {key} something else than a list of objects; correct it")
    return values
