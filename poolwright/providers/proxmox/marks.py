"""How a VM of Proxmox VE says whose it is: in its description from the start, in its tags once it is configured.

Copies of a VM inherit both, and its name can be changed by anybody. So both also say the VM's own number (VMID): a copy
has another one, and is not ours.
"""

import re
from collections.abc import Mapping
from typing import Final

from poolwright.domain.identities import OwnerMark

DELETING_TAG: Final = "pw-deleting"
_CONTROLLER_TAG: Final = "pw-controller-"
_SERVER_TAG: Final = "pw-server-"
_NUMBER_TAG: Final = "pw-vmid-"

# Tags are made lower case by most clusters, and names of VMs are host names: both hold these and no others.
_PLAIN_ID: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NUMBER_LINE: Final = re.compile(r"VMID (\d+)")


def can_be_marked(mark: OwnerMark) -> bool:
    """Whether tags and names can hold the ids of this mark."""
    return all(_PLAIN_ID.fullmatch(word) for word in (mark.controller_id, mark.server_id))


def tags_of(mark: OwnerMark, number: int) -> tuple[str, ...]:
    """The tags of the VM with this mark and number."""
    return (
        f"{_CONTROLLER_TAG}{mark.controller_id}",
        f"{_SERVER_TAG}{mark.server_id}",
        f"{_NUMBER_TAG}{number}",
    )


def mark_in_tags(tags: frozenset[str], number: int) -> OwnerMark | None:
    """Whose the VM with this number is by its tags; None where they do not say."""
    controllers, servers = _ends(tags, _CONTROLLER_TAG), _ends(tags, _SERVER_TAG)
    if f"{_NUMBER_TAG}{number}" not in tags or len(controllers) != 1 or len(servers) != 1:
        return None
    return OwnerMark(controller_id=controllers[0], server_id=servers[0])


def description_of(mark: OwnerMark, number: int, labels: Mapping[str, str]) -> str:
    """The description of the VM with this mark and number."""
    said = [mark.text(), f"VMID {number}", "", "Poolwright made this VM and deletes it. Leave these lines as they are."]
    return "\n".join([*said, *(f"{name}: {' '.join(value.split())}" for name, value in sorted(labels.items()))])


def mark_in_description(description: str, number: int) -> OwnerMark | None:
    """Whose the VM with this number is by its description; None where that does not say."""
    first, _, rest = description.strip().partition("\n")
    found = _NUMBER_LINE.match(rest)
    return OwnerMark.parse(first) if found and int(found[1]) == number else None


def _ends(tags: frozenset[str], start: str) -> list[str]:
    return [tag.removeprefix(start) for tag in tags if tag.startswith(start)]
