"""Demand of known shapes, for those who have no trace of their own: days of an office, classes, shifts, a launch.

A shape says when on the wall clock of a time zone people come, and how different the lengths of their sessions are.
Everything else is asked for: how many come each day, for how long on average, on which days of the week.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from operator import itemgetter
from statistics import NormalDist
from typing import Final, NamedTuple

from pydantic import Field

from poolwright.domain.base import Model
from poolwright.domain.simulation.demand import DemandSession
from poolwright.domain.simulation.draws import Draws
from poolwright.domain.wall_clock import Weekday, WeekdayName, ZoneName, wall_to_utc, zone_named

_DAY_SECONDS: Final = 86_400
_LAST_SECOND: Final = _DAY_SECONDS - 1
_SHORTEST_SESSION_SECONDS: Final = 30.0
_STANDARD: Final = NormalDist()
_ONE_DAY: Final = timedelta(days=1)

WORKDAYS: Final = (Weekday.MONDAY, Weekday.TUESDAY, Weekday.WEDNESDAY, Weekday.THURSDAY, Weekday.FRIDAY)
EVERY_DAY: Final = tuple(Weekday)


_Timed = tuple[float, int, float]
"""Second of the day on the wall clock, number of the person, seconds that the session lasts."""


class Wave(NamedTuple):
    """People who come for the same reason."""

    share: float
    """Of all who come that day."""
    arrival: Callable[[float], float]
    """Makes of a quantile a time of day, in seconds after midnight on the wall clock."""


class Shape(NamedTuple):
    """When people come, and how their sessions differ."""

    description: str
    waves: tuple[Wave, ...]
    mean_minutes: float
    """Mean length of a session, unless another is asked for."""
    spread: float
    """How different the lengths are: standard deviation of their logarithm; 0 is all alike."""
    days: tuple[Weekday, ...]
    """Days of the week, unless others are asked for."""


def around(hour: float, deviation_minutes: float) -> Callable[[float], float]:
    """Most of them near this hour, fewer the further from it."""
    return lambda quantile: hour * 3600 + deviation_minutes * 60 * _STANDARD.inv_cdf(quantile)


def between(first_hour: float, last_hour: float) -> Callable[[float], float]:
    """At any time between these hours, equally likely."""
    return lambda quantile: (first_hour + (last_hour - first_hour) * quantile) * 3600


def after(hour: float, mean_minutes: float) -> Callable[[float], float]:
    """At once from this hour on, and ever fewer."""
    return lambda quantile: hour * 3600 - mean_minutes * 60 * math.log1p(-quantile)


SHAPES: Final[Mapping[str, Shape]] = {
    "office-day": Shape(
        "people come to work around 8:45, some after lunch, a few all day long; they stay for hours",
        (Wave(0.7, around(8.75, 35)), Wave(0.15, around(13, 30)), Wave(0.15, between(9, 17))),
        mean_minutes=300,
        spread=0.5,
        days=WORKDAYS,
    ),
    "class-start": Shape(
        "five classes a day, and everybody of a class comes within a few minutes",
        tuple(Wave(0.2, around(hour, 2.5)) for hour in (8, 10, 12, 14, 16)),
        mean_minutes=90,
        spread=0.1,
        days=WORKDAYS,
    ),
    "shift-change": Shape(
        "three shifts around the clock, each beginning when the one before it ends",
        tuple(Wave(1 / 3, around(hour, 8)) for hour in (6, 14, 22)),
        mean_minutes=480,
        spread=0.05,
        days=EVERY_DAY,
    ),
    "launch-spike": Shape(
        "a quiet day until noon, when most of all come within minutes",
        (Wave(0.2, between(0, 24)), Wave(0.8, after(12, 10))),
        mean_minutes=45,
        spread=0.8,
        days=EVERY_DAY,
    ),
    "steady": Shape(
        "people come at any hour of the day and night alike",
        (Wave(1, between(0, 24)),),
        mean_minutes=60,
        spread=0.7,
        days=EVERY_DAY,
    ),
}


class ShapedDemand(Model):
    """Demand of one shape over some days. The same values and draws give the same sessions."""

    shape: str
    """One of `SHAPES`."""
    sessions_per_day: int = Field(ge=0)
    """On each of the days of the week that count; exactly so many."""
    first_day: date
    days: int = Field(ge=1)
    """Calendar days from the first on, those without anybody included."""
    timezone: ZoneName
    mean_minutes: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Mean length of a session; None: the shape's own."""
    weekdays: tuple[WeekdayName, ...] | None = None
    """None: the shape's own."""
    pool: str | None = None
    workspace: str | None = None

    @property
    def begin(self) -> datetime:
        """The midnight before the first day."""
        return self._midnight(0)

    @property
    def end(self) -> datetime:
        """The midnight after the last day."""
        return self._midnight(self.days)

    def sessions(self, draws: Draws) -> Iterator[DemandSession]:
        """Every session, in the order of their starts. Raises ValueError for an unknown shape."""
        shape = shape_named(self.shape)
        weekdays = set(shape.days if self.weekdays is None else self.weekdays)
        for number in range(self.days):
            if Weekday.on(self._wall_midnight(number)) in weekdays:
                yield from self._day(number, shape, draws)

    def _day(self, day: int, shape: Shape, draws: Draws) -> Iterator[DemandSession]:
        mean_seconds = 60 * (shape.mean_minutes if self.mean_minutes is None else self.mean_minutes)
        # Of a lognormal distribution the mean lies above the median by half the variance of the logarithm.
        median_seconds = mean_seconds * math.exp(-(shape.spread**2) / 2)
        purpose = f"demand/{self.shape}/{day}"
        sessions: list[_Timed] = []
        for number in range(self.sessions_per_day):
            which, when, length, _ = draws.uniforms(purpose, number)
            second = min(max(_wave(shape, which).arrival(when), 0), _LAST_SECOND)
            lasts = median_seconds * math.exp(shape.spread * _STANDARD.inv_cdf(length))
            sessions.append((second, number, max(_SHORTEST_SESSION_SECONDS, lasts)))
        sessions.sort(key=itemgetter(0, 1))
        midnight = self._midnight(day)
        if self._midnight(day + 1) - midnight == _ONE_DAY:
            for second, number, lasts in sessions:
                yield self._session(midnight + timedelta(seconds=second), number, lasts)
        else:
            for start, number, lasts in self._on_changing_clocks(day, sessions):
                yield self._session(start, number, lasts)

    def _session(self, start: datetime, number: int, lasts: float) -> DemandSession:
        return DemandSession(start, f"person-{number + 1}", lasts, self.pool, self.workspace)

    def _on_changing_clocks(self, day: int, sessions: list[_Timed]) -> list[tuple[datetime, int, float]]:
        """An hour that the clocks show twice is told in the order of its instants."""
        wall, zone = self._wall_midnight(day), zone_named(self.timezone)
        found = [
            (wall_to_utc(wall + timedelta(seconds=second), zone, occurrence="first"), number, lasts)
            for second, number, lasts in sessions
        ]
        return sorted(found, key=itemgetter(0))

    def _midnight(self, day: int) -> datetime:
        return wall_to_utc(self._wall_midnight(day), zone_named(self.timezone), occurrence="first")

    def _wall_midnight(self, day: int) -> datetime:
        return datetime.combine(self.first_day + timedelta(days=day), time(0))


def shape_named(name: str) -> Shape:
    """The shape. Raises ValueError with the names that there are."""
    if name not in SHAPES:
        raise ValueError(f"{name!r} is no shape of demand. The shapes are {', '.join(SHAPES)}.")
    return SHAPES[name]


def _wave(shape: Shape, quantile: float) -> Wave:
    below = 0.0
    for wave in shape.waves:
        below += wave.share
        if quantile < below:
            return wave
    return shape.waves[-1]
