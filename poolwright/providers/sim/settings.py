"""Settings of the simulated provider: all of its knobs."""

import random
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from poolwright.domain.base import Model


class Operation(StrEnum):
    """The calls of the provider protocol that can be counted and made to fail."""

    CHECK = "check"
    FIND = "find"
    CREATE = "create"
    GET = "get"
    LIST_OWNED = "list_owned"
    DELETE = "delete"
    RUN_STARTUP_SCRIPT = "run_startup_script"
    PASSWORD = "password"  # noqa: S105 (a name)


class Failure(StrEnum):
    """The errors of the closed tree, by name."""

    AUTHENTICATION_FAILED = "authentication_failed"
    PERMISSION_DENIED = "permission_denied"
    QUOTA_EXCEEDED = "quota_exceeded"
    CAPACITY_UNAVAILABLE = "capacity_unavailable"
    INVALID_SETTINGS = "invalid_settings"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    THROTTLED = "throttled"
    TRANSIENT = "transient"


class Between(Model):
    """A duration drawn evenly from a range."""

    least_seconds: NonNegativeFloat
    most_seconds: NonNegativeFloat

    @model_validator(mode="after")
    def _ordered(self) -> "Between":
        if self.least_seconds > self.most_seconds:
            raise ValueError(
                f"least_seconds {self.least_seconds} is above most_seconds {self.most_seconds}; swap the two"
            )
        return self


Duration = NonNegativeFloat | Between
"""Seconds: always the same, or drawn anew for each VM."""

Fraction = Annotated[float, Field(ge=0, le=1)]


class Settings(Model):
    """One simulated account and how it behaves. What a VM draws depends on `seed` and the VM alone, never on the order
    of calls."""

    world: str = "default"
    """Accounts of the same world share their VMs; every process has its own worlds."""
    file: Path | None = None
    """SQLite file that holds the world instead, shared by all processes that name it. It survives them."""
    places: tuple[str, ...] = ()
    seed: int = 0

    create_seconds: Duration = 0.0
    """From the accepted creation until the VM is `RUNNING`."""
    address_delay_seconds: Duration = 0.0
    """From `RUNNING` until the VM's address is told."""
    boot_seconds: Duration = 0.0
    """From `RUNNING`, or from the start of the script in the guest, until the startup script checks in."""
    delete_seconds: Duration = 0.0
    """From the accepted deletion until the VM is gone."""
    stale_list_seconds: NonNegativeFloat = 0.0
    """`find` and `list_owned` do not see a VM younger than this."""

    capacity: NonNegativeInt | Mapping[str, NonNegativeInt] | None = None
    """VMs that there is room for: in the whole world, or by place (a place that is not named has endless room)."""
    quota: NonNegativeInt | None = None
    """VMs that the account may have, whoever owns them."""
    throttle_calls_per_second: PositiveFloat | None = None
    throttle_burst: PositiveInt = 10
    """Calls that may come at once before `throttle_calls_per_second` holds."""

    fail_next: Mapping[Operation, Mapping[Failure, NonNegativeInt]] = Field(default_factory=dict)
    """How many of the world's first calls of an operation fail, and with what."""
    lose_response_after_commit: NonNegativeInt = 0
    """How many of the world's first creations succeed and are reported as `Transient` all the same."""
    never_ready_fraction: Fraction = 0.0
    """Share of VMs that run, but whose startup script never checks in."""
    broken_fraction: Fraction = 0.0
    """Share of VMs that become `BROKEN` instead of `RUNNING`."""

    full_places: tuple[str, ...] = ()
    """Places that accept a creation and then turn out to have no room for it."""

    startup_script_limit_bytes: NonNegativeInt | None = None
    runs_script_in_guest: bool = False
    password_seconds: NonNegativeFloat | None = None
    """From `RUNNING` until the password that the provider makes can be asked for. Left out: it makes none."""
    interruptible: bool = False
    """The provider may take VMs away, as with spot VMs."""
    numbers: tuple[PositiveInt, PositiveInt] | None = None
    """First and last of the numbers that VMs are told apart by. Left out: the provider makes its own ids."""
    taken_numbers: tuple[PositiveInt, ...] = ()
    """Numbers of VMs that are not ours."""

    def draw_seconds(self, duration: Duration, subject: str) -> float:
        """The duration for this subject (the knob and the VM), in seconds."""
        if isinstance(duration, Between):
            return self._random(subject).uniform(duration.least_seconds, duration.most_seconds)
        return duration

    def draws(self, fraction: float, subject: str) -> bool:
        """Whether this subject is in the fraction."""
        return self._random(subject).random() < fraction

    def _random(self, subject: str) -> random.Random:
        return random.Random(f"{self.seed}/{subject}")
