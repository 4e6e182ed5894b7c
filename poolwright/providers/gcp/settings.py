"""Settings of the GCP provider."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from poolwright.domain.base import Model
from poolwright.providers.override_secrets import SecretKeys
from poolwright.vendors.gcp import Account

LABEL_PREFIX: Final = "poolwright_"
"""Label keys that begin like this are ours."""
MOST_LABELS: Final = 60
"""Google allows 64; the rest is for the owner mark."""
SECRETS: Final = SecretKeys("rawKey", "raw_key", "rsaEncryptedKey", "rsa_encrypted_key")
"""Keys of one's own that disks, images and snapshots are encrypted with."""


class OSType(StrEnum):
    """What runs on the image."""

    LINUX = "linux"
    WINDOWS = "windows"


class ScriptType(StrEnum):
    """What the startup script is written in."""

    BASH = "bash"
    """Linux; any script whose first line names its interpreter."""
    POWERSHELL = "powershell"
    """Windows."""
    CMD = "cmd"
    """Windows."""
    BAT = "bat"
    """Windows."""


SCRIPT_KEYS: Final[Mapping[ScriptType, str]] = {
    ScriptType.BASH: "startup-script",
    ScriptType.POWERSHELL: "windows-startup-script-ps1",
    ScriptType.CMD: "windows-startup-script-cmd",
    ScriptType.BAT: "windows-startup-script-bat",
}
"""The metadata key that Google's guest agent reads each from."""


class Place(NamedTuple):
    """Where a VM is made, and how large."""

    zone: str
    machine_type: str

    def text(self) -> str:
        """As `places` and VMs tell it."""
        return f"{self.zone}/{self.machine_type}"


def _last_part(path: str) -> str:
    return path.rpartition("/")[2]


def _different(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise ValueError("each may be named once; take the repeated one out")
    return values


def _checked_labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    for key, value in labels.items():
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
            raise ValueError(
                f"label {key}: keys and values are up to 63 lower-case letters, digits, dashes and underscores, and "
                "keys begin with a letter"
            )
        if key.startswith(LABEL_PREFIX):
            raise ValueError(f"label {key}: Poolwright knows its VMs by labels that begin so; choose another name")
    if len(labels) > MOST_LABELS:
        raise ValueError(f"{len(labels)} labels are given, {MOST_LABELS} are allowed; take some out")
    return labels


def _as_mapping(metadata: Any) -> Any:
    if isinstance(metadata, Mapping) or not isinstance(metadata, Sequence):
        return metadata
    pairs = [item for item in metadata if isinstance(item, Mapping) and set(item) == {"key", "value"}]
    if len(pairs) != len(metadata) or not all(isinstance(pair["key"], str) for pair in pairs):
        raise ValueError('each entry of a list is {"key": ..., "value": ...}, with a text as its key')
    return {pair["key"]: pair["value"] for pair in pairs}


def _checked_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    for key in metadata:
        if key in SCRIPT_KEYS.values():
            raise ValueError(f"{key} is where the startup script goes; set startup_script of the vm_provider instead")
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", key):
            raise ValueError(f"{key!r}: keys are up to 128 letters, digits, dashes and underscores")
    return metadata


Name = Annotated[str, BeforeValidator(lambda value: _last_part(value) if isinstance(value, str) else value)]
"""A name, or a path that ends with it."""
MachineType = Annotated[Name, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Zone = Annotated[Name, Field(pattern=r"^[a-z]+-[a-z]+[0-9]+-[a-z0-9]+$")]
NetworkTag = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]


class ServiceAccount(Model):
    """As whom programs in the VM call Google."""

    email: str
    """The service account's address, or `default` for the project's own."""
    scopes: tuple[str, ...] = ("https://www.googleapis.com/auth/cloud-platform",)
    """What its tokens are good for; its roles limit that further."""


class Accelerator(Model):
    """GPUs of one type."""

    accelerator_type: Name
    """For example `nvidia-tesla-t4`. Of a path only the name counts, as the zone is the VM's."""
    accelerator_count: Annotated[int, Field(ge=1, le=16)] = 1
    """How many."""

    @model_validator(mode="before")
    @classmethod
    def _take_googles_names(cls, given: Any) -> Any:
        ours = {"acceleratorType": "accelerator_type", "acceleratorCount": "accelerator_count"}
        return {ours.get(key, key): value for key, value in given.items()} if isinstance(given, Mapping) else given


class Settings(Account):
    """One project, and what its VMs are like."""

    zones: Annotated[tuple[Zone, ...], Field(min_length=1), AfterValidator(_different)]
    """Zones of one region, such as `us-east4-b`, in order of preference: a creation that finds no room in one is tried
    in the next."""
    machine_types: Annotated[tuple[MachineType, ...], Field(min_length=1), AfterValidator(_different)]
    """Such as `e2-standard-2`, in order of preference: all zones are tried with the first before the next is."""
    region: str | None = None
    """Left out: the one that the zones are in."""
    image: Annotated[str, Field(min_length=1)]
    """`projects/PROJECT/global/images/NAME`, or `projects/PROJECT/global/images/family/FAMILY` for the newest of a
    family; a name alone is an image of this project."""
    os_type: OSType = OSType.LINUX
    """What runs on the image; decides which startup scripts it understands."""
    startup_script_type: ScriptType | None = None
    """Left out: `bash` on Linux, `powershell` on Windows."""
    boot_disk_gib: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Size of the boot disk. Left out: the image's."""
    disk_type: Annotated[Name, Field(pattern=r"^[a-z][a-z0-9-]*$")] = "pd-balanced"
    """Type of the boot disk, such as `pd-ssd` or `hyperdisk-balanced`."""
    disk_encryption_key: str | None = None
    """Your own key for the boot disk: `projects/P/locations/L/keyRings/R/cryptoKeys/K`. Left out: Google's."""
    network: str | None = None
    """`projects/PROJECT/global/networks/NAME`, or a name in this project. Left out: the subnetwork's, or `default`."""
    subnetwork: str | None = None
    """`projects/PROJECT/regions/REGION/subnetworks/NAME`, or a name in this project. Networks of custom mode need
    it."""
    public_ip: bool = False
    """Give each VM a public address. Without one it needs Cloud NAT, or another way out, to check in."""
    network_tags: tuple[NetworkTag, ...] = ()
    """Which firewall rules hold for it."""
    labels: Annotated[Mapping[str, str], AfterValidator(_checked_labels)] = Field(default_factory=dict)
    """Labels of your own on VMs and their boot disks."""
    metadata: Annotated[Mapping[str, str], BeforeValidator(_as_mapping), AfterValidator(_checked_metadata)] = Field(
        default_factory=dict
    )
    """Metadata of your own, as a mapping or as a list of `key` and `value`."""
    service_account: ServiceAccount | None = None
    """Left out: programs in the VM get no tokens."""
    guest_accelerators: tuple[Accelerator, ...] = ()
    """GPUs. A VM with some is ended, not moved, when its host is maintained."""
    spot: bool = False
    """Cheaper VMs that Google may take back at any time; a VM that is taken back is deleted."""
    config_override: Annotated[Mapping[str, Any], SECRETS] = Field(default_factory=dict)
    """JSON merge patch on the instance that is created, in the names of Google's REST API. Encryption keys of your own
    (`rawKey`, `rsaEncryptedKey`) are kept like any other secret."""
    calls_per_second: Annotated[float, Field(gt=0)] = 20
    """How fast this worker calls Compute Engine. Projects start with a quota of 1500 calls a minute; all workers and
    programs of the project share it."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.region is None:
            object.__setattr__(self, "region", region_of(self.zones[0]))
        strangers = [zone for zone in self.zones if region_of(zone) != self.region]
        if strangers:
            raise ValueError(
                f"zones: {', '.join(strangers)} is not in {self.region}; use a vm_provider for each region"
            )
        if (self.script_type is ScriptType.BASH) != (self.os_type is OSType.LINUX):
            raise ValueError(
                f"startup_script_type {self.script_type} is not run on {self.os_type}; Linux takes bash, Windows "
                "powershell, cmd or bat"
            )
        return self

    @property
    def makes_spot_vms(self) -> bool:
        """Whether Google may take the VMs back: by `spot`, or as `config_override` has it."""
        told = self.config_override.get("scheduling")
        scheduling = told if isinstance(told, Mapping) else {}
        models = [scheduling[key] for key in ("provisioningModel", "provisioning_model") if key in scheduling]
        return scheduling.get("preemptible") is True or "SPOT" in (models or ["SPOT" if self.spot else "STANDARD"])

    @property
    def home_region(self) -> str:
        """The region of all zones and of the subnetwork."""
        return self.region or region_of(self.zones[0])

    @property
    def script_type(self) -> ScriptType:
        """What the startup script is written in."""
        by_system = ScriptType.BASH if self.os_type is OSType.LINUX else ScriptType.POWERSHELL
        return self.startup_script_type or by_system

    def all_places(self) -> Sequence[Place]:
        """Every zone with every machine type, in order of preference."""
        return [Place(zone, machine_type) for machine_type in self.machine_types for zone in self.zones]


def region_of(zone: str) -> str:
    """The region that a zone is in."""
    return zone.rpartition("-")[0]
