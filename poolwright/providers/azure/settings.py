"""Settings of the azure provider."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import Field, JsonValue, SecretStr, StringConstraints, model_validator

from poolwright.domain.base import Model
from poolwright.providers.override_secrets import SecretKeys
from poolwright.vendors.azure import Account

MOST_TAGS: Final = 40
"""Azure takes 50; the rest is for the owner mark and for labels."""

SECRETS: Final = SecretKeys("adminPassword", "content")
"""The administrator's password, and answer files of Windows (`additionalUnattendContent`), which hold passwords too."""

Text = Annotated[str, StringConstraints(min_length=1)]
ResourceId = Annotated[str, StringConstraints(pattern=r"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/.+")]


class SecurityType(StrEnum):
    """How much of the VM's start is guarded."""

    STANDARD = "Standard"
    TRUSTED_LAUNCH = "TrustedLaunch"
    CONFIDENTIAL_VM = "ConfidentialVM"


class ImageReference(Model):
    """The image: a marketplace one by publisher, offer and SKU, or another by one of its ids."""

    publisher: Text | None = None
    """Marketplace image: who offers it, such as `canonical`."""
    offer: Text | None = None
    """Marketplace image: the offer, such as `ubuntu-24_04-lts`."""
    sku: Text | None = None
    """Marketplace image: the SKU, such as `server`."""
    version: Text = "latest"
    """Marketplace image: the version."""
    id: ResourceId | None = None
    """Resource id of an image, or of an image (version) in a gallery of this directory."""
    shared_gallery_image_id: Text | None = None
    """Id of an image in a gallery that was shared with this directory."""
    community_gallery_image_id: Text | None = None
    """Id of an image in a community gallery."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        parts = (self.publisher, self.offer, self.sku)
        ids = [one for one in (self.id, self.shared_gallery_image_id, self.community_gallery_image_id) if one]
        if any(parts) and not all(parts):
            raise ValueError("a marketplace image needs publisher, offer and sku; give all three, or an id instead")
        if len(ids) + bool(any(parts)) != 1:
            raise ValueError("name the image in exactly one way: by publisher, offer and sku, or by one of the ids")
        return self


class Plan(Model):
    """The purchase plan of a marketplace image that has one. Its terms must have been accepted in the subscription."""

    name: Text
    """The plan's name, mostly the image's SKU."""
    product: Text
    """The plan's product, mostly the image's offer."""
    publisher: Text
    """The plan's publisher."""


class Spot(Model):
    """Spot VMs: cheaper, and taken away when Azure needs the room."""

    max_price_us_dollars_per_hour: Annotated[float, Field(gt=0)] | None = None
    """The most to pay. Left out: never taken away for the price, which is at most that of an ordinary VM."""


class Settings(Account):
    """An Azure account and the shape of its VMs."""

    region: Text
    """Where VMs are made, such as `westeurope`."""
    vm_sizes: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Sizes such as `Standard_D4s_v5`, in order of preference."""
    availability_zones: tuple[Annotated[str, StringConstraints(pattern=r"^[1-9]$")], ...] = ()
    """Zones such as `"1"`, in order of preference; each size is tried in all zones before the next size. None: Azure
    places VMs in the region as it likes."""
    image_reference: ImageReference
    """The image."""
    plan: Plan | None = None
    """The image's purchase plan, if it has one."""
    is_windows: bool = False
    """The image is Windows. Startup scripts are then PowerShell, and are run through the VM agent."""
    security_type: SecurityType | None = None
    """How the VM's start is guarded. Left out: what Azure chooses for the image."""
    secure_boot: bool | None = None
    """Start only signed boot code. Needs `TrustedLaunch` or `ConfidentialVM`."""
    virtual_tpm: bool | None = None
    """Give the VM a virtual TPM. Needs `TrustedLaunch` or `ConfidentialVM`, of which the latter always has one."""
    os_disk_type: Text = "Premium_LRS"
    """Kind of the OS disk: `Standard_LRS`, `StandardSSD_LRS`, `Premium_LRS`, ..."""
    os_disk_size_gib: Annotated[int, Field(ge=1, le=4095)] | None = 50
    """Size of the OS disk, at least the image's. Empty: the image's."""
    subnet: ResourceId | Annotated[str, StringConstraints(pattern=r"^[^/]+/[^/]+$")]
    """The subnet: its resource id, or `network/subnet` for one in the resource group."""
    network_security_group: ResourceId | Annotated[str, StringConstraints(pattern=r"^[^/]+$")] | None = None
    """The network security group of the VM's interface: its resource id, or its name in the resource group."""
    assign_public_ip: bool = False
    """Give each VM a public address. Without one, the subnet needs another way out, such as a NAT gateway."""
    os_username: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """The administrator that is made in the VM."""
    os_password: SecretStr | None = None
    """The administrator's password. On Linux it also allows logins with a password; left out, only the key does."""
    ssh_public_key: Text | None = None
    """Public key of the administrator, on Linux."""
    tags: Annotated[Mapping[Text, str], Field(max_length=MOST_TAGS)] = Field(default_factory=dict)
    """Tags of your own, put on everything that is made."""
    spot: Spot | None = None
    """Make spot VMs. Left out: ordinary ones."""
    config_override: Annotated[Mapping[str, JsonValue], SECRETS] = Field(default_factory=dict)
    """Changes to the body of the request that makes a VM, as a JSON merge patch, such as
    `{"properties": {"licenseType": "Windows_Client"}}`. `adminPassword` and the `content` of answer files are kept like
    any other secret."""

    @model_validator(mode="after")
    def _administrator_can_log_in(self) -> Self:
        if self.is_windows and self.os_password is None:
            raise ValueError("Windows needs os_password; set it")
        if not self.is_windows and self.os_password is None and self.ssh_public_key is None:
            raise ValueError("Linux needs ssh_public_key or os_password; set one of them")
        return self

    @model_validator(mode="after")
    def _guards_have_their_security_type(self) -> Self:
        guarded = self.security_type in (SecurityType.TRUSTED_LAUNCH, SecurityType.CONFIDENTIAL_VM)
        if (self.secure_boot is not None or self.virtual_tpm is not None) and not guarded:
            raise ValueError("secure_boot and virtual_tpm need security_type TrustedLaunch or ConfidentialVM")
        return self

    @property
    def makes_spot_vms(self) -> bool:
        """Whether Azure may take the VMs away: by `spot`, or as `config_override` has it."""
        properties = self.config_override.get("properties")
        asked = "Regular" if self.spot is None else "Spot"
        return (properties.get("priority", asked) if isinstance(properties, Mapping) else asked) == "Spot"

    @property
    def places(self) -> Mapping[str, tuple[str, str | None]]:
        """Place -> size and zone, in order of preference. A single one when there is no choice."""
        if not self.availability_zones:
            return {size: (size, None) for size in self.vm_sizes}
        return {f"{size}/zone-{zone}": (size, zone) for size in self.vm_sizes for zone in self.availability_zones}

    @property
    def subnet_id(self) -> str:
        """Resource id of the subnet."""
        if self.subnet.startswith("/"):
            return self.subnet
        network, _, subnet = self.subnet.partition("/")
        return f"{self.id_of('Microsoft.Network/virtualNetworks', network)}/subnets/{subnet}"

    @property
    def network_security_group_id(self) -> str | None:
        """Resource id of the network security group."""
        group = self.network_security_group
        if group is None or group.startswith("/"):
            return group
        return self.id_of("Microsoft.Network/networkSecurityGroups", group)

    @property
    def group_id(self) -> str:
        """Resource id of the resource group."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"

    def id_of(self, kind: str, name: str) -> str:
        """Resource id of a thing in the resource group."""
        return f"{self.group_id}/providers/{kind}/{name}"

    def image(self) -> Mapping[str, Any]:
        """The image as Azure's API names it."""
        image = self.image_reference
        if image.id:
            return {"id": image.id}
        if image.shared_gallery_image_id:
            return {"sharedGalleryImageId": image.shared_gallery_image_id}
        if image.community_gallery_image_id:
            return {"communityGalleryImageId": image.community_gallery_image_id}
        return {"publisher": image.publisher, "offer": image.offer, "sku": image.sku, "version": image.version}
