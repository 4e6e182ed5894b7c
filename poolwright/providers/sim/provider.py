"""The provider protocol on a simulated world."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from poolwright.domain.findings import Finding
from poolwright.domain.identities import OwnerMark
from poolwright.providers.base import VM, Capabilities, Preview, ScriptResult, VMSpec, VMState
from poolwright.providers.errors import (
    CapacityUnavailable,
    Conflict,
    InvalidSettings,
    NotFound,
    NumberTaken,
    QuotaExceeded,
    Transient,
)
from poolwright.providers.sim.errors import translated
from poolwright.providers.sim.records import SimulatedVM, interruption_of, request_digest, serial_of
from poolwright.providers.sim.settings import Between, Operation, Settings
from poolwright.providers.sim.world import world


def open_provider(settings: Mapping[str, Any], controller_id: str) -> "SimProvider":
    """The simulated provider with these settings. Raises pydantic's ValidationError."""
    return SimProvider(Settings.model_validate(settings), controller_id)


class SimProvider:
    """One controller's view of a world. Its creations have tokens like EC2's.

    A token makes one VM ever: a repeat returns that VM, raises `InvalidSettings` when it asks for anything else, and
    `Conflict` once that VM is being deleted or gone.
    """

    def __init__(self, settings: Settings, controller_id: str) -> None:
        self._settings = settings
        self._controller_id = controller_id
        self._world = world(settings.world, settings.file)
        self._database = self._world.database

    def capabilities(self) -> Capabilities:
        """As the knobs have it."""
        with translated():
            settings = self._world.effective(self._settings)
        return Capabilities(
            runs_script_in_guest=settings.runs_script_in_guest,
            startup_script_limit_bytes=settings.startup_script_limit_bytes,
            retrieves_password=settings.password_seconds is not None,
            interruptible=settings.interruptible,
            numbers=settings.numbers,
            address_at_creation=_is_nothing(settings.create_seconds) and _is_nothing(settings.address_delay_seconds),
        )

    def places(self) -> Sequence[str]:
        """As the settings have it."""
        return self._settings.places

    def preview(self, spec: VMSpec) -> Preview:
        """What the world keeps of a VM."""
        return Preview(
            request={
                "name": spec.name,
                "owner": spec.mark.text(),
                "hostname": spec.hostname,
                "place": spec.place,
                "startup_script": spec.startup_script.get_secret_value(),
            }
        )

    def check(self) -> Sequence[Finding]:
        """Finds capacity that is given for places that do not exist."""
        with self._call(Operation.CHECK) as (settings, _):
            if not isinstance(settings.capacity, Mapping):
                return []
            return [
                Finding(
                    setting=f"capacity.{place}",
                    problem=f"there is no place {place!r}",
                    remedy=f"name one of {', '.join(settings.places) or 'places, which is empty'}",
                )
                for place in settings.capacity
                if place not in settings.places
            ]

    def find(self, mark: OwnerMark) -> VM | None:
        """See the protocol. One that is being deleted is only returned when there is no other."""
        with self._call(Operation.FIND) as (settings, now):
            found = sorted(self._visible(settings, now, mark), key=lambda vm: vm.delete_asked_at is not None)
            return found[0].report(now) if found else None

    def create(self, spec: VMSpec) -> VM:
        """See the protocol."""
        with self._call(Operation.CREATE) as (settings, now):
            if spec.mark.controller_id != self._controller_id:
                raise InvalidSettings(
                    f"{spec.mark.text()} is not of controller {self._controller_id}; open its provider"
                )
            existing = self._existing(spec, settings, now)
            if existing:
                return existing.report(now)
            self._refuse(spec, settings, now)
            made = self._make(spec, settings, now)
            lost = self._world.take_lost_response()
        if lost:
            raise Transient(f"the answer to the creation of {spec.name} was lost; look whether it exists")
        return made.report(now)

    def get(self, reference: str, *, waiting: bool = False) -> VM:  # noqa: ARG002
        """See the protocol."""
        with self._call(Operation.GET) as (settings, now):
            return self._report(self._owned(reference, now), settings, now)

    def list_owned(self) -> Sequence[VM]:
        """See the protocol. Blind to VMs that are younger than `stale_list_seconds`."""
        with self._call(Operation.LIST_OWNED) as (settings, now):
            return [self._report(vm, settings, now) for vm in self._visible(settings, now)]

    def delete(self, mark: OwnerMark, reference: str | None) -> bool:
        """See the protocol. Without the reference, as blind as `find`."""
        with self._call(Operation.DELETE) as (settings, now):
            if mark.controller_id != self._controller_id:
                raise Conflict(f"{mark.text()} belongs to another controller; only that one may delete it")
            leaving = {vm.serial: vm for vm in self._visible(settings, now, mark)}
            named = self._named(reference, now) if reference else None
            if named and named.mark == mark:
                leaving[named.serial] = named
            gone_at = [self._begin_deletion(vm, settings, now) for vm in leaving.values()]
            return all(now >= time for time in gone_at)

    def run_startup_script(self, reference: str, script: SecretStr) -> ScriptResult:
        """See the protocol. Raises `Conflict` while the VM does not run."""
        with self._call(Operation.RUN_STARTUP_SCRIPT) as (settings, now):
            if not settings.runs_script_in_guest:
                raise InvalidSettings(
                    f"{reference} got its script at creation; set runs_script_in_guest to run it later"
                )
            vm = self._owned(reference, now)
            if vm.state(now) is not VMState.RUNNING:
                raise Conflict(f"{reference} is {vm.state(now)}; run the script once it is running")
            if vm.script_started_at is None:
                self._database.change(vm.serial, script_started_at=now, startup_script=script.get_secret_value())
            started_at = now if vm.script_started_at is None else vm.script_started_at
            finished = vm.boot_seconds is not None and now >= started_at + vm.boot_seconds
            return ScriptResult(finished=finished, exit_code=0 if finished else None)

    def password(self, reference: str) -> SecretStr | None:
        """See the protocol. Each VM has a password of its own."""
        with self._call(Operation.PASSWORD) as (settings, now):
            vm = self._owned(reference, now)
            if settings.password_seconds is None or now < vm.running_at + settings.password_seconds:
                return None
            return SecretStr(f"password of {vm.reference}")

    @contextmanager
    def _call(self, operation: Operation) -> Iterator[tuple[Settings, float]]:
        """One call: let in or refused by the world, then alone with its state. Gives the settings and the time."""
        with translated():
            settings = self._world.admit(operation, self._settings)
            with self._database.transaction():
                yield settings, self._world.clock()

    def _report(self, vm: SimulatedVM, settings: Settings, now: float) -> VM:
        lacks_room = vm.state(now) is VMState.BROKEN and vm.place in settings.full_places
        interruption = self._database.fact(interruption_of(vm.reference))
        return vm.report(now).model_copy(update={"lacks_room": lacks_room, "interruption": interruption})

    def _visible(self, settings: Settings, now: float, mark: OwnerMark | None = None) -> Sequence[SimulatedVM]:
        if mark and mark.controller_id != self._controller_id:
            return []
        living = self._database.living(self._controller_id, now, mark.server_id if mark else None)
        return [vm for vm in living if now >= vm.accepted_at + settings.stale_list_seconds]

    def _named(self, reference: str, now: float) -> SimulatedVM | None:
        serial = serial_of(reference)
        vm = None if serial is None else self._database.vm(serial)
        return vm if vm and vm.exists(now) else None

    def _owned(self, reference: str, now: float) -> SimulatedVM:
        vm = self._named(reference, now)
        if vm is None or vm.mark is None or vm.mark.controller_id != self._controller_id:
            raise NotFound(f"{reference} does not exist; it was deleted, or is not of this controller")
        return vm

    def _existing(self, spec: VMSpec, settings: Settings, now: float) -> SimulatedVM | None:
        made = self._database.with_token(spec.token) if spec.token else None
        if made:
            if made.request_digest != request_digest(spec, _place(spec, settings)):
                raise InvalidSettings(f"the token of {spec.name} was used for another request; use a token of its own")
            if not made.exists(now) or made.delete_asked_at is not None:
                raise Conflict(f"the token of {spec.name} made {made.reference}, which is deleted; use a new token")
            return made
        adopted = next(iter(self._visible(settings, now, spec.mark)), None)
        if adopted and adopted.delete_asked_at is not None:
            raise Conflict(f"{adopted.reference} is still being deleted; create {spec.name} again when it is gone")
        return adopted

    def _refuse(self, spec: VMSpec, settings: Settings, now: float) -> None:
        place = _place(spec, settings)
        if spec.place is not None and spec.place not in settings.places:
            raise InvalidSettings(
                f"there is no place {spec.place!r}; choose one of {', '.join(settings.places) or 'none'}"
            )
        if spec.number in settings.taken_numbers:
            raise NumberTaken(f"number {spec.number} belongs to a VM that is not ours; take another")
        size = len(spec.startup_script.get_secret_value().encode())
        limit = settings.startup_script_limit_bytes
        if limit is not None and size > limit:
            raise InvalidSettings(
                f"the startup script of {spec.name} has {size} bytes, {limit} are allowed; shorten it"
            )
        if settings.quota is not None and self._database.count_living(now) >= settings.quota:
            raise QuotaExceeded(f"the account has its {settings.quota} VMs; raise the quota, or delete VMs")
        counted, room = None, settings.capacity
        if isinstance(room, Mapping):
            counted, room = place, room.get(place or "")
        if room is not None and self._database.count_living(now, counted) >= room:
            raise CapacityUnavailable(
                f"there is no room for {spec.name} in {counted or 'the world'}; try another place"
            )

    def _make(self, spec: VMSpec, settings: Settings, now: float) -> SimulatedVM:
        # Drawn by token, so that each attempt has its own luck and a repeated simulation the same.
        running_at = now + settings.draw_seconds(settings.create_seconds, f"create/{spec.token}")
        full = _place(spec, settings) in settings.full_places
        broken = full or settings.draws(settings.broken_fraction, f"broken/{spec.token}")
        never_ready = settings.draws(settings.never_ready_fraction, f"never ready/{spec.token}")
        boot_seconds = settings.draw_seconds(settings.boot_seconds, f"boot/{spec.token}")
        in_guest = settings.runs_script_in_guest
        return self._world.add(
            {
                "controller_id": spec.mark.controller_id,
                "server_id": spec.mark.server_id,
                "token": spec.token,
                "request_digest": request_digest(spec, _place(spec, settings)),
                "hostname": spec.hostname,
                "place": _place(spec, settings),
                "startup_script": "" if in_guest else spec.startup_script.get_secret_value(),
                "accepted_at": now,
                "running_at": running_at,
                "address_at": running_at
                + settings.draw_seconds(settings.address_delay_seconds, f"address/{spec.token}"),
                "boot_seconds": None if never_ready else boot_seconds,
                "script_started_at": None if in_guest else running_at,
                "broken_at": running_at if broken else None,
                "problem": _problem(full=full) if broken else None,
            }
        )

    def _begin_deletion(self, vm: SimulatedVM, settings: Settings, now: float) -> float:
        """Ask for deletion, unless that was done; returns when the VM is gone."""
        if vm.delete_asked_at is not None:
            return vm.gone_at
        gone_at = now + settings.draw_seconds(settings.delete_seconds, f"delete/{vm.serial}")
        self._database.change(vm.serial, delete_asked_at=now, gone_at=gone_at)
        return gone_at


def _place(spec: VMSpec, settings: Settings) -> str | None:
    return spec.place or next(iter(settings.places), None)


def _is_nothing(duration: float | Between) -> bool:
    return (duration.most_seconds if isinstance(duration, Between) else duration) == 0


def _problem(*, full: bool) -> str:
    return "its place turned out to be full" if full else "the simulated host failed"
