"""Questions to a cluster that several steps ask."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from poolwright.domain.identities import OwnerMark, machine_name
from poolwright.providers.errors import PermissionDenied, Transient
from poolwright.providers.proxmox.listing import Listing, Row, listing_of
from poolwright.providers.proxmox.marks import mark_in_description
from poolwright.providers.proxmox.settings import Settings
from poolwright.vendors.faults import Fault
from poolwright.vendors.proxmox import API, Refused
from poolwright.vendors.shared_read import SharedRead

_TASKS: Final = 500
_NODE_UNREACHABLE: Final = 595
_ALL: Final = "all"


class Cluster:
    """One cluster seen by one controller. Instances may be shared by threads. Raises `Refused` and, where said, errors
    of the tree."""

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self.settings = settings
        self.controller_id = controller_id
        self.api = API(settings)
        self.numbers = range(settings.vmid_first, settings.vmid_last + 1)
        self._listings: SharedRead[str, Listing] = SharedRead(
            lambda _: self._list(), lambda keys: dict.fromkeys(keys, self._list())
        )

    def listing(self) -> Listing:
        """Everything that there is now. Threads that ask at the same time share one call."""
        found = self._listings.read(_ALL)
        assert found is not None
        return found

    def owner(self, row: Row) -> OwnerMark | None:
        """Our mark on this VM, or None. Asks for its description where its tags do not say.

        None also of a VM that does not say it yet: see `Row.is_coming_or_going`. Raises `Transient` when it is on a
        node that is offline.
        """
        if not row.is_vm or row.is_template:
            return None
        mark = row.tagged or mark_in_description(str(self._configuration(row).get("description") or ""), row.number)
        return mark if mark and mark.controller_id == self.controller_id else None

    def marked(self, listing: Listing, mark: OwnerMark) -> Row | None:
        """The VM with this mark: by its tags or, where it has none yet, by the description of one with its name."""
        tagged = listing.tagged(mark)
        if tagged is not None:
            return tagged
        named = (row for row in listing.named(machine_name(mark.server_id)) if row.tagged is None)
        return next((row for row in named if self.owner(row) == mark), None)

    def is_running(self, row: Row) -> bool:
        """Whether the VM runs at this moment; the list may be older."""
        status: Mapping[str, Any] = self.api.get(f"{row.path}/status/current")
        return status.get("status") == "running"

    def end_of(self, task: str) -> str | None:
        """How the task ended: empty for well, else in its words. None while it runs."""
        node = task.split(":")[1]
        status: Mapping[str, Any] = self.api.get(f"nodes/{node}/tasks/{task}/status")
        if status.get("status") != "stopped":
            return None
        return problem_of(str(status.get("exitstatus") or "it was ended from outside"))

    def tasks(self, node: str, number: int, source: str = "all") -> Sequence[Mapping[str, Any]]:
        """This user's tasks on a guest of the node, newest first; those that run have no `endtime`."""
        found: Sequence[Mapping[str, Any]] = self.api.get(
            f"nodes/{node}/tasks", vmid=number, source=source, limit=_TASKS
        )
        return sorted(found, key=lambda task: (task.get("starttime", 0), task.get("pstart", 0)), reverse=True)

    def clones_under_way(self, template: Row) -> int:
        """How many tasks of this user copy the template now. None can on a node that cannot be reached."""
        try:
            tasks = self.tasks(template.node, template.number, "active")
        except Refused as refused:
            if refused.status == _NODE_UNREACHABLE:
                return 0
            raise
        return sum(task.get("type") == "qmclone" and not task.get("endtime") for task in tasks)

    def prove_free(self, number: int) -> None:
        """Raises `PermissionDenied` if a guest with this number exists: the list leaves out what one may not see.

        With a resource pool `Transient`: a clone joins it, and is seen, only once its disks are copied.
        """
        try:
            self.api.get("cluster/nextid", vmid=number)
        except Refused as refused:
            if refused.fault not in (Fault.INVALID, Fault.CONFLICT):
                raise
            kind = Transient if self.settings.resource_pool else PermissionDenied
            raise kind(
                f"VM {number} exists, but {self.settings.token_id} may not see it; give it VM.Audit on /vms"
            ) from None

    def prove_that_all_is_seen(self) -> None:
        """Raises `PermissionDenied` unless VMs of our numbers are listed where they exist."""
        path = f"/vms/{self.settings.vmid_first}"
        paths = [path, f"/pool/{self.settings.resource_pool}"] if self.settings.resource_pool else [path]
        held = self.api.get("access/permissions")
        if not any(holds(held, one, "VM.Audit") for one in paths):
            raise PermissionDenied(
                f"{self.settings.token_id} may not see VMs at {path}; give it VM.Audit on /vms, or on its resource pool"
            )

    def _list(self) -> Listing:
        # Without a type it tells of the nodes, too: whether they can be reached costs no further call.
        return listing_of(self.api.get("cluster/resources"))

    def _configuration(self, row: Row) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = self.api.get(f"{row.path}/config")
        except Refused as refused:
            if refused.status == _NODE_UNREACHABLE:
                raise Transient(f"node {row.node} is offline, so VM {row.number} cannot say whose it is") from None
            if refused.fault is Fault.MISSING:
                raise Transient(f"VM {row.number} moved or vanished while it was looked at; ask again") from None
            raise
        return found


def holds(held: Mapping[str, Mapping[str, Any]], path: str, privilege: str) -> bool:
    """Whether `access/permissions` grants the privilege at this path: the nearest path above it that is told counts."""
    parts = path.rstrip("/").split("/")
    for length in range(len(parts), 0, -1):
        above = "/".join(parts[:length]) or "/"
        if above in held:
            return privilege in held[above] and (above == path or bool(held[above][privilege]))
    return False


def problem_of(exit_status: str) -> str:
    """What went wrong by the exit status of a task; empty for nothing."""
    return "" if exit_status == "OK" or exit_status.startswith("WARNINGS") else exit_status
