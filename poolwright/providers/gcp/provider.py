"""The provider protocol on Google Compute Engine."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VM, Capabilities, Preview, ScriptResult, VMSpec, VMState
from poolwright.providers.errors import Conflict, InvalidSettings, NotFound
from poolwright.providers.gcp.checks import check
from poolwright.providers.gcp.compute import Compute
from poolwright.providers.gcp.creation import Creation
from poolwright.providers.gcp.deletion import Deletion
from poolwright.providers.gcp.names import can_be_marked
from poolwright.providers.gcp.reading import Reading
from poolwright.providers.gcp.requests import SCRIPT_LIMIT_BYTES, insert_request, shown
from poolwright.providers.gcp.settings import Place, Settings
from poolwright.providers.overrides import override_findings


def open_provider(settings: Mapping[str, Any], controller_id: str) -> "GCPProvider":
    """The GCP provider with these settings. Nothing is asked of Google yet. Raises pydantic's ValidationError."""
    return GCPProvider(Settings.model_validate(settings), controller_id)


class GCPProvider:
    """One controller's VMs in one project. A VM's reference is its zone, its name and the id of the request for it."""

    def __init__(self, settings: Settings, controller_id: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._settings = settings
        self._controller_id = controller_id
        self._compute = Compute(settings)
        self._reading = Reading(self._compute, settings, controller_id, clock=clock)
        self._creation = Creation(self._compute, settings)
        self._deletion = Deletion(self._compute, self._reading)

    def capabilities(self) -> Capabilities:
        """Scripts go along as metadata."""
        return Capabilities(startup_script_limit_bytes=SCRIPT_LIMIT_BYTES, interruptible=self._settings.makes_spot_vms)

    def places(self) -> Sequence[str]:
        """Zone and machine type, such as `us-east4-b/e2-standard-2`."""
        places = self._settings.all_places()
        return [place.text() for place in places] if len(places) > 1 else []

    def preview(self, spec: VMSpec) -> Preview:
        """The instance as it is inserted, by the first of its request ids."""
        request = insert_request(self._settings, spec, self._place(spec))
        parameters = {"project": request.project, "zone": request.zone, "requestId": request.request_id}
        return Preview(request=shown(request), also={"parameters of instances.insert": parameters})

    def check(self) -> Sequence[Finding]:
        """Whether the credentials work, all that the settings name exists in each zone, and Google's client takes the
        override."""
        return [*check(self._compute, self._settings), *override_findings(self._controller_id, self.preview)]

    def find(self, mark: OwnerMark) -> VM | None:
        """See the protocol. One that is being deleted is only returned when there is no other."""
        if mark.controller_id != self._controller_id:
            return None
        return min(
            self._reading.vms_of(mark), key=lambda vm: (vm.state is VMState.DELETING, vm.reference), default=None
        )

    def create(self, spec: VMSpec) -> VM:
        """See the protocol. What Google finds out only later (no room in the zone, mostly) shows in `get` as
        `BROKEN`."""
        place = self._place(spec)
        # Within a zone the name keeps it the only one; an earlier attempt may have made it in another.
        existing = self.find(spec.mark) if len(self._settings.zones) > 1 else None
        if existing is None:
            made = self._creation.run(spec, place)
            self._reading.told_of(made)
            return made
        if existing.state is VMState.DELETING:
            raise Conflict(f"{existing.reference} is still being deleted; {spec.name} is created when it is gone")
        return existing

    def get(self, reference: str, *, waiting: bool = False) -> VM:
        """See the protocol. A VM whose creation failed is `BROKEN` from then on, although there never was one."""
        vm = self._reading.vm(reference, waiting=waiting)
        if vm is None:
            raise NotFound(f"{reference} does not exist; it was deleted, or is not of this controller")
        return vm

    def list_owned(self) -> Sequence[VM]:
        """See the protocol."""
        return self._reading.owned()

    def delete(self, mark: OwnerMark, reference: str | None) -> bool:
        """See the protocol. Disks that bear the mark are deleted once there is no VM."""
        if mark.controller_id != self._controller_id:
            raise Conflict(f"{mark.text()} belongs to another controller; only that one may delete it")
        return self._deletion.is_complete(mark, reference)

    def run_startup_script(self, reference: str, script: SecretStr) -> ScriptResult:  # noqa: ARG002
        """Never of use: the script is handed over at creation. Raises `InvalidSettings`."""
        raise InvalidSettings(f"{reference} got its startup script at creation; do not run it a second time")

    def password(self, reference: str) -> SecretStr | None:  # noqa: ARG002
        """None, always: `capabilities` promises no passwords."""
        return None

    def _place(self, spec: VMSpec) -> Place:
        if spec.mark.controller_id != self._controller_id:
            raise InvalidSettings(f"{spec.mark.text()} is not of controller {self._controller_id}; open its provider")
        if not can_be_marked(spec.mark):
            raise InvalidSettings(
                f"{spec.mark.text()} cannot be a VM's name and labels at Google; ids are lower-case letters, digits "
                "and dashes"
            )
        places = {place.text(): place for place in self._settings.all_places()}
        if spec.place is None:
            return self._settings.all_places()[0]
        if spec.place not in places:
            raise InvalidSettings(f"there is no place {spec.place!r}; choose one of {', '.join(places)}")
        return places[spec.place]
