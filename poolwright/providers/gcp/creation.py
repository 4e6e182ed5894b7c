"""Making a VM once, however often it is asked for."""

from collections.abc import Callable
from datetime import UTC, datetime

from google.cloud import compute_v1

from poolwright.providers.base import VM, VMSpec, VMState
from poolwright.providers.errors import Conflict
from poolwright.providers.gcp.compute import Compute
from poolwright.providers.gcp.errors import failure_of, provider_error
from poolwright.providers.gcp.names import request_id
from poolwright.providers.gcp.requests import insert_request
from poolwright.providers.gcp.settings import Place, Settings
from poolwright.providers.gcp.sightings import accepted, is_done, vm_of
from poolwright.vendors.faults import Fault


class Creation:
    """One creation. Google keeps for each request id what became of it, so nothing is remembered here."""

    def __init__(self, compute: Compute, settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._compute = compute
        self._settings = settings
        self._now = now

    def run(self, spec: VMSpec, place: Place) -> VM:
        """The VM: new, or the one that an earlier request for it made.

        The first request id whose request neither failed nor lost its VM again counts. Raises what a request of this
        very call came to, `Conflict` for a VM that is being deleted or a name that is taken.
        """
        # Google tells times by the millisecond. Where its clock and ours differ, a failure is told once more, or one
        # more request is made: the name allows one VM in either case.
        began = self._now()
        began = began.replace(microsecond=began.microsecond // 1000 * 1000)
        vm = self._ask(spec, place, 0, began) or self._ask(spec, place, self._unused(spec, place), began)
        if vm is None:
            raise Conflict(f"another creation of {spec.name} failed in {place.zone} meanwhile; it is tried again")
        return vm

    def _ask(self, spec: VMSpec, place: Place, number: int, began: datetime) -> VM | None:
        """None: this request is one of earlier, and its VM does not exist."""
        request = insert_request(self._settings, spec, place, number)
        try:
            operation = self._compute.insert(request)
        except Conflict as conflict:
            return self._adopted(spec, place, conflict)
        failure = failure_of(operation)
        if failure and _ended_before(operation, began):
            return None
        if failure and failure.fault is Fault.CONFLICT:
            return self._adopted(spec, place, provider_error(f"creating {spec.name}", failure, creating=True))
        if failure:
            raise provider_error(f"creating {spec.name} in {place.text()}", failure, creating=True)
        if is_done(operation):
            return self._existing(spec, place)
        return accepted(request, spec.mark, place)

    def _adopted(self, spec: VMSpec, place: Place, conflict: Exception) -> VM:
        vm = self._existing(spec, place)
        if vm is None:
            # The name is that of a disk which is still being deleted, or of a VM that went this moment.
            raise conflict
        return vm

    def _existing(self, spec: VMSpec, place: Place) -> VM | None:
        instance = self._compute.instance(place.zone, spec.name)
        if instance is None:
            return None
        vm = vm_of(instance, self._settings, spec.mark.controller_id)
        if vm is None or vm.mark != spec.mark:
            raise Conflict(f"{spec.name} exists in {place.zone} and is not ours; rename or delete that VM")
        if vm.state is VMState.DELETING:
            raise Conflict(f"{spec.name} in {place.zone} is still being deleted; it is created again when it is gone")
        return vm

    def _unused(self, spec: VMSpec, place: Place) -> int:
        """The number of the first request id that no request has used yet."""
        operations = self._compute.operations_on(place.zone, spec.name)
        used = {operation.client_operation_id for operation in operations}
        return next(number for number in range(1, len(used) + 2) if request_id(spec, number) not in used)


def _ended_before(operation: compute_v1.Operation, moment: datetime) -> bool:
    if not is_done(operation):
        return False
    try:
        return datetime.fromisoformat(operation.end_time) < moment
    except (ValueError, TypeError):
        return False
