"""Settings of the OCI provider. The SDK is not needed to check them."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from poolwright.domain.base import Model
from poolwright.vendors.oci import OCID, Account

MOST_TAGS: Final = 10
"""Freeform tags that OCI allows on one resource."""
OWN_TAGS: Final = 3
"""How many of these are the owner mark and the token."""

TagKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
TagValue = Annotated[str, Field(max_length=256)]


class Shape(Model):
    """A machine's size. Only flexible shapes (`...Flex`) have cores and memory to choose."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,255}$")]
    """Such as `VM.Standard.E4.Flex`."""
    ocpus: float | None = Field(default=None, gt=0)
    """OCPUs of a flexible shape; on x86 each is two virtual processors."""
    memory_gib: float | None = Field(default=None, gt=0)
    """Memory of a flexible shape. Left out: the shape's own proportion to its OCPUs."""
    baseline_ocpu_utilization: Literal["BASELINE_1_1", "BASELINE_1_2", "BASELINE_1_8"] | None = None
    """Burstable: the share of its OCPUs that the machine always has (all, a half, an eighth)."""

    @model_validator(mode="after")
    def _only_flexible_shapes_are_sized(self) -> Self:
        sized = self.memory_gib is not None or self.baseline_ocpu_utilization is not None or self.ocpus is not None
        if self.name.endswith(".Flex") and self.ocpus is None:
            raise ValueError(f"{self.name} is flexible: say how many ocpus it is to have")
        if sized and not self.name.endswith(".Flex"):
            raise ValueError(
                f"{self.name} has its own OCPUs and memory; take ocpus, memory_gib and baseline_ocpu_utilization out, "
                "or name a shape that ends in .Flex"
            )
        return self


class Settings(Account):
    """An account, and what is launched in it."""

    availability_domains: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = Field(min_length=1)
    """Such as `Uocm:PHX-AD-1`, in order of preference: with `shapes` they are the places that creations fall back
    along."""
    shapes: tuple[Shape, ...] = Field(min_length=1)
    """In order of preference. Every availability domain is tried with the first before any with the second."""
    fault_domain: str | None = None
    """Such as `FAULT-DOMAIN-1`. Left out: OCI spreads the instances itself."""
    image_ocid: OCID
    """Image to boot from, of the same region."""
    operating_system: Literal["linux", "windows"] = "linux"
    """What the image holds: it decides how the startup script is handed over."""
    retrieve_windows_password: bool = False
    """Have OCI tell the first password of each new Windows VM, where the autoscale config's connection has none. Only
    Oracle's own images make one; with any other, servers would wait for it until their boot deadline."""
    boot_volume_gib: int | None = Field(default=None, ge=50, le=32_768)
    """Size of the boot volume. Left out: the image's own."""
    boot_volume_vpus_per_gib: int | None = Field(default=None, ge=10, le=120, multiple_of=10)
    """Performance of the boot volume: 10 balanced, 20 higher, from 30 ultra high."""
    subnet_ocid: OCID
    """Subnet of the primary network interface."""
    nsg_ocids: tuple[OCID, ...] = Field(default=(), max_length=5)
    """Network security groups of that interface."""
    public_ip: bool | None = None
    """Whether each instance gets a public address. Left out: as the subnet has it."""
    ssh_public_key: str | None = None
    """Lets its owner in as the image's default user (Linux)."""
    freeform_tags: Mapping[TagKey, TagValue] = Field(default_factory=dict, max_length=MOST_TAGS - OWN_TAGS)
    """Tags of your own. Poolwright adds its three."""
    defined_tags: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    """Tags of your tenancy's tag namespaces, by namespace and key."""
    spot: bool = False
    """Launch preemptible instances: cheaper, and taken back by OCI at any time."""
    config_override: Mapping[str, Any] = Field(default_factory=dict)
    """Merged over the launch request, see `poolwright provider preview`. Keys are spelled as in OCI's API or as in its
    Python SDK."""

    @property
    def makes_preemptible_instances(self) -> bool:
        """Whether OCI may take the instances back: by `spot`, or as `config_override` has it."""
        inner = self.config_override.get("launch_instance_details", self.config_override)
        told = inner if isinstance(inner, Mapping) else {}
        keys = ("preemptibleInstanceConfig", "preemptible_instance_config")
        configs = [told[key] for key in keys if key in told]
        return any(config is not None for config in configs) if configs else self.spot

    @model_validator(mode="after")
    def _only_windows_has_a_first_password(self) -> Self:
        if self.retrieve_windows_password and self.operating_system != "windows":
            raise ValueError("retrieve_windows_password needs operating_system: windows")
        return self

    @model_validator(mode="after")
    def _places_differ(self) -> Self:
        for setting, names in (
            ("availability_domains", self.availability_domains),
            ("shapes", tuple(shape.name for shape in self.shapes)),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{setting} names one of them twice: {', '.join(names)}; each may be there once")
        return self
