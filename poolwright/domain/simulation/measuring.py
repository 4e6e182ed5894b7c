"""Counting while a simulation runs: waits, hours of VMs, and what there was at each time."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from poolwright.domain.simulation.clock import SECOND, Clock
from poolwright.domain.simulation.results import Figures, Series, VMHours, WaitingTimes

_HOUR: Final = 3600 * SECOND
_STEPS_SECONDS: Final = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * 60 for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * 3600 for hours in (1, 2, 3, 4, 6, 12)),
)
_DAY_SECONDS: Final = 86_400


@dataclass(slots=True)
class Lives:
    """Microseconds of VMs of one pool on one VM provider config."""

    total: int = 0
    booting: int = 0
    busy: int = 0
    leaving: int = 0


class StepSeries:
    """Levels over time, in equal steps: the mean of each, and the peaks of some."""

    def __init__(self, length: int, most_points: int) -> None:
        self.step = step_microseconds(length, most_points)
        points = ceil(length / self.step)
        self._sums = [[0] * points for _ in range(5)]
        self.demand_peak = [0] * points
        self.ready_peak = [0] * points
        self.waiting_peak = [0] * points
        self._now = 0
        self._levels = (0, 0, 0, 0, 0)
        self.length = length

    def record(self, now: int, levels: tuple[int, int, int, int, int]) -> None:
        """From now on these hold: demand, ready, booting, servers, waiting. What is over within the instant is lost."""
        if now > self._now:
            self._hold_until(now)
        self._levels = levels

    def close(self) -> None:
        """The last levels hold until the end."""
        self._hold_until(self.length)

    def means(self, level: int) -> list[float]:
        """The mean of each step: 0 demand, 1 ready, 2 booting, 3 servers, 4 waiting."""
        lengths = [min(self.step, self.length - n * self.step) for n in range(len(self.demand_peak))]
        return [value / length for value, length in zip(self._sums[level], lengths, strict=True)]

    def _hold_until(self, until: int) -> None:
        now, step = self._now, self.step
        demand, ready, booting, servers, waiting = self._levels
        sums = self._sums
        while now < until:
            position = now // step
            held = (position + 1) * step
            if held > until:
                held = until
            length = held - now
            sums[0][position] += demand * length
            sums[1][position] += ready * length
            sums[2][position] += booting * length
            sums[3][position] += servers * length
            sums[4][position] += waiting * length
            if demand > self.demand_peak[position]:
                self.demand_peak[position] = demand
            if ready > self.ready_peak[position]:
                self.ready_peak[position] = ready
            if waiting > self.waiting_peak[position]:
                self.waiting_peak[position] = waiting
            now = held
        self._now = until


def step_microseconds(length: int, most_points: int) -> int:
    """The shortest step that people count in and that gives no more than so many points."""
    needed = length / most_points / SECOND
    for seconds in _STEPS_SECONDS:
        if seconds >= needed:
            return seconds * SECOND
    return ceil(needed / _DAY_SECONDS) * _DAY_SECONDS * SECOND


@dataclass(slots=True)
class PoolMeter:
    """Everything that is counted about one pool."""

    series: StepSeries
    sessions: int = 0
    refused: int = 0
    cut_short: int = 0
    waits: "array[int]" = field(default_factory=lambda: array("q"))
    """Of those who got a server and had to wait for it."""
    served_at_once: int = 0
    created: int = 0
    failed: int = 0
    deleted: int = 0
    peak_servers: int = 0
    lives: dict[str, Lives] = field(default_factory=dict)
    """By VM provider config."""
    used: float = 0
    """Microseconds of whole VMs that sessions took together."""
    paid: int = 0
    """Microseconds of VMs."""
    waiting_at_end: int = 0
    live_at_end: int = 0

    def served(self, wait: int) -> None:
        """Somebody got a server after so long."""
        if wait:
            self.waits.append(wait)
        else:
            self.served_at_once += 1


def figures_of(meters: Iterable[PoolMeter], prices: Mapping[str, float], peak_servers: int) -> Figures:
    """The figures of these pools together."""
    meters = list(meters)
    waits = sorted(wait for meter in meters for wait in meter.waits)
    at_once = sum(meter.served_at_once for meter in meters)
    paid = sum(meter.paid for meter in meters)
    lives = [life for meter in meters for life in meter.lives.values()]
    return Figures(
        sessions=sum(meter.sessions for meter in meters),
        served=at_once + len(waits),
        served_at_once=at_once,
        refused=sum(meter.refused for meter in meters),
        waiting_at_end=sum(meter.waiting_at_end for meter in meters),
        live_at_end=sum(meter.live_at_end for meter in meters),
        cut_short=sum(meter.cut_short for meter in meters),
        waiting=_waiting_times(waits, at_once),
        vm_hours=_vm_hours(lives),
        utilisation=sum(meter.used for meter in meters) / paid if paid else 0.0,
        cost=cost_of(_hours_by_provider(meters), prices),
        peak_servers=peak_servers,
        created=sum(meter.created for meter in meters),
        failed=sum(meter.failed for meter in meters),
        deleted=sum(meter.deleted for meter in meters),
    )


def series_of(meter: PoolMeter, clock: Clock, unit: str, unit_size: int) -> Series:
    """The time series of a pool; `unit_size` is what its unit counts as."""
    series = meter.series
    demand, ready, booting, servers, waiting = (series.means(level) for level in range(5))
    return Series(
        step_seconds=series.step / SECOND,
        at=tuple(clock.moment(position * series.step) for position in range(len(demand))),
        until=clock.moment(series.length),
        unit=unit,
        demand=_scaled(demand, unit_size),
        demand_peak=_scaled(series.demand_peak, unit_size),
        ready=_scaled(ready, unit_size),
        ready_peak=_scaled(series.ready_peak, unit_size),
        booting=_scaled(booting, unit_size),
        servers=_scaled(servers, 1),
        waiting=_scaled(waiting, 1),
        waiting_peak=tuple(series.waiting_peak),
    )


def hours(total: int) -> float:
    """Microseconds as hours."""
    return round(total / _HOUR, 6)


def cost_of(hours_by_provider: Mapping[str, float], prices: Mapping[str, float]) -> float | None:
    """What these hours cost; None if any of them has no price."""
    if any(used and name not in prices for name, used in hours_by_provider.items()):
        return None
    return round(sum(used * prices.get(name, 0) for name, used in hours_by_provider.items()), 6)


def _hours_by_provider(meters: Iterable[PoolMeter]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for meter in meters:
        for name, life in meter.lives.items():
            found[name] = found.get(name, 0) + life.total / _HOUR
    return found


def _vm_hours(lives: Iterable[Lives]) -> VMHours:
    lives = list(lives)
    total, booting, busy, leaving = (
        sum(getattr(life, part) for life in lives) for part in ("total", "booting", "busy", "leaving")
    )
    return VMHours(
        total=hours(total),
        booting=hours(booting),
        busy=hours(busy),
        idle=hours(total - booting - busy - leaving),
        leaving=hours(leaving),
    )


def _waiting_times(waits: list[int], at_once: int) -> WaitingTimes:
    """Nearest rank, over all who got a server: `waits` in order, and so many who waited not at all before them."""
    count = at_once + len(waits)

    def percentile(share: float) -> float:
        rank = ceil(share * count) - at_once
        return waits[rank - 1] / SECOND if rank > 0 else 0.0

    return WaitingTimes(
        p50_seconds=percentile(0.5),
        p90_seconds=percentile(0.9),
        p95_seconds=percentile(0.95),
        p99_seconds=percentile(0.99),
        max_seconds=waits[-1] / SECOND if waits else 0.0,
        mean_seconds=round(sum(waits) / SECOND / count, 6) if count else 0.0,
    )


def _scaled(values: Iterable[float], unit_size: int) -> tuple[float, ...]:
    return tuple(round(value / unit_size, 3) for value in values)
