"""Worlds: what there is in a simulated account, and the strings that tests can pull."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from poolwright.domain.identities import OwnerMark
from poolwright.providers.errors import NotFound, ProviderError, Throttled
from poolwright.providers.sim.database import Database
from poolwright.providers.sim.errors import planned
from poolwright.providers.sim.records import CheckIn, SimulatedVM, interruption_of, serial_of
from poolwright.providers.sim.settings import Failure, Operation, Settings

_FIXED: Final = {"world", "file", "places", "fail_next", "lose_response_after_commit"}


class World:
    """All VMs of a simulated account, living and gone, whoever owns them. May be shared by threads.

    Get one from `world`. Times are seconds of `clock`. Raises sqlite3.Error when its file cannot be used.
    """

    clock: Callable[[], float]
    """What time it is, in seconds since the epoch. Replace it to let time pass at will; each process has its own."""

    def __init__(self, file: Path | None = None) -> None:
        self.clock = time.time
        self.database = Database(file)

    def change(self, **knobs: Any) -> None:
        """Turn knobs of `Settings` from now on, for all who use this world and whatever their own settings say.

        Raises ValueError for what cannot be changed so.
        """
        if fixed := _FIXED & knobs.keys():
            raise ValueError(f"{', '.join(sorted(fixed))} cannot be changed; see the other methods of this world")
        changed = Settings.model_validate(knobs).model_dump(mode="json", include=set(knobs))
        with self.database.transaction():
            self.database.set_fact("changes", {**(self.database.fact("changes") or {}), **changed})

    def restore(self) -> None:
        """Undo every `change`, and let nothing fail or be lost that was planned and has not happened."""
        with self.database.transaction():
            self.database.set_fact("changes", {})
            self.database.set_fact("responses_to_lose", 0)
            self.database.drop_failures()

    def fail_next(self, operation: Operation, failure: Failure, times: int = 1) -> None:
        """Let the next calls of this operation fail, after those already planned."""
        with self.database.transaction():
            self.database.plan_failure(operation, failure, times)

    def lose_next_response(self, times: int = 1) -> None:
        """Let the next creations succeed and be reported as `Transient` all the same."""
        with self.database.transaction():
            self._lose_responses(times)

    def calls(self) -> Mapping[Operation, int]:
        """How often each operation was called, failed calls included; one never called is missing."""
        with self.database.transaction():
            return self.database.calls()

    def vms(self) -> Sequence[SimulatedVM]:
        """Every VM that there ever was, oldest first."""
        with self.database.transaction():
            return self.database.all()

    def living(self) -> Sequence[SimulatedVM]:
        """The VMs that are not gone, oldest first."""
        now = self.clock()
        return [vm for vm in self.vms() if vm.exists(now)]

    def highest_alive(self) -> int:
        """The most VMs that ever existed at once."""
        with self.database.transaction():
            return int(self.database.fact("highest_alive") or 0)

    def plant(self, mark: OwnerMark | None, place: str | None = None) -> SimulatedVM:
        """A running VM that no provider of ours made: without a mark, with another controller's, or an orphan."""
        now = self.clock()
        with self.database.transaction():
            return self.add(
                {
                    "controller_id": mark.controller_id if mark else None,
                    "server_id": mark.server_id if mark else None,
                    "token": "",
                    "request_digest": "",
                    "hostname": "planted",
                    "place": place,
                    "startup_script": "",
                    "accepted_at": now,
                    "running_at": now,
                    "address_at": now,
                }
            )

    def stop(self, reference: str) -> None:
        """Switch the VM off behind everybody's back. Raises `NotFound`, as the next two do."""
        self._change(reference, stopped_at=self.clock())

    def vanish(self, reference: str) -> None:
        """Let the VM be gone at once, as a reclaimed spot instance is."""
        self._change(reference, gone_at=self.clock())

    def break_down(self, reference: str, problem: str) -> None:
        """Make the VM `BROKEN`, with this problem."""
        self._change(reference, broken_at=self.clock(), problem=problem)

    def interrupt(self, reference: str, notice: str) -> None:
        """Let the provider say that it will take the VM away."""
        with self.database.transaction():
            self.database.set_fact(interruption_of(reference), notice)

    def due_check_ins(self, now: float | None = None) -> Sequence[CheckIn]:
        """The check-ins that startup scripts have come to by `now` (the clock's, if not given), in order of time.

        Each is returned once, to one caller, who delivers it. VMs that are broken, stopped or being deleted have none.
        """
        with self.database.transaction():
            due = self.database.take_due_check_ins(self.clock() if now is None else now)
        check_ins = [CheckIn(vm=vm, due_at=vm.check_in_at) for vm in due if vm.check_in_at is not None]
        return sorted(check_ins, key=lambda check_in: (check_in.due_at, check_in.vm.serial))

    def effective(self, settings: Settings) -> Settings:
        """`settings` with what was changed since. For providers."""
        with self.database.transaction():
            return self._effective(settings)

    def admit(self, operation: Operation, settings: Settings) -> Settings:
        """Count a call and raise what it is to fail with; returns the effective settings. For providers."""
        with self.database.transaction():
            self._plan_once(settings)
            self.database.count_call(operation)
            effective = self._effective(settings)
            refusal = self._throttle(effective) or self._planned(operation)
        if refusal:
            raise refusal
        return effective

    def add(self, vm: Mapping[str, Any]) -> SimulatedVM:
        """Insert a VM, within a transaction. For providers."""
        added = self.database.add(vm)
        alive = self.database.count_living(added.accepted_at)
        self.database.set_fact("highest_alive", max(alive, self.database.fact("highest_alive") or 0))
        return added

    def take_lost_response(self) -> bool:
        """Whether the creation just made is to be reported as failed, within a transaction. For providers."""
        left = self.database.fact("responses_to_lose") or 0
        if left:
            self.database.set_fact("responses_to_lose", left - 1)
        return bool(left)

    def close(self) -> None:
        """Let go of the state; a world without a file forgets everything."""
        self.database.close()

    def _plan_once(self, settings: Settings) -> None:
        """Plan what `settings` count, unless an earlier provider of this world has done so."""
        if self.database.fact("planned"):
            return
        self.database.set_fact("planned", value=True)
        self._lose_responses(settings.lose_response_after_commit)
        for operation, failures in settings.fail_next.items():
            for failure, times in failures.items():
                self.database.plan_failure(operation, failure, times)

    def _lose_responses(self, times: int) -> None:
        self.database.set_fact("responses_to_lose", (self.database.fact("responses_to_lose") or 0) + times)

    def _effective(self, settings: Settings) -> Settings:
        changes = self.database.fact("changes")
        return Settings.model_validate({**settings.model_dump(), **changes}) if changes else settings

    def _throttle(self, settings: Settings) -> ProviderError | None:
        rate = settings.throttle_calls_per_second
        if rate is None:
            return None
        now = self.clock()
        tokens, filled_at = self.database.fact("bucket") or (settings.throttle_burst, now)
        tokens = min(settings.throttle_burst, tokens + max(0.0, now - filled_at) * rate)
        refused = tokens < 1
        self.database.set_fact("bucket", [tokens if refused else tokens - 1, now])
        if not refused:
            return None
        return Throttled(f"more than {rate} calls per second; call less often", (1 - tokens) / rate)

    def _planned(self, operation: Operation) -> ProviderError | None:
        failure = self.database.take_failure(operation)
        return planned(failure, operation) if failure else None

    def _change(self, reference: str, **values: float | str) -> None:
        serial = serial_of(reference)
        with self.database.transaction():
            if serial is None or self.database.vm(serial) is None:
                raise NotFound(f"there is no VM {reference} in this world; see `vms`")
            self.database.change(serial, **values)


_worlds: dict[str, World] = {}
_worlds_lock = threading.Lock()


def world(name: str = "default", file: Path | None = None) -> World:
    """The world of this name, or of this file: the same object each time, made when it is first asked for."""
    with _worlds_lock:
        return _worlds.setdefault(_key(name, file), World(file))


def forget(name: str = "default", file: Path | None = None) -> None:
    """Close the world, if it exists. Its file stays; a world without a file is gone, and its providers with it."""
    with _worlds_lock:
        left = _worlds.pop(_key(name, file), None)
    if left:
        left.close()


def _key(name: str, file: Path | None) -> str:
    return f"file {file.absolute()}" if file else f"name {name}"
