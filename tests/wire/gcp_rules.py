"""What Compute Engine accepts of a new instance: its fields by the SDK's own message types, its rules by the API's
reference."""

import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from google.cloud import compute_v1
from google.protobuf import json_format

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_METADATA_KEY = re.compile(r"[a-zA-Z0-9-_]{1,128}")
_OUTPUT_ONLY = ("id", "kind", "status", "zone", "selfLink", "creationTimestamp", "fingerprint", "resourceStatus")
_VALUE_BYTES, _ALL_VALUES_BYTES = 256 * 1024, 512 * 1024


def complaints_about(body: Any, zone: str) -> Iterable[str]:
    """What of an instance's body the API does not allow."""
    message = compute_v1.Instance.pb(compute_v1.Instance())
    try:
        json_format.ParseDict(body, message)
    except json_format.ParseError as error:
        yield f"instance: {error}"
        return
    if json_format.MessageToDict(message) != body:
        yield "instance: fields are not named as in the REST API"
    yield from (f"instance.{key} is only told, never given" for key in _OUTPUT_ONLY if key in body)
    if not _NAME.fullmatch(body.get("name", "")):
        yield f"instance.name {body.get('name')!r}"
    if not re.fullmatch(rf"zones/{zone}/machineTypes/[a-z0-9-]+", body.get("machineType", "")):
        yield f"instance.machineType {body.get('machineType')!r} in {zone}"
    yield from _about_labels(body.get("labels", {}), "instance")
    yield from _about_disks(body.get("disks", []), zone)
    yield from _about_metadata(body.get("metadata", {}).get("items", []))
    yield from _about_scheduling(body)
    yield from (f"tag {tag!r}" for tag in body.get("tags", {}).get("items", []) if not _NAME.fullmatch(tag))
    if len(body.get("networkInterfaces", [])) < 1:
        yield "instance.networkInterfaces is empty"
    if len(body.get("serviceAccounts", [])) > 1:
        yield "instance.serviceAccounts: one is allowed"


def is_request_id(text: str | None) -> bool:
    """Whether it is a UUID and not the empty one."""
    try:
        return uuid.UUID(text or "").int != 0
    except ValueError:
        return False


def _about_labels(labels: Mapping[str, str], what: str) -> Iterable[str]:
    if len(labels) > 64:
        yield f"{what}: {len(labels)} labels"
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            yield f"{what}: label {key}={value}"


def _about_disks(disks: list[dict[str, Any]], zone: str) -> Iterable[str]:
    if [disk.get("boot", False) for disk in disks[:1]] != [True] or any(disk.get("boot") for disk in disks[1:]):
        yield "instance.disks: the first, and no other, is the boot disk"
    for disk in disks:
        made = disk.get("initializeParams")
        if (made is None) == ("source" not in disk):
            yield "instance.disks: either source or initializeParams"
        if made:
            yield from _about_labels(made.get("labels", {}), "disk")
            if not re.fullmatch(rf"zones/{zone}/diskTypes/[a-z0-9-]+", made.get("diskType", "")):
                yield f"diskType {made.get('diskType')!r} in {zone}"
        key = disk.get("diskEncryptionKey", {}).get("kmsKeyName")
        if key and not re.fullmatch(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+.*", key):
            yield f"kmsKeyName {key!r}"


def _about_metadata(items: list[dict[str, str]]) -> Iterable[str]:
    keys = [item["key"] for item in items]
    if len(set(keys)) != len(keys):
        yield "metadata: a key is there twice"
    sizes = {item["key"]: len(item.get("value", "").encode()) for item in items}
    if sum(sizes.values()) > _ALL_VALUES_BYTES:
        yield "metadata: too large in all"
    for key, size in sizes.items():
        if not _METADATA_KEY.fullmatch(key) or size > _VALUE_BYTES:
            yield f"metadata {key}: {size} bytes"


def _about_scheduling(body: Mapping[str, Any]) -> Iterable[str]:
    scheduling = body.get("scheduling", {})
    is_spot = scheduling.get("provisioningModel") == "SPOT"
    if scheduling.get("provisioningModel", "STANDARD") not in ("SPOT", "STANDARD", "FLEX_START", "RESERVATION_BOUND"):
        yield f"scheduling.provisioningModel {scheduling['provisioningModel']!r}"
    if scheduling.get("onHostMaintenance", "MIGRATE") not in ("MIGRATE", "TERMINATE"):
        yield f"scheduling.onHostMaintenance {scheduling['onHostMaintenance']!r}"
    if is_spot and scheduling.get("automaticRestart", True):
        yield "scheduling.automaticRestart has to be false for spot VMs"
    if "instanceTerminationAction" in scheduling and not is_spot and "maxRunDuration" not in scheduling:
        yield "scheduling.instanceTerminationAction without a reason to be terminated"
    has_gpus = body.get("guestAccelerators") or re.match(r"zones/[^/]+/machineTypes/(a2|a3|g2)-", body["machineType"])
    if (is_spot or has_gpus) and scheduling.get("onHostMaintenance") != "TERMINATE":
        yield "scheduling.onHostMaintenance has to be TERMINATE for spot VMs and for VMs with accelerators"
