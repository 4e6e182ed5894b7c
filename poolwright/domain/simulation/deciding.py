"""What a config does now, as `plan` says."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from poolwright.domain.planning import plan
from poolwright.domain.scaling import ActionKind, DrainReason, FailureRecord, Plan
from poolwright.domain.simulation.clock import Clock
from poolwright.domain.simulation.records import ConfigState
from poolwright.domain.simulation.situations import Situation, next_change, next_retirement, situation_of
from poolwright.domain.simulation.views import Views

_MOST_REMEMBERED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan as far as a simulation acts on it."""

    creates: tuple[str, ...] = ()
    """VM provider config of each."""
    drains: tuple[tuple[str, DrainReason], ...] = ()
    undrains: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    failures: FailureRecord | None = None
    """None: stays as it is."""
    downscale_wanted_since: int | None = None
    next_at: int | None = None


class Deciding(Protocol):
    """Decides for one config at a time."""

    asked: int
    """How often `plan` was asked."""

    def decide(self, config: ConfigState, now: int) -> Decision:
        """What the config does now."""
        ...

    def is_needed(self, config: ConfigState) -> bool:
        """Whether the regular decision might do anything, when nothing has woken the config."""
        ...


class ThoroughDeciding:
    """Asks every time, with everything there is."""

    def __init__(self, clock: Clock, views: Views) -> None:
        self.asked = 0
        self._clock = clock
        self._views = views

    def decide(self, config: ConfigState, now: int) -> Decision:
        """See `Deciding`."""
        self.asked += 1
        return _decision(plan(self._views.snapshot(config, now), self._clock.moment(now)), self._clock)

    def is_needed(self, config: ConfigState) -> bool:  # noqa: ARG002
        """Always."""
        return True


@dataclass(frozen=True, slots=True)
class _Known:
    """A decision in a form that fits every occurrence of the same situation."""

    creates: tuple[str, ...]
    drains_spent: bool
    downscale_wanted: Literal["no", "still", "from now on"]
    always: Decision | None
    """The decision itself, if neither times nor names of servers stand in it."""


class QuickDeciding:
    """Asks only what is not known yet, and shows only what matters.

    A regular decision is skipped if nothing has changed since the last one that did nothing either: a plan says when
    time alone would change it. A situation that was decided before is decided in the same way; see `situations`. For
    the others servers that matter only as parts of sums are left out; see `Views.condensed`.
    """

    def __init__(self, clock: Clock, views: Views) -> None:
        self.asked = 0
        self._clock = clock
        self._views = views
        self._known: dict[tuple[int, Situation], _Known] = {}

    def decide(self, config: ConfigState, now: int) -> Decision:
        """See `Deciding`."""
        situation = situation_of(config, now)
        known = self._known.get((config.number, situation)) if situation is not None else None
        if known is not None:
            return self._again(known, config, now)
        self.asked += 1
        snapshot = self._views.condensed(config, now)
        decision = _decision(plan(snapshot, self._clock.moment(now)), self._clock)
        if situation is not None:
            self._remember(config, situation, decision)
        return replace(decision, next_at=_earliest(decision.next_at, next_retirement(config)))

    def is_needed(self, config: ConfigState) -> bool:
        """See `Deciding`."""
        return bool(
            config.decided_version != config.version()
            or config.failures.failed_at
            or config.failures.pauses
            or config.retiring
            or config.draining
            or (config.pool.waiting and len(config.pool.configs) > 1)
        )

    def _again(self, known: _Known, config: ConfigState, now: int) -> Decision:
        if known.always is not None and config.first_age is None:
            return known.always
        since = None
        if known.downscale_wanted != "no":
            since = config.downscale_wanted_since if known.downscale_wanted == "still" else now
        return Decision(
            creates=known.creates,
            drains=tuple((server, DrainReason.SPENT) for server in config.spent) if known.drains_spent else (),
            downscale_wanted_since=since,
            next_at=next_change(config, since, now),
        )

    def _remember(self, config: ConfigState, situation: Situation, decision: Decision) -> None:
        spent = {(server, DrainReason.SPENT) for server in config.spent}
        if decision.undrains or decision.deletes or (decision.drains and set(decision.drains) != spent):
            return
        since = decision.downscale_wanted_since
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[config.number, situation] = _Known(
            creates=decision.creates,
            drains_spent=bool(decision.drains),
            downscale_wanted="no"
            if since is None
            else "from now on"
            if config.downscale_wanted_since is None
            else "still",
            always=Decision(creates=decision.creates) if since is None and not decision.drains else None,
        )


def _earliest(one: int | None, other: int | None) -> int | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _decision(planned: Plan, clock: Clock) -> Decision:
    def targets(kind: ActionKind) -> Iterable[str]:
        return (action.server_id or "" for action in planned.actions if action.kind is kind)

    since, next_at = planned.downscale_wanted_since, planned.next_decision_at
    return Decision(
        creates=tuple(action.vm_provider or "" for action in planned.actions if action.kind is ActionKind.CREATE),
        drains=tuple(
            (action.server_id or "", action.drain_reason or DrainReason.SCALE_DOWN)
            for action in planned.actions
            if action.kind is ActionKind.DRAIN
        ),
        undrains=tuple(targets(ActionKind.UNDRAIN)),
        deletes=tuple(targets(ActionKind.DELETE)),
        failures=planned.failures,
        downscale_wanted_since=None if since is None else clock.instant(since),
        next_at=None if next_at is None else clock.instant(next_at),
    )
