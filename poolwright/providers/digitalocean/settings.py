"""Settings of the DigitalOcean provider."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from poolwright.vendors.digitalocean import Account

_TAG: Final = re.compile(r"[A-Za-z0-9_:-]{1,255}")
_FIREWALL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]+")
_OURS: Final = "poolwright"


def _checked_tag(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise ValueError(f"{tag!r} is no tag; use up to 255 letters, digits, colons, dashes and underscores")
    if tag.lower().startswith(_OURS):
        raise ValueError(f"{tag!r} begins with {_OURS}, as the tags do by which VMs are known; choose another one")
    return tag


def _checked_firewall(name: str) -> str:
    if not _FIREWALL.fullmatch(name):
        raise ValueError(f"{name!r} is no firewall's name; these have letters, digits, periods and dashes")
    return name


def _different(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"{', '.join(values)} names one of them twice; take it out")
    return values


Slug = Annotated[str, Field(min_length=1, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Slugs = Annotated[tuple[Slug, ...], Field(min_length=1), AfterValidator(_different)]


class Settings(Account):
    """A DigitalOcean account and the droplets to make in it."""

    regions: Slugs
    """Regions by slug, such as `fra1`, in order of preference."""
    sizes: Slugs
    """Droplet sizes by slug, such as `s-2vcpu-4gb`, in order of preference: the first is tried in every region before
    the second is."""
    image: Slug | PositiveInt
    """Slug of a public image, such as `ubuntu-24-04-x64`, or number of an image or snapshot of the account."""
    ssh_key_names: Annotated[tuple[str, ...], AfterValidator(_different)] = ()
    """SSH keys of the account, by name, that may log in as root. None: DigitalOcean mails a root password."""
    firewall_name: Annotated[str, AfterValidator(_checked_firewall)] | None = None
    """Cloud firewall of the account, by name. It is tied to the droplets by a tag that is made for it."""
    vpc_ids: Mapping[Slug, UUID] = Field(default_factory=dict)
    """VPC by region. A region that is not named uses its default VPC."""
    tags: tuple[Annotated[str, AfterValidator(_checked_tag)], ...] = ()
    """Further tags for each droplet."""
    public_address: bool = True
    """False: droplets have an address in their VPC only."""
    ipv6: bool = False
    """Give each droplet a public IPv6 address too."""
    monitoring: bool = False
    """Install DigitalOcean's metrics agent."""
    backups: bool = False
    """Let DigitalOcean make backups, which it charges for."""
    droplet_agent: bool | None = None
    """The agent behind the web console. Left out: it is installed where the image can have it."""
    delete_attached: bool = True
    """Delete volumes and reserved IPs that are attached to a droplet together with it. Snapshots always stay."""
    config_override: Mapping[str, Any] = Field(default_factory=dict)
    """JSON merge patch on the body of the request that makes a droplet."""

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        strangers = sorted(set(self.vpc_ids) - set(self.regions))
        if strangers:
            raise ValueError(
                f"vpc_ids names {', '.join(strangers)}, which regions does not; add it there, or remove it"
            )
        if self.ipv6 and not self.public_address:
            raise ValueError("ipv6 needs public_address: a droplet without public network has no IPv6 address")
        return self
