"""The windows of schedules as instants, and what several schedules add up to from one instant to the next.

The rules for days on which clocks change stand in the docstring of `poolwright.domain.schedules`.
All instants are in UTC. The iterators here have no end: take from them what the time in question needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, takewhile
from typing import NamedTuple

from poolwright.domain.schedule_settings import Schedule, ScheduleTargets
from poolwright.domain.wall_clock import in_utc, wall_to_utc, zone_named

_ONE_DAY = timedelta(days=1)


class Window(NamedTuple):
    """One stretch of active time, from `start_utc` up to but not including `end_utc`."""

    start_utc: datetime
    end_utc: datetime


def windows(schedule: Schedule, start: datetime, end: datetime) -> Iterator[Window]:
    """The windows of the schedule that overlap the time from `start` to `end`, in order and whole, not cut to it.

    They never overlap each other, but may touch. Raises ValueError at once if `start` or `end` has no time zone.
    """
    start_utc, end_utc = in_utc(start, "start"), in_utc(end, "end")
    found = (occurrence.window for occurrence in _occurrences(schedule, start_utc))
    return takewhile(lambda window: window.start_utc < end_utc, found)


class _Occurrence(NamedTuple):
    first_day: date
    window: Window


def _occurrences(schedule: Schedule, after: datetime) -> Iterator[_Occurrence]:
    """The windows that end after the given instant, in order, without end."""
    zone, crossed = zone_named(schedule.timezone), timedelta(days=schedule.midnights_crossed)
    weekdays = {day.number for day in schedule.start_days}
    # One window earlier than could matter, as a window may be pushed back by the one before it; and a day to spare
    # for zones whose clocks go back over midnight.
    first = after.astimezone(zone).date() - 2 * crossed - 2 * _ONE_DAY
    previous_end = datetime.min.replace(tzinfo=UTC)
    for ordinal in count(first.toordinal()):
        day = date.fromordinal(ordinal)
        if day.weekday() not in weekdays:
            continue
        start = wall_to_utc(datetime.combine(day, schedule.start), zone, occurrence="first")
        end = wall_to_utc(datetime.combine(day + crossed, schedule.end), zone, occurrence="second")
        window = Window(max(start, previous_end), end)
        previous_end = end
        if window.start_utc < end and after < end:
            yield _Occurrence(day, window)


class TargetNumber(NamedTuple):
    """One target with the schedule that sets it and, if a ceiling cut it down, the number that it cut down."""

    value: float
    schedule: int
    cut_from: "TargetNumber | None" = None


class _Piece(NamedTuple):
    """A stretch of time in which one schedule matches with the same numbers all along."""

    start_utc: datetime
    end_utc: datetime
    numbers: Mapping[str, float]


class Moment(NamedTuple):
    """What holds from one instant on, up to the next moment."""

    at: datetime
    matching: tuple[int, ...]
    numbers: Mapping[str, TargetNumber]

    @property
    def active(self) -> bool:
        """Whether any schedule matches."""
        return bool(self.matching)

    @property
    def targets(self) -> ScheduleTargets:
        """The numbers in force, as a model."""
        return ScheduleTargets.model_validate(self.state()[1])

    def state(self) -> tuple[bool, dict[str, float]]:
        """What a change is told by: equal states mean that nothing has changed."""
        return self.active, {target: number.value for target, number in self.numbers.items()}


def moments_from(schedules: Sequence[Schedule], start: datetime) -> Iterator[Moment]:
    """What holds at `start`, then at each instant at which a window or an hourly floor begins or ends, without end."""
    upcoming = [_pieces(schedule, start) for schedule in schedules]
    heads = [next(pieces) for pieces in upcoming]
    at = start
    while True:
        matching = tuple(index for index, head in enumerate(heads) if head.start_utc <= at)
        yield Moment(at, matching, _combined({index: heads[index].numbers for index in matching}))
        at = min(head.end_utc if head.start_utc <= at else head.start_utc for head in heads)
        heads = [next(upcoming[index]) if head.end_utc <= at else head for index, head in enumerate(heads)]


def _pieces(schedule: Schedule, after: datetime) -> Iterator[_Piece]:
    """The schedule's windows that end after the given instant, cut where an hourly floor sets in."""
    own = schedule.targets.model_dump(exclude_none=True, exclude={"hourly_floor"}) if schedule.targets else {}
    for occurrence in _occurrences(schedule, after):
        begin, end, numbers = *occurrence.window, own
        for at, floor in _hourly_floors(schedule, occurrence, after):
            # A window that was pushed back may begin after its first entries, which then hold from its beginning.
            cut = max(at, begin)
            if begin < cut and after < cut:
                yield _Piece(begin, cut, numbers)
            begin, numbers = cut, own | {"total_floor": floor}
        if begin < end:
            yield _Piece(begin, end, numbers)


def _hourly_floors(schedule: Schedule, occurrence: _Occurrence, after: datetime) -> Iterator[tuple[datetime, int]]:
    """The instants in the window at which hourly floors set in, but of past days only as many as still have effect."""
    if schedule.targets is None or not schedule.targets.hourly_floor:
        return
    zone = zone_named(schedule.timezone)
    floors = [(time.fromisoformat(at), floor) for at, floor in schedule.targets.hourly_floor.items()]
    opening = datetime.combine(occurrence.first_day, schedule.start)
    closing = opening + schedule.wall_length
    day = max(occurrence.first_day, after.astimezone(zone).date() - 2 * _ONE_DAY)
    while day <= closing.date():
        for at, floor in floors:
            wall = datetime.combine(day, at)
            if opening <= wall < closing:
                yield wall_to_utc(wall, zone, occurrence="first"), floor
        day += _ONE_DAY


def _combined(numbers_by_schedule: Mapping[int, Mapping[str, float]]) -> dict[str, TargetNumber]:
    combined: dict[str, TargetNumber] = {}
    for index, numbers in numbers_by_schedule.items():
        for target, value in numbers.items():
            held = combined.get(target)
            wins = held is None or (value < held.value if target == "total_ceiling" else value > held.value)
            if wins:
                combined[target] = TargetNumber(value, index)
    floor, ceiling = combined.get("total_floor"), combined.get("total_ceiling")
    if floor and ceiling and floor.value > ceiling.value:
        combined["total_floor"] = TargetNumber(ceiling.value, ceiling.schedule, cut_from=floor)
    return combined
