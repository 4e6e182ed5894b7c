"""The provider protocol on Azure's VMs."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.providers.azure.checks import check
from poolwright.providers.azure.client import Client
from poolwright.providers.azure.errors import translated
from poolwright.providers.azure.looks import Looks
from poolwright.providers.azure.marks import mark_in_tags
from poolwright.providers.azure.reading import Remains, is_held, state_of
from poolwright.providers.azure.requests import LARGEST_SCRIPT_BYTES, place_of, script_of, shown, vm_request
from poolwright.providers.azure.scripts import COMMAND_NAME, result_from, run_command_request
from poolwright.providers.azure.settings import Settings
from poolwright.providers.base import VM, Capabilities, Preview, ScriptResult, VMSpec, VMState
from poolwright.providers.errors import CapacityUnavailable, Conflict, InvalidSettings, NotFound, ProviderError
from poolwright.providers.overrides import overridden, override_findings
from poolwright.vendors.azure_faults import fault_of_code
from poolwright.vendors.faults import Fault


def open_provider(settings: Mapping[str, Any], controller_id: str) -> "AzureProvider":
    """The azure provider with these settings. Raises pydantic's ValidationError."""
    return AzureProvider(Settings.model_validate(settings), controller_id)


class AzureProvider:
    """VMs of one controller in one resource group. A VM's reference is its name, which comes from its mark."""

    def __init__(self, settings: Settings, controller_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._settings, self._controller_id = settings, controller_id
        self._client = Client(settings)
        self._looks = Looks(self._client, settings, controller_id, clock=clock)

    def capabilities(self) -> Capabilities:
        """Windows' scripts are run through the VM agent; Linux takes them at creation. Azure's API does not announce
        that a spot VM will go, but shows it going."""
        return Capabilities(
            runs_script_in_guest=self._settings.is_windows,
            startup_script_limit_bytes=LARGEST_SCRIPT_BYTES,
            interruptible=self._settings.makes_spot_vms,
        )

    def places(self) -> Sequence[str]:
        """Sizes and zones, as `Standard_D4s_v5/zone-1`; none when the settings have one of each."""
        places = tuple(self._settings.places)
        return places if len(places) > 1 else ()

    def preview(self, spec: VMSpec) -> Preview:
        """The VM with its interface, address and disks is one request. Windows' script is another one, later."""
        request = shown(self._request(spec), spec)
        if not self._settings.is_windows:
            return Preview(request=request)
        command = run_command_request(b"", self._settings.region, spec.mark)
        script = {"properties": {"source": {"script": spec.startup_script.get_secret_value()}}}
        return Preview(request=request, also={f"run command {COMMAND_NAME}": overridden(command, script)})

    def check(self) -> Sequence[Finding]:
        """See the protocol."""
        with self._client.operation():
            return [*check(self._client, self._settings), *override_findings(self._controller_id, self._request)]

    def find(self, mark: OwnerMark) -> VM | None:
        """See the protocol."""
        if not self._is_ours(mark):
            return None
        with self._asking(f"looking for {mark.text()}"):
            return self._looks.search(mark)

    def create(self, spec: VMSpec) -> VM:
        """See the protocol. Azure refuses a second VM of the same name, whoever asks for it."""
        request = self._request(spec)
        with self._asking(f"creating {spec.name}", missing=InvalidSettings):
            made = self._client.create_vm(spec.name, request)
        if made is None:
            return self._adopted(spec)
        vm = self._looks.made(made)
        if vm is None:
            raise Conflict(f"{spec.name} was made without its tags; see whether a policy of Azure removes them")
        return vm

    def get(self, reference: str, *, waiting: bool = False) -> VM:
        """See the protocol. A VM that was asked for alone also tells that it is stopped; lists do not know."""
        with self._asking(f"reading {reference}"):
            vm = self._looks.vm(reference, waiting=waiting)
        if vm is None:
            raise NotFound(
                f"{reference} does not exist in {self._settings.resource_group}; it was deleted, "
                "or is not of this controller"
            )
        return vm

    def list_owned(self) -> Sequence[VM]:
        """See the protocol. A server of which only an interface, an address or a disk is left is listed as broken."""
        with self._asking(f"listing {self._settings.resource_group}"):
            return self._looks.all_vms()

    def delete(self, mark: OwnerMark, reference: str | None) -> bool:  # noqa: ARG002 (the mark gives the name)
        """See the protocol. The VM takes its disks, interface and address along; what it left is deleted after it."""
        if not self._is_ours(mark):
            raise Conflict(f"{mark.text()} belongs to another controller; only that one may delete it")
        doing = f"deleting what there is of {mark.text()}"
        with self._asking(doing):
            remains = self._looks.remains(mark)
        problems = []
        for deletion in self._deletions(remains):
            # Each part on its own: one that cannot go does not keep the others.
            try:
                with self._asking(doing):
                    deletion()
            except ProviderError as problem:
                problems.append(problem)
        if problems:
            raise problems[0]
        return not remains

    def run_startup_script(self, reference: str, script: SecretStr) -> ScriptResult:
        """See the protocol. The run command stays on the VM: it is what a repeat reads."""
        with self._asking(f"running the startup script of {reference}"):
            command = self._client.run_command(reference, COMMAND_NAME)
            mark = mark_in_tags(command) if command else None
            if command is not None and mark is not None and self._is_ours(mark):
                return result_from(command)
        vm = self.get(reference)
        request = run_command_request(script.get_secret_value().encode(), self._settings.region, vm.mark)
        with self._asking(f"running the startup script of {reference}"):
            self._client.create_run_command(reference, COMMAND_NAME, request)
        return ScriptResult(finished=False)

    def password(self, reference: str) -> SecretStr | None:  # noqa: ARG002
        """None, always: the administrator's password is a setting."""
        return None

    @contextmanager
    def _asking(self, doing: str, *, missing: type[ProviderError] = NotFound) -> Iterator[None]:
        """Around all calls of one step: their errors as those of the tree."""
        with translated(doing, missing=missing), self._client.operation():
            yield

    def _is_ours(self, mark: OwnerMark) -> bool:
        return mark.controller_id == self._controller_id

    def _request(self, spec: VMSpec) -> dict[str, Any]:
        if not self._is_ours(spec.mark):
            raise InvalidSettings(f"{spec.mark.text()} is not of controller {self._controller_id}; open its provider")
        script_of(spec)
        return vm_request(spec, self._settings)

    def _adopted(self, spec: VMSpec) -> VM:
        with self._asking(f"reading {spec.name}"):
            vm = self._looks.vm(spec.name)
        if vm is None or vm.mark != spec.mark:
            raise Conflict(
                f"there is a VM {spec.name} in {self._settings.resource_group} that is not ours, or has just gone; "
                "delete it if nobody needs it"
            )
        if vm.state is VMState.DELETING:
            raise Conflict(f"{spec.name} is being deleted; create it again when it is gone")
        if vm.state is VMState.BROKEN:
            self._clear_for_want_of_room(spec, vm)
        return vm

    def _clear_for_want_of_room(self, spec: VMSpec, vm: VM) -> None:
        """Azure finds out late that it has no room, and keeps the name for the VM that it did not make."""
        code, _, message = (vm.problem or "").partition(": ")
        if fault_of_code(code, message) is not Fault.CAPACITY:
            return
        with self._asking(f"deleting {spec.name}, for which there was no room"):
            self._client.delete_vm(spec.name)
        if vm.place in (None, place_of(spec, self._settings)):
            raise CapacityUnavailable(f"creating {spec.name} failed: {vm.problem}; allow another size or zone")
        raise Conflict(f"{spec.name} was not made in {vm.place} and is being cleared away; create it when it is gone")

    def _deletions(self, remains: Remains) -> Iterator[Callable[[], None]]:
        if remains.vm is not None:
            if state_of(remains.vm) is not VMState.DELETING:
                yield partial(self._client.delete_vm, str(remains.vm["name"]))
            return
        for resources, deletion in (
            (remains.interfaces, self._client.delete_network_interface),
            (remains.public_addresses, self._client.delete_public_address),
            (remains.disks, self._client.delete_disk),
        ):
            for resource in resources:
                if not is_held(resource):
                    yield partial(deletion, str(resource["name"]))
