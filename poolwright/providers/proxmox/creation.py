"""From a template to a VM that runs: a clone, its configuration, its start. Each step is one request.

The clone is a task of the cluster; the next step comes when somebody asks how the VM is. What has been done is read
from the cluster each time, so that any worker goes on from anywhere:

| the VM                                   | next                                             |
|------------------------------------------|--------------------------------------------------|
| is not there, its number is free         | clone it, with the mark in its description       |
| is locked: its disks are copied          | wait                                             |
| is ours by its description, has no tags  | configure it (tags, cores, memory ...), start it |
| is ours by its tags, never started       | start it                                         |
| is ours by its tags, its start failed    | broken                                           |
| is ours by its tags, was started, is off | stopped: it is not started again                 |
"""

import re
from dataclasses import dataclass
from typing import Final

from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VM, VMSpec, VMState
from poolwright.providers.errors import (
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    NotFound,
    NumberTaken,
    Transient,
)
from poolwright.providers.proxmox import requests
from poolwright.providers.proxmox.cluster import Cluster, problem_of
from poolwright.providers.proxmox.errors import error_of
from poolwright.providers.proxmox.listing import Listing, Row
from poolwright.vendors.proxmox import Refused, fault_in, task_in

_TAKEN: Final = re.compile(r"config file already exists|(vm|ct) \d+ already exists", re.IGNORECASE)
_NODE_UNREACHABLE: Final = 595


@dataclass(frozen=True, slots=True)
class _Clone:
    """A clone that this process asked for. Others find it by what it says of itself, a little later."""

    mark: OwnerMark
    task: str


class Creation:
    """Makes the VMs of one cluster. Instances may be shared by threads. Raises `Refused` and errors of the tree."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._settings = cluster.settings
        self._clones: dict[int, _Clone] = {}

    def begin(self, spec: VMSpec) -> Row | VM:
        """Ask for the clone, or give the row of the VM that an earlier try made."""
        assert spec.number is not None
        listing = self._cluster.listing()
        row = self._cluster.marked(listing, spec.mark) or listing.at(spec.number)
        if row is not None:
            return self._adopted(row, spec)
        target, template = _source(self._cluster, listing, spec)
        task = self._ask(spec, target, template)
        if task is None:
            return self._taken(spec, template)
        before = self._clones.get(spec.number)
        self._clones[spec.number] = _Clone(spec.mark, task)
        # What fails at once (no room, a broken template) is told now, while another place can still be tried.
        problem = self._cluster.end_of(task)
        if not problem:
            return self._pending(spec.mark, spec.number)
        self.forget(spec.number)
        if not _TAKEN.search(problem):
            raise error_of(fault_in(problem), f"cloning {spec.name}", problem)
        if before:
            self._clones[spec.number] = before
        return self._taken(spec, template)

    def unlisted(self, number: int) -> VM:
        """What to say of a VM that the list does not have: `NotFound` once it is proven."""
        clone = self._clones.get(number)
        if clone:
            problem = self._cluster.end_of(clone.task)
            if problem is None:
                return self._pending(clone.mark, number)
            # Told once: by the time somebody asks again, the number may be another server's.
            self.forget(number)
            if problem:
                broken = self._pending(clone.mark, number)
                return broken.model_copy(update={"state": VMState.BROKEN, "problem": problem})
        self._cluster.prove_free(number)
        raise NotFound(f"there is no VM {number} in the cluster; it was deleted, or its clone failed")

    def unsettled(self, row: Row) -> VM:
        """What to say of a VM that does not say yet whose it is."""
        clone = self._clones.get(row.number)
        if clone and self._cluster.end_of(clone.task) is None:
            return self._pending(clone.mark, row.number)
        self.forget(row.number)
        raise Transient(f"VM {row.number} is being made or removed and does not say whose it is; it is asked again")

    def advance(self, listing: Listing, row: Row, mark: OwnerMark) -> tuple[VMState, str | None]:
        """Take the next step of a VM of ours. Returns its state now and, with `BROKEN`, the problem."""
        if row.is_being_deleted:
            return VMState.DELETING, None
        if not listing.is_online(row.node):
            raise Transient(f"node {row.node} is offline, and with it VM {row.number}; it is asked again")
        if row.tagged == mark and row.status == "running":
            self.forget(row.number)
            return VMState.RUNNING, None
        if row.lock:
            return (VMState.STOPPED if row.tagged == mark and row.is_off_for_good else VMState.PENDING), None
        if row.tagged != mark:
            self._cluster.api.put(f"{row.path}/config", requests.configuration(self._settings, mark, row.number))
            self._start(row)
            return VMState.PENDING, None
        # The list may not know yet that it was started.
        return (VMState.RUNNING, None) if self._cluster.is_running(row) else self._started(row)

    def forget(self, number: int) -> None:
        """This clone is known by what it says of itself, or is gone."""
        self._clones.pop(number, None)

    def _started(self, row: Row) -> tuple[VMState, str | None]:
        """A configured VM that is off: never started, starting, failed to start, or stopped since."""
        history = self._cluster.tasks(row.node, row.number)
        last = next((task for task in history if task.get("type") in ("qmstart", "qmdestroy")), None)
        if last is None or last["type"] == "qmdestroy":
            self._start(row)
            return VMState.PENDING, None
        if not last.get("endtime"):
            return VMState.PENDING, None
        problem = problem_of(str(last.get("status") or "the start ended from outside"))
        return (VMState.BROKEN, problem) if problem else (VMState.STOPPED, None)

    def _start(self, row: Row) -> None:
        self._cluster.api.post(f"{row.path}/status/start")

    def _ask(self, spec: VMSpec, target: str | None, template: Row) -> str | None:
        """Ask for the clone. Returns its task, or None when somebody has the number."""
        try:
            body = requests.clone(self._settings, spec, target)
            return task_in(self._cluster.api.post(f"{template.path}/clone", body))
        except Refused as refused:
            if _TAKEN.search(str(refused)):
                return None
            if refused.status != _NODE_UNREACHABLE:
                raise
            raise CapacityUnavailable(
                f"cloning {spec.name} failed: node {template.node}, which has the template, cannot be reached; "
                "it is tried again, or on another node"
            ) from None

    def _adopted(self, row: Row, spec: VMSpec) -> Row | VM:
        owner = self._cluster.owner(row)
        if owner == spec.mark:
            if row.is_being_deleted:
                raise Conflict(f"VM {row.number} of {spec.name} is being deleted; create it again when it is gone")
            return row
        if owner is None and row.is_coming_or_going:
            return self.unsettled(row)
        raise NumberTaken(
            f"VMID {row.number} is taken by {row.name or 'a guest'}, which is not {spec.name}; give vmid_first and "
            "vmid_last a range that nothing else in the cluster uses"
        )

    def _taken(self, spec: VMSpec, template: Row) -> Row | VM:
        """Somebody has this number since it was looked for, or had it all the time and may not be seen."""
        assert spec.number is not None
        # Asked before the list: a clone that ends in between is listed.
        copying = self._settings.resource_pool is not None and self._cluster.clones_under_way(template) > 0
        row = self._cluster.listing().at(spec.number)
        if row is not None:
            return self._adopted(row, spec)
        if spec.number in self._clones:
            return self.unlisted(spec.number)
        if copying:
            # Another number would make a second VM of what may be an earlier try for this server.
            raise Transient(
                f"VMID {spec.number} is taken, maybe by a clone of {spec.name} whose answer was lost: it joins its "
                "resource pool, and is seen, once its disks are copied; it is looked for again"
            )
        raise NumberTaken(
            f"VMID {spec.number} is taken by a guest that {self._settings.token_id} may not see; give it VM.Audit on "
            "/vms, or give vmid_first and vmid_last a range that nothing else in the cluster uses"
        )

    def _pending(self, mark: OwnerMark, number: int) -> VM:
        return VM(reference=str(number), mark=mark, state=VMState.PENDING)


def templates(cluster: Cluster, listing: Listing) -> list[Row]:
    """The templates that the settings mean."""
    wanted = cluster.settings
    return [row for row in listing.named(wanted.template) if row.is_template]


def _source(cluster: Cluster, listing: Listing, spec: VMSpec) -> tuple[str | None, Row]:
    """The node to clone to, where that is not the template's, and the template."""
    settings = cluster.settings
    place = spec.place or next(iter(settings.target_nodes), None)
    if place is not None:
        _refuse_unusable_node(listing, place)
    found = templates(cluster, listing)
    beside = [row for row in found if row.node == place]
    usable = beside or [row for row in found if settings.template_node in (None, row.node)]
    if not usable:
        _refuse_missing_template(listing, settings.template, settings.template_node)
    if len({row.node for row in usable}) != len(usable):
        raise InvalidSettings(
            f"several templates of one node are named {settings.template}; write the VMID of one as template"
        )
    template = next((row for row in usable if listing.is_online(row.node)), usable[0])
    _refuse_unusable_node(listing, template.node)
    return (place if place != template.node else None), template


def _refuse_unusable_node(listing: Listing, node: str) -> None:
    if listing.nodes and node not in listing.nodes:
        raise InvalidSettings(f"the cluster has no node {node}; it has {', '.join(sorted(listing.nodes))}")
    if not listing.is_online(node):
        raise CapacityUnavailable(f"node {node} is offline; name more target_nodes, or wait until it is back")


def _refuse_missing_template(listing: Listing, template: str, node: str | None) -> None:
    where = f" on node {node}" if node else ""
    offline = sorted(name for name, online in listing.nodes.items() if not online)
    if offline:
        # An offline node's guests lose their names after a while.
        raise CapacityUnavailable(
            f"no template {template}{where} is seen while {', '.join(offline)} is offline; it is looked for again"
        )
    if listing.named(template):
        raise InvalidSettings(f"{template}{where} is not a template; convert it to one, or name another as template")
    raise InvalidSettings(f"there is no template {template}{where}; correct template, or give the user VM.Audit on it")
