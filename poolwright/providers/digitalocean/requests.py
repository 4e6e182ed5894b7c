"""The request that makes a droplet, and how a droplet is read as one of ours."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.base import VMSpec, VMState
from poolwright.providers.digitalocean.settings import Settings
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.overrides import overridden

USER_DATA_LIMIT_BYTES: Final = 64 * 1024
TAG_LIMIT: Final = 255

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")
_NO_TAG: Final = re.compile(r"[^A-Za-z0-9_:-]")
_PREFIX: Final = machine_name("")
_PROTECTED: Final = (("name",), ("names",), ("tags",), ("user_data",))
_STATES: Final[Mapping[str, VMState]] = {
    "new": VMState.PENDING,
    "active": VMState.RUNNING,
    "off": VMState.STOPPED,
    "archive": VMState.STOPPED,
}


class Place(NamedTuple):
    """Where a droplet is made and how large it is."""

    region: str
    size: str

    def __str__(self) -> str:
        """As operators write and read it."""
        return f"{self.region}/{self.size}"


def controller_tag(controller_id: str) -> str:
    """The tag of all that this controller makes: half of the owner mark, the other half is the droplet's name.

    A tag for each server would outlive its droplet: DigitalOcean keeps tags until somebody deletes them.
    """
    return f"poolwright:{controller_id}"


def firewall_tag(firewall_name: str) -> str:
    """The tag that ties droplets to this firewall. Names of firewalls hold periods, which tags do not, and no
    underscores."""
    return f"poolwright-firewall:{firewall_name.replace('.', '_')}"


def places(settings: Settings) -> Sequence[Place]:
    """All places, the best first."""
    return [Place(region, size) for size in settings.sizes for region in settings.regions]


def body(settings: Settings, spec: VMSpec, ssh_keys: Sequence[int | str]) -> dict[str, Any]:
    """The body of the request that makes this VM, with `config_override` merged in.

    Raises `InvalidSettings` for a place that is not in the settings, a name that no droplet can have, a script that is
    too large, and an override that changes what is protected.
    """
    place = _place(settings, spec.place)
    if not _NAME.fullmatch(spec.name):
        raise InvalidSettings(f"{spec.name!r} cannot be a droplet's name; use letters, digits, periods and dashes")
    request: dict[str, Any] = {
        "name": spec.name,
        "region": place.region,
        "size": place.size,
        "image": settings.image,
        "tags": _tags(settings, spec),
        "ssh_keys": list(ssh_keys),
        "monitoring": settings.monitoring,
        "backups": settings.backups,
        "ipv6": settings.ipv6,
        "public_networking": settings.public_address,
    }
    if place.region in settings.vpc_ids:
        request["vpc_uuid"] = str(settings.vpc_ids[place.region])
    if settings.droplet_agent is not None:
        request["with_droplet_agent"] = settings.droplet_agent
    script = spec.startup_script.get_secret_value()
    if script:
        request["user_data"] = _checked_script(script, spec.name)
    return overridden(request, settings.config_override, protected=_PROTECTED)


def mark_of(droplet: Mapping[str, Any], controller_id: str) -> OwnerMark | None:
    """The droplet's owner mark, or None where it is not this controller's or was given another name."""
    if not is_tagged(droplet, controller_id) or not named_by_us(droplet):
        return None
    return OwnerMark(controller_id=controller_id, server_id=droplet["name"].removeprefix(_PREFIX))


def is_tagged(droplet: Mapping[str, Any], controller_id: str) -> bool:
    """Whether the droplet bears this controller's tag."""
    return controller_tag(controller_id) in (droplet.get("tags") or ())


def named_by_us(droplet: Mapping[str, Any]) -> bool:
    """Whether the droplet's name can tell which server it is."""
    name = str(droplet.get("name") or "")
    return name.startswith(_PREFIX) and len(name) > len(_PREFIX)


def age_key(droplet: Mapping[str, Any]) -> tuple[datetime, int]:
    """Sorts the oldest first; of those of one second, the one with the lowest number. The same for every reader."""
    return datetime.fromisoformat(droplet["created_at"]), int(droplet["id"])


def state_of(droplet: Mapping[str, Any]) -> VMState:
    """What the droplet's status says."""
    return _STATES.get(str(droplet.get("status")), VMState.PENDING)


def addresses_of(droplet: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The public address, or the only one, and the private address. IPv4 before IPv6."""
    networks = droplet.get("networks") or {}
    public, private = (
        [one["ip_address"] for version in ("v4", "v6") for one in networks.get(version) or () if one["type"] == kind]
        for kind in ("public", "private")
    )
    return next(iter([*public, *private]), None), next(iter(private), None)


def place_of(droplet: Mapping[str, Any]) -> str:
    """The droplet's place, as `places` names it."""
    return str(Place(droplet["region"]["slug"], droplet["size_slug"]))


def _place(settings: Settings, asked: str | None) -> Place:
    known = places(settings)
    if asked is None:
        return known[0]
    found = next((place for place in known if str(place) == asked), None)
    if found is None:
        raise InvalidSettings(f"there is no place {asked!r}; choose one of {', '.join(map(str, known))}")
    return found


def _tags(settings: Settings, spec: VMSpec) -> list[str]:
    firewall = [firewall_tag(settings.firewall_name)] if settings.firewall_name else []
    labels = [_NO_TAG.sub("_", f"{key}:{value}")[:TAG_LIMIT] for key, value in spec.labels.items()]
    return list(dict.fromkeys([controller_tag(spec.mark.controller_id), *firewall, *settings.tags, *labels]))


def _checked_script(script: str, name: str) -> str:
    size = len(script.encode())
    if size > USER_DATA_LIMIT_BYTES:
        raise InvalidSettings(
            f"the startup script of {name} has {size} bytes, DigitalOcean takes {USER_DATA_LIMIT_BYTES}; shorten it, "
            "or let it fetch the rest"
        )
    return script
