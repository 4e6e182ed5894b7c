"""The provider protocol on a Proxmox VE cluster."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VM, Capabilities, Preview, ScriptResult, VMSpec, VMState
from poolwright.providers.errors import Conflict, NotFound, Transient
from poolwright.providers.proxmox import requests
from poolwright.providers.proxmox.checks import check
from poolwright.providers.proxmox.cluster import Cluster
from poolwright.providers.proxmox.creation import Creation
from poolwright.providers.proxmox.deletion import Deletion
from poolwright.providers.proxmox.errors import translated
from poolwright.providers.proxmox.guest import Addresses, Guests
from poolwright.providers.proxmox.listing import Row
from poolwright.providers.proxmox.settings import Settings

logger = logging.getLogger(__name__)

_NO_ADDRESSES: Addresses = (None, None)


def open_provider(settings: Mapping[str, Any], controller_id: str) -> "ProxmoxProvider":
    """The Proxmox VE provider with these settings. Raises pydantic's ValidationError. No call to the cluster."""
    return ProxmoxProvider(Settings.model_validate(settings), controller_id)


class ProxmoxProvider:
    """VMs of one controller in one cluster. A VM's reference is its number (VMID)."""

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self._settings = settings
        self._controller_id = controller_id
        self._cluster = Cluster(settings, controller_id)
        self._creation = Creation(self._cluster)
        self._deletion = Deletion(self._cluster)
        self._guests = Guests(self._cluster.api, settings)
        self._addresses: dict[tuple[int, OwnerMark], Addresses] = {}

    def capabilities(self) -> Capabilities:
        """VMs are told apart by numbers, and the guest agent runs the startup script; its size has no limit."""
        return Capabilities(runs_script_in_guest=True, numbers=(self._settings.vmid_first, self._settings.vmid_last))

    def places(self) -> Sequence[str]:
        """The target nodes; none where the template's node is the only one."""
        return self._settings.target_nodes

    def preview(self, spec: VMSpec) -> Preview:
        """The clone and, beside it, its configuration with `config_override`, and where the script is written."""
        requests.refuse_what_never_works(self._settings, self._controller_id, spec)
        return requests.preview(self._settings, spec)

    def check(self) -> Sequence[Finding]:
        """Whether the cluster can be reached, knows the user, has what the settings name, and grants each privilege."""
        with translated("checking the cluster"):
            return check(self._cluster)

    def find(self, mark: OwnerMark) -> VM | None:
        """See the protocol. A clone that has no name yet is not found; `create` recognises it by its number."""
        if mark.controller_id != self._controller_id:
            return None
        with translated(f"looking for {mark.text()}"):
            row = self._cluster.marked(self._cluster.listing(), mark)
            return self._vm(row, mark, self._state(row), ask=True) if row else None

    def create(self, spec: VMSpec) -> VM:
        """See the protocol. Starts the clone, or adopts what has its number and its mark; `get` does the rest."""
        requests.refuse_what_never_works(self._settings, self._controller_id, spec)
        with translated(f"cloning {spec.name}"):
            begun = self._creation.begin(spec)
            if isinstance(begun, VM):
                return begun.model_copy(update={"place": spec.place})
            return self._vm(begun, spec.mark, self._state(begun), ask=True)

    def get(self, reference: str, *, waiting: bool = False) -> VM:  # noqa: ARG002
        """See the protocol. Takes the next step of the VM's creation when that is due: its configuration, its start.

        A VM that was started once is never started again. Raises `Transient` for a clone that does not say yet whose it
        is, and for a VM on a node that is offline.
        """
        number = _number_of(reference)
        if number is None:
            raise NotFound(f"{reference!r} is no VMID; no VM of this cluster has it")
        with translated(f"reading VM {number}"):
            listing = self._cluster.listing()
            row = listing.at(number)
            if row is None:
                return self._creation.unlisted(number)
            mark = self._cluster.owner(row)
            if mark is None and row.is_coming_or_going:
                return self._creation.unsettled(row)
            if mark is None:
                raise NotFound(f"VM {number} is not one of controller {self._controller_id}")
            state, problem = self._creation.advance(listing, row, mark)
            return self._vm(row, mark, state, ask=True, problem=problem)

    def list_owned(self) -> Sequence[VM]:
        """See the protocol. VMs on offline nodes are listed as pending. Addresses are those that this worker read last.

        A clone that does not say yet whose it is, is left out.
        """
        with translated("listing VMs"):
            listing = self._cluster.listing()
            untagged = {row.number for row in listing.untagged(self._cluster.numbers)}
            owned = []
            for row in listing.vms():
                mark = self._listed_owner(row) if row.number in untagged else row.tagged
                if mark and mark.controller_id == self._controller_id:
                    owned.append(self._vm(row, mark, self._state(row), ask=False))
            return owned

    def delete(self, mark: OwnerMark, reference: str | None) -> bool:
        """See the protocol. Marks the VM as being deleted and stops it; then destroys it with all of its disks."""
        if mark.controller_id != self._controller_id:
            raise Conflict(f"{mark.text()} belongs to another controller; only that one may delete it")
        with translated(f"deleting {mark.text()}"):
            number = _number_of(reference)
            gone = self._deletion.take_down(mark, number)
            if gone and number is not None:
                self._creation.forget(number)
                self._guests.forget(number)
                self._addresses.pop((number, mark), None)
            return gone

    def run_startup_script(self, reference: str, script: SecretStr) -> ScriptResult:
        """See the protocol. An agent that does not answer yet is no error: `finished=False`."""
        number = _number_of(reference)
        with translated(f"running the startup script in VM {reference}"):
            row = self._cluster.listing().at(number) if number is not None else None
            if row is None or number is None:
                raise NotFound(f"there is no VM {reference} that could run a startup script")
            if self._cluster.owner(row) is None:
                raise NotFound(f"VM {reference} is not one of controller {self._controller_id}")
            return self._guests.run(row, script.get_secret_value())

    def password(self, reference: str) -> SecretStr | None:  # noqa: ARG002
        """None, always: `capabilities` promises no passwords."""
        return None

    def _listed_owner(self, row: Row) -> OwnerMark | None:
        try:
            return self._cluster.owner(row)
        except Transient as error:
            logger.warning("%s", error)
            return None

    def _state(self, row: Row) -> VMState:
        """By the list alone, which may be some seconds old."""
        if row.is_being_deleted:
            return VMState.DELETING
        if row.lock in ("clone", "create") or row.tagged is None:
            return VMState.PENDING
        if row.status == "running":
            return VMState.RUNNING
        return VMState.STOPPED if row.is_off_for_good else VMState.PENDING

    def _vm(self, row: Row, mark: OwnerMark, state: VMState, *, ask: bool, problem: str | None = None) -> VM:
        address, private_address = _NO_ADDRESSES
        if state is VMState.RUNNING:
            if ask:
                self._addresses[row.number, mark] = self._guests.addresses(row)
            address, private_address = self._addresses.get((row.number, mark), _NO_ADDRESSES)
        return VM(
            reference=str(row.number),
            mark=mark,
            state=state,
            address=address,
            private_address=private_address,
            # A clone is listed on its template's node until its disks are copied.
            place=row.node if row.node in self._settings.target_nodes and not row.is_coming_or_going else None,
            problem=problem,
        )


def _number_of(reference: str | None) -> int | None:
    return int(reference) if reference and reference.isascii() and reference.isdigit() else None
