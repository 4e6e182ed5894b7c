"""What is sent to make a VM: the clone, and then its configuration."""

from collections.abc import Mapping
from typing import Any, Final

from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import Preview, VMSpec
from poolwright.providers.errors import InvalidSettings
from poolwright.providers.overrides import overridden
from poolwright.providers.proxmox.marks import DELETING_TAG, can_be_marked, description_of, tags_of
from poolwright.providers.proxmox.settings import SECRETS, Settings

# `lock` and `delete` could take the marks away, `digest` would refuse what changed meanwhile, and the rest are not the
# VM's configuration.
_PROTECTED: Final = ("name", "description", "tags", "lock", "template", "vmid", "node", "newid", "digest", "revert")

_TRUE: Final = ("1", "1.0", "on", "yes", "true")
"""How Proxmox VE spells it, in lower-case letters, and how Python does."""


def refuse_what_never_works(settings: Settings, controller_id: str, spec: VMSpec) -> None:
    """Raises `InvalidSettings` for what no cluster could make."""
    if spec.mark.controller_id != controller_id:
        raise InvalidSettings(f"{spec.mark.text()} is not of controller {controller_id}; open its provider")
    if not can_be_marked(spec.mark):
        raise InvalidSettings(
            f"{spec.mark.text()} cannot be written in tags of Proxmox VE; use ids of lower-case letters, digits and -"
        )
    if spec.place is not None and spec.place not in settings.target_nodes:
        raise InvalidSettings(f"there is no place {spec.place!r}; target_nodes has {_words(settings.target_nodes)}")
    if spec.number is None or not settings.vmid_first <= spec.number <= settings.vmid_last:
        raise InvalidSettings(
            f"the number {spec.number} of {spec.name} is not between vmid_first {settings.vmid_first} and vmid_last "
            f"{settings.vmid_last}; reserve one of these for it"
        )
    configuration(settings, spec.mark, spec.number)


def clone(settings: Settings, spec: VMSpec, target: str | None) -> dict[str, Any]:
    """The body of the request that makes the VM: the owner mark is in it, as a clone takes no tags. `target`: the node
    for the VM where that is not the template's."""
    assert spec.number is not None
    body = {
        "newid": spec.number,
        "name": spec.name,
        "description": description_of(spec.mark, spec.number, spec.labels),
        "full": int(settings.full_clone),
        "target": target,
        "storage": settings.storage,
        "pool": settings.resource_pool,
    }
    return {name: value for name, value in body.items() if value is not None}


def configuration(settings: Settings, mark: OwnerMark, number: int) -> dict[str, Any]:
    """The body of the request that makes a finished clone what it is to be. Raises `InvalidSettings` for an override
    that would hide whose the VM is."""
    ours = {
        "tags": ";".join(tags_of(mark, number)),
        "agent": "enabled=1",
        "protection": 0,
        "cores": settings.cores,
        "memory": settings.memory_mib,
    }
    request = {name: value for name, value in ours.items() if value is not None}
    merged = overridden(request, settings.config_override, protected=[(name,) for name in _PROTECTED])
    removed = {word.strip() for word in str(merged.get("delete") or "").replace(";", ",").split(",")}
    if removed.intersection(_PROTECTED):
        raise InvalidSettings(
            "config_override deletes what Poolwright knows its VMs by; take tags, name and description out of delete"
        )
    if str(merged.get("protection") or 0).lower() in _TRUE:
        raise InvalidSettings(
            f"config_override sets protection to {merged['protection']!r}, with which Proxmox VE refuses to remove the "
            "VM, so that Poolwright could never delete it; take it out"
        )
    # Proxmox VE knows 1 and 0.
    return {name: int(value) if isinstance(value, bool) else value for name, value in merged.items()}


def tags_while_deleting(mark: OwnerMark, number: int) -> dict[str, Any]:
    """The body of the request that says for everybody that the VM is to go."""
    return {"tags": ";".join([*tags_of(mark, number), DELETING_TAG])}


def preview(settings: Settings, spec: VMSpec) -> Preview:
    """All that is sent for this VM. The template's number and node are looked up when it is sent; `target` is left out
    then if that is the template's own node."""
    assert spec.number is not None
    configured = configuration(settings, spec.mark, spec.number)
    target = spec.place or next(iter(settings.target_nodes), None)
    also: dict[str, Any] = {
        "template": {"name": settings.template, "node": settings.template_node},
        "config": SECRETS.masked(configured),
        "startup_script": {
            "directory": settings.script_directory,
            "script": spec.startup_script.get_secret_value(),
        },
    }
    return Preview(request=clone(settings, spec, target), also=also)


def _words(names: Mapping[str, Any] | tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
