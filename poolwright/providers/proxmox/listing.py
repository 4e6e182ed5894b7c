"""What one call says of a whole cluster: every guest, every node, and whether it can be reached."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.proxmox.marks import DELETING_TAG, mark_in_tags

_HIBERNATED: Final = "suspended"
_COMING_OR_GOING: Final = frozenset({"clone", "create", "destroyed"})
_BETWEEN_TAGS: Final = re.compile(r"[;, ]+")


@dataclass(frozen=True, slots=True)
class Row:
    """One guest as the cluster lists it.

    Node, lock and tags are true at once. Name and status come from the node's last report: they may be missing, or ten
    seconds old.
    """

    number: int
    node: str
    is_vm: bool
    """False: a container."""
    is_template: bool
    name: str
    status: str
    lock: str
    tags: frozenset[str]

    @property
    def tagged(self) -> OwnerMark | None:
        """Whose it is by its tags."""
        return mark_in_tags(self.tags, self.number)

    @property
    def is_coming_or_going(self) -> bool:
        """Its disks are being copied or removed: it need not say whose it is."""
        return self.is_vm and self.lock in _COMING_OR_GOING

    @property
    def is_being_deleted(self) -> bool:
        """Poolwright has begun to delete it."""
        return DELETING_TAG in self.tags or self.lock == "destroyed"

    @property
    def is_hibernated(self) -> bool:
        """It is off until somebody wakes it, and keeps its lock for so long."""
        return self.lock == _HIBERNATED

    @property
    def is_off_for_good(self) -> bool:
        """It does not run, and nothing is being done to it that could let it run again."""
        return self.status == "stopped" and (not self.lock or self.is_hibernated)

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"nodes/{self.node}/qemu/{self.number}"


class Listing:
    """One answer. Immutable."""

    def __init__(self, rows: Iterable[Row], nodes: Mapping[str, bool], storages: Sequence[Mapping[str, Any]]) -> None:
        self.nodes = nodes
        """Name of each node, and whether it may be asked: False if it is known to be offline."""
        self.storages = storages
        """Each storage of each node as the API tells it."""
        self._rows = {row.number: row for row in rows}
        self._by_mark = {mark: row for row in self.vms() if (mark := row.tagged)}

    def at(self, number: int) -> Row | None:
        """The guest with this number, be it a VM, a template or a container."""
        return self._rows.get(number)

    def numbers(self) -> Sequence[int]:
        """The numbers of all guests."""
        return sorted(self._rows)

    def vms(self) -> Iterator[Row]:
        """All VMs that are no templates, by number."""
        return (row for _, row in sorted(self._rows.items()) if row.is_vm and not row.is_template)

    def tagged(self, mark: OwnerMark) -> Row | None:
        """The VM with the tags of this mark."""
        return self._by_mark.get(mark)

    def untagged(self, numbers: range) -> Iterator[Row]:
        """VMs whose tags do not say whose they are, and which might be ours: by their number or by their name."""
        ours = machine_name("")
        return (row for row in self.vms() if not row.tagged and (row.number in numbers or row.name.startswith(ours)))

    def named(self, name: str) -> Sequence[Row]:
        """The VMs and templates with this name, or with this number."""
        rows = (row for _, row in sorted(self._rows.items()) if row.is_vm)
        return [row for row in rows if row.name == name or str(row.number) == name]

    def is_online(self, node: str) -> bool:
        """Whether the node can be reached. One that is not listed counts as reachable: it is asked."""
        return self.nodes.get(node, True)

    def copies_under_way(self) -> int:
        """VMs whose disks are being copied."""
        return sum(row.lock == "clone" for row in self._rows.values())


def listing_of(resources: Iterable[Mapping[str, Any]]) -> Listing:
    """Read the answer of `cluster/resources`."""
    rows, nodes, storages = [], {}, []
    for resource in resources:
        kind = resource.get("type")
        if kind in ("qemu", "lxc"):
            rows.append(_row(resource))
        elif kind == "node":
            # A node without a cluster may be of unknown status: it is asked.
            nodes[str(resource.get("node"))] = resource.get("status") != "offline"
        elif kind == "storage":
            storages.append(resource)
    return Listing(rows, nodes, storages)


def _row(resource: Mapping[str, Any]) -> Row:
    return Row(
        number=int(resource["vmid"]),
        node=str(resource.get("node") or ""),
        is_vm=resource.get("type") == "qemu",
        is_template=bool(int(resource.get("template") or 0)),
        name=str(resource.get("name") or ""),
        status=str(resource.get("status") or "unknown"),
        lock=str(resource.get("lock") or ""),
        tags=frozenset(tag for tag in _BETWEEN_TAGS.split(str(resource.get("tags") or "").lower()) if tag),
    )
