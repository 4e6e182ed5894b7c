"""The request that launches an instance, built from settings and one VM's spec. No call is made here."""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VMSpec
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.oci.launch_override import checked_request, native_override
from poolwright.providers.oci.settings import MOST_TAGS, Settings, Shape
from poolwright.providers.overrides import overridden

CONTROLLER_TAG: Final = "poolwright-controller"
SERVER_TAG: Final = "poolwright-server"
ATTEMPT_TAG: Final = "poolwright-attempt"
"""Bears the retry token that the instance was launched with, so that a token is known to be used up once it is dead."""
METADATA_LIMIT_BYTES: Final = 32_000
"""What OCI allows for all metadata of an instance together."""

_WINDOWS_FIRST_LINE: Final = "#ps1_sysnative\n"
_WINDOWS_FORMATS: Final = ("#ps1", "rem cmd", "#!", "#cloud-config", "content-type:", "mime-version:", "<")
_POWERSHELL_COMMENT: Final = "<#"
_PROTECTED: Final = (
    ("displayName",),
    ("compartmentId",),
    ("metadata", "user_data"),
    ("extendedMetadata", "user_data"),
    ("freeformTags", CONTROLLER_TAG),
    ("freeformTags", SERVER_TAG),
    ("freeformTags", ATTEMPT_TAG),
)


class Place(NamedTuple):
    """Where and as what an instance is launched."""

    availability_domain: str
    shape: Shape

    @property
    def text(self) -> str:
        """As `places` and `VMSpec.place` spell it."""
        return place_text(self.availability_domain, self.shape.name)


def place_text(availability_domain: str, shape: str) -> str:
    """The spelling of a place."""
    return f"{availability_domain}/{shape}"


def places(settings: Settings) -> Sequence[Place]:
    """All places in order of preference."""
    return [Place(domain, shape) for shape in settings.shapes for domain in settings.availability_domains]


def tags_of(mark: OwnerMark) -> Mapping[str, str]:
    """The owner mark as freeform tags."""
    return {CONTROLLER_TAG: mark.controller_id, SERVER_TAG: mark.server_id}


def mark_in(tags: Mapping[str, str] | None) -> OwnerMark | None:
    """The owner mark in a resource's freeform tags."""
    controller_id, server_id = ((tags or {}).get(key) for key in (CONTROLLER_TAG, SERVER_TAG))
    return OwnerMark(controller_id=controller_id, server_id=server_id) if controller_id and server_id else None


def retry_token(token: str, number: int) -> str:
    """The retry token to send: the first for this attempt, or the next after those whose instances have died."""
    return hashlib.sha256(f"{token}/{number}".encode()).hexdigest()[:48]


def launch_request(settings: Settings, spec: VMSpec, token: str) -> dict[str, Any]:
    """The body of `LaunchInstance`, with `config_override` merged in.

    Raises `InvalidSettings` for an unknown place, a script that is too large, and a bad override.
    """
    place = _place(settings, spec)
    request: dict[str, Any] = {
        "compartmentId": settings.compartment_ocid,
        "availabilityDomain": place.availability_domain,
        "displayName": spec.name,
        "shape": place.shape.name,
        "metadata": _metadata(settings, spec),
        "freeformTags": _tags(settings, spec, token),
        **_same_for_all(settings),
    }
    if place.shape.ocpus is not None:
        request["shapeConfig"] = _shape_config(place.shape)
    request = _with_override(settings, request)
    checked_request(request)
    _check_size(settings, spec, request)
    return request


def network_interface(settings: Settings) -> Mapping[str, Any]:
    """The primary network interface that every instance gets, `config_override` merged in."""
    interface: Mapping[str, Any] = _with_override(settings, _same_for_all(settings)).get("createVnicDetails") or {}
    return interface


def _same_for_all(settings: Settings) -> dict[str, Any]:
    request: dict[str, Any] = {
        "sourceDetails": _source(settings),
        "createVnicDetails": _network_interface(settings),
    }
    if settings.defined_tags:
        request["definedTags"] = {space: dict(tags) for space, tags in settings.defined_tags.items()}
    if settings.fault_domain is not None:
        request["faultDomain"] = settings.fault_domain
    if settings.spot:
        request["preemptibleInstanceConfig"] = {"preemptionAction": {"type": "TERMINATE", "preserveBootVolume": False}}
    return request


def _with_override(settings: Settings, request: dict[str, Any]) -> dict[str, Any]:
    return overridden(request, native_override(settings.config_override, request), protected=_PROTECTED)


def script_limit_bytes(settings: Settings) -> int | None:
    """Largest script that surely fits; None where it is compressed when it has to be."""
    if settings.operating_system == "linux":
        return None
    rest = _metadata_size({"metadata": {**_key_metadata(settings), "user_data": ""}})
    return (METADATA_LIMIT_BYTES - rest) // 4 * 3 - len(_WINDOWS_FIRST_LINE)


def user_data(settings: Settings, script: str) -> str:
    """The script as the instance's `user_data` has it."""
    if settings.operating_system == "windows":
        # Cloudbase-Init runs what its first line names, and takes anything else for no script at all: also what has a
        # byte order mark in front of that line.
        script = script.removeprefix("\ufeff")
        if not script.lower().startswith(_WINDOWS_FORMATS) or script.startswith(_POWERSHELL_COMMENT):
            script = _WINDOWS_FIRST_LINE + script
        return base64.b64encode(script.encode()).decode()
    plain = base64.b64encode(script.encode()).decode()
    room = METADATA_LIMIT_BYTES - _metadata_size({"metadata": {**_key_metadata(settings), "user_data": ""}})
    if len(plain) <= room:
        return plain
    # cloud-init unpacks it. Without a time in its header the same script is the same request.
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _place(settings: Settings, spec: VMSpec) -> Place:
    known = places(settings)
    if spec.place is None:
        return known[0]
    for place in known:
        if place.text == spec.place:
            return place
    raise InvalidSettings(
        f"there is no place {spec.place!r}; availability_domains and shapes give {', '.join(one.text for one in known)}"
    )


def _source(settings: Settings) -> dict[str, Any]:
    source: dict[str, Any] = {"sourceType": "image", "imageId": settings.image_ocid}
    if settings.boot_volume_gib is not None:
        source["bootVolumeSizeInGBs"] = settings.boot_volume_gib
    if settings.boot_volume_vpus_per_gib is not None:
        source["bootVolumeVpusPerGB"] = settings.boot_volume_vpus_per_gib
    return source


def _network_interface(settings: Settings) -> dict[str, Any]:
    interface: dict[str, Any] = {"subnetId": settings.subnet_ocid}
    if settings.nsg_ocids:
        interface["nsgIds"] = list(settings.nsg_ocids)
    if settings.public_ip is not None:
        interface["assignPublicIp"] = settings.public_ip
    return interface


def _metadata(settings: Settings, spec: VMSpec) -> dict[str, str]:
    metadata = _key_metadata(settings)
    if script := spec.startup_script.get_secret_value():
        metadata["user_data"] = user_data(settings, script)
    return metadata


def _key_metadata(settings: Settings) -> dict[str, str]:
    return {} if settings.ssh_public_key is None else {"ssh_authorized_keys": settings.ssh_public_key.strip()}


def _tags(settings: Settings, spec: VMSpec, token: str) -> dict[str, str]:
    tags = {**settings.freeform_tags, **spec.labels, **tags_of(spec.mark), ATTEMPT_TAG: token}
    if len(tags) > MOST_TAGS:
        raise InvalidSettings(
            f"{spec.name} would have {len(tags)} freeform tags, OCI allows {MOST_TAGS}; use fewer freeform_tags or "
            "labels"
        )
    return tags


def _shape_config(shape: Shape) -> dict[str, Any]:
    config: dict[str, Any] = {"ocpus": shape.ocpus}
    if shape.memory_gib is not None:
        config["memoryInGBs"] = shape.memory_gib
    if shape.baseline_ocpu_utilization is not None:
        config["baselineOcpuUtilization"] = shape.baseline_ocpu_utilization
    return config


def _check_size(settings: Settings, spec: VMSpec, request: Mapping[str, Any]) -> None:
    script = len(spec.startup_script.get_secret_value().encode())
    limit = script_limit_bytes(settings)
    if limit is not None and script > limit:
        raise InvalidSettings(
            f"the startup script of {spec.name} has {script} bytes, {limit} fit into an instance's metadata; shorten "
            "it, or let a short one fetch the rest"
        )
    size = _metadata_size(request)
    if size > METADATA_LIMIT_BYTES:
        raise InvalidSettings(
            f"the metadata of {spec.name} has {size} bytes, OCI allows {METADATA_LIMIT_BYTES}; the startup script is "
            f"{script} bytes of it before encoding: shorten it, or let a short one fetch the rest"
        )


def _metadata_size(request: Mapping[str, Any]) -> int:
    """Bytes of metadata and extended metadata as they are sent, which is never less than what OCI counts."""
    parts = (request.get(name) or {} for name in ("metadata", "extendedMetadata"))
    return sum(len(json.dumps(part).encode()) for part in parts)
