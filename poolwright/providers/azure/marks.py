"""How Azure's resources tell whose they are: by tags, and by their names."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from poolwright.domain.identities import OwnerMark, machine_name

OWNER_TAG: Final = "poolwright-owner"
PLACE_TAG: Final = "poolwright-place"
PROTECTED_TAGS: Final = (OWNER_TAG, PLACE_TAG)

# Azure may add something to the names of interfaces and addresses that it makes with a VM.
_NAME: Final = re.compile(r"(?P<machine>.+)-(?P<digest>[0-9a-f]{12})-(?:os|data-\d+|nic.*|ip.*)")


def marked_name(mark: OwnerMark) -> str:
    """How the names of this VM's disks, interface and address begin.

    Azure takes no tags for the disks that it makes with a VM, so that their names have to say whose they are.
    """
    return f"{machine_name(mark.server_id)}-{_digest(mark)}"


def mark_in_tags(resource: Mapping[str, Any]) -> OwnerMark | None:
    """The mark in a resource's tags; None when they have none."""
    return OwnerMark.parse((resource.get("tags") or {}).get(OWNER_TAG, ""))


def mark_of_part(resource: Mapping[str, Any], controller_id: str) -> OwnerMark | None:
    """The mark in the tags of something that was made for a VM, or this controller's in its name; None for neither."""
    tagged = mark_in_tags(resource)
    if tagged is not None:
        return tagged
    name = _NAME.fullmatch(str(resource["name"]).lower())
    server_id = name["machine"].removeprefix(machine_name("")) if name else ""
    if name is None or not server_id:
        return None
    mark = OwnerMark(controller_id=controller_id, server_id=server_id)
    return mark if _digest(mark) == name["digest"] else None


def _digest(mark: OwnerMark) -> str:
    return hashlib.sha256(mark.text().encode()).hexdigest()[:12]
