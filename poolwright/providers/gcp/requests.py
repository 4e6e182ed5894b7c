"""The request that makes a VM, from settings, what is asked for, and the override."""

from collections.abc import Mapping
from typing import Any, Final

from google.cloud import compute_v1
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor

from poolwright.providers.base import VMSpec
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.gcp.names import (
    CONTROLLER_LABEL,
    REQUEST_LABEL,
    SERVER_LABEL,
    label_texts,
    mark_labels,
    request_id,
)
from poolwright.providers.gcp.settings import SCRIPT_KEYS, SECRETS, Place, Settings
from poolwright.providers.overrides import overridden

SCRIPT_LIMIT_BYTES: Final = 256 * 1024
_METADATA_LIMIT_BYTES: Final = 512 * 1024
_PROTECTED: Final = (
    ("name",),
    ("labels", CONTROLLER_LABEL),
    ("labels", SERVER_LABEL),
    ("labels", REQUEST_LABEL),
)
_FAMILIES_WITH_GPUS: Final = ("a2-", "a3-", "a4-", "a4x-", "g2-", "g4-")
"""Machine types that bring their accelerators along."""


def insert_request(settings: Settings, spec: VMSpec, place: Place, number: int = 0) -> compute_v1.InsertInstanceRequest:
    """What is sent to make the VM; `number` is that of the request id. Raises `InvalidSettings` for an override that
    Google would not understand, or that takes away what the VM is known or started by."""
    request = request_id(spec, number)
    body = overridden(
        _instance(settings, spec, place, request), rest_names(settings.config_override), protected=_PROTECTED
    )
    _refuse_protection(body)
    _add_script(body, settings, spec)
    _mark_disks(body, spec)
    return compute_v1.InsertInstanceRequest(
        project=settings.project, zone=place.zone, request_id=request, instance_resource=_parsed(body)
    )


def shown(request: compute_v1.InsertInstanceRequest) -> dict[str, Any]:
    """The request's body as it goes over the wire, but for its secrets."""
    body: dict[str, Any] = SECRETS.masked(json_format.MessageToDict(compute_v1.Instance.pb(request.instance_resource)))
    return body


def rest_names(override: Mapping[str, Any]) -> dict[str, Any]:
    """The override in the names of Google's REST API, whether it came in these or in those of Google's Python client
    (`machineType`, `machine_type`). Raises `InvalidSettings` for a field that an instance does not have."""
    return _renamed(override, compute_v1.Instance.pb(compute_v1.Instance()).DESCRIPTOR, "config_override")


def image_path(settings: Settings) -> str:
    """The image as a path that begins with `projects/`."""
    image = settings.image[settings.image.find("projects/") :] if "projects/" in settings.image else settings.image
    if image.startswith("projects/"):
        return image
    return f"projects/{settings.project}/global/images/{image.removeprefix('global/').removeprefix('images/')}"


def network_path(settings: Settings) -> str | None:
    """The network as a path; None where the subnetwork says it."""
    if settings.network is None:
        return None if settings.subnetwork else "global/networks/default"
    return (
        settings.network
        if "/" in settings.network
        else f"projects/{settings.project}/global/networks/{settings.network}"
    )


def subnetwork_path(settings: Settings) -> str | None:
    """The subnetwork as a path, if one is set."""
    if settings.subnetwork is None or "/" in settings.subnetwork:
        return settings.subnetwork
    return f"projects/{settings.project}/regions/{settings.home_region}/subnetworks/{settings.subnetwork}"


def _instance(settings: Settings, spec: VMSpec, place: Place, request: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": spec.name,
        "description": f"Made by Poolwright for {spec.hostname}",
        "machineType": f"zones/{place.zone}/machineTypes/{place.machine_type}",
        "labels": {**settings.labels, **label_texts(spec.labels), **mark_labels(spec.mark), REQUEST_LABEL: request},
        "disks": [_boot_disk(settings, place)],
        "networkInterfaces": [_network_interface(settings)],
    }
    if settings.network_tags:
        body["tags"] = {"items": list(settings.network_tags)}
    if settings.metadata:
        body["metadata"] = {"items": [{"key": key, "value": value} for key, value in settings.metadata.items()]}
    if settings.service_account:
        account = settings.service_account
        body["serviceAccounts"] = [{"email": account.email, "scopes": list(account.scopes)}]
    if settings.guest_accelerators:
        zone = f"projects/{settings.project}/zones/{place.zone}"
        body["guestAccelerators"] = [
            {
                "acceleratorType": f"{zone}/acceleratorTypes/{accelerator.accelerator_type}",
                "acceleratorCount": accelerator.accelerator_count,
            }
            for accelerator in settings.guest_accelerators
        ]
    scheduling = _scheduling(settings, place)
    return {**body, "scheduling": scheduling} if scheduling else body


def _boot_disk(settings: Settings, place: Place) -> dict[str, Any]:
    made: dict[str, Any] = {
        "sourceImage": image_path(settings),
        "diskType": f"zones/{place.zone}/diskTypes/{settings.disk_type}",
        "labels": dict(settings.labels),
    }
    if settings.boot_disk_gib is not None:
        made["diskSizeGb"] = str(settings.boot_disk_gib)
    disk: dict[str, Any] = {"boot": True, "autoDelete": True, "initializeParams": made}
    if settings.disk_encryption_key:
        disk["diskEncryptionKey"] = {"kmsKeyName": settings.disk_encryption_key}
    return disk


def _network_interface(settings: Settings) -> dict[str, Any]:
    interface: dict[str, Any] = {}
    if network := network_path(settings):
        interface["network"] = network
    if subnetwork := subnetwork_path(settings):
        interface["subnetwork"] = subnetwork
    if settings.public_ip:
        interface["accessConfigs"] = [{"name": "External NAT", "type": "ONE_TO_ONE_NAT"}]
    return interface


def _scheduling(settings: Settings, place: Place) -> dict[str, Any]:
    if settings.spot:
        return {
            "provisioningModel": "SPOT",
            "instanceTerminationAction": "DELETE",
            "onHostMaintenance": "TERMINATE",
            "automaticRestart": False,
        }
    # Google refuses to make a VM with accelerators that it would have to move to another host.
    if settings.guest_accelerators or place.machine_type.startswith(_FAMILIES_WITH_GPUS):
        return {"onHostMaintenance": "TERMINATE"}
    return {}


def _renamed(given: Any, kind: Descriptor, path: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidSettings(f"{path} is {type(given).__name__}; make it an object with the fields of {kind.name}")
    fields = {name: field for field in kind.fields for name in (field.name, field.json_name)}
    renamed: dict[str, Any] = {}
    for key, value in given.items():
        field = fields.get(key)
        if field is None:
            raise InvalidSettings(f"{path}.{key} is no field of {kind.name} in Google's API; correct or remove it")
        inner = field.message_type
        if value is None or inner is None:
            renamed[field.json_name] = value
        elif inner.GetOptions().map_entry:
            if not isinstance(value, Mapping):
                raise InvalidSettings(f"{path}.{key} is {type(value).__name__}; make it an object")
            renamed[field.json_name] = value
        elif field.is_repeated:
            entries = value if isinstance(value, list | tuple) else [value]
            renamed[field.json_name] = [
                _renamed(entry, inner, f"{path}.{key}[{index}]") for index, entry in enumerate(entries)
            ]
        else:
            renamed[field.json_name] = _renamed(value, inner, f"{path}.{key}")
    return renamed


def _add_script(body: dict[str, Any], settings: Settings, spec: VMSpec) -> None:
    key, script = SCRIPT_KEYS[settings.script_type], spec.startup_script.get_secret_value()
    metadata = body.get("metadata") or {}
    items = list(metadata.get("items") or [])
    if any(item.get("key") in SCRIPT_KEYS.values() for item in items):
        raise InvalidSettings(
            f"config_override.metadata sets a startup script; leave it out, Poolwright puts its own under {key}"
        )
    if script:
        items.append({"key": key, "value": script})
    if items:
        body["metadata"] = {**metadata, "items": items}
    _check_sizes(items, key, spec)


def _check_sizes(items: list[Any], script_key: str, spec: VMSpec) -> None:
    total = 0
    for item in items:
        size = len(str(item.get("value") or "").encode())
        total += size + len(str(item.get("key")))
        if size > SCRIPT_LIMIT_BYTES:
            what = f"the startup script of {spec.name}" if item.get("key") == script_key else f"metadata {item['key']}"
            raise InvalidSettings(f"{what} has {size} bytes, {SCRIPT_LIMIT_BYTES} are allowed; shorten it")
    if total > _METADATA_LIMIT_BYTES:
        raise InvalidSettings(
            f"the metadata of {spec.name} with its startup script has {total} bytes, {_METADATA_LIMIT_BYTES} are "
            "allowed; shorten it"
        )


def _refuse_protection(body: Mapping[str, Any]) -> None:
    if body.get("deletionProtection"):
        raise InvalidSettings(
            f"config_override sets deletionProtection to {body['deletionProtection']!r}, with which Google refuses to "
            "delete the VM, so that Poolwright never could; take it out"
        )


def _mark_disks(body: dict[str, Any], spec: VMSpec) -> None:
    """Whatever the override made of the disks: those that are made with the VM go with it, or are found by label."""
    for index, disk in enumerate(body.get("disks") or []):
        if disk.get("source") or disk.get("type") == "SCRATCH":
            continue
        if disk.setdefault("autoDelete", True) is not True:
            raise InvalidSettings(
                f"config_override.disks[{index}].autoDelete keeps a disk that is made with the VM; take it out, or "
                "attach an existing disk by its source"
            )
        made = disk.get("initializeParams") or {}
        disk["initializeParams"] = {**made, "labels": {**(made.get("labels") or {}), **mark_labels(spec.mark)}}


def _parsed(body: Mapping[str, Any]) -> compute_v1.Instance:
    message = compute_v1.Instance.pb(compute_v1.Instance())
    try:
        json_format.ParseDict(dict(body), message)
    except json_format.ParseError as error:
        raise InvalidSettings(
            f"config_override makes a request that Google's API does not take: {str(error).partition(chr(10))[0]}"
        ) from None
    instance: compute_v1.Instance = compute_v1.Instance.wrap(message)
    return instance
