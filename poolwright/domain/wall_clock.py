"""Wall clocks: weekdays, times of day and IANA time zones, and how a local time becomes an instant.

All times of day are whole minutes. All instants are timezone-aware and in UTC. Each function here is pure: the same
arguments give the same answer for as long as the time zone database stays the same.
"""

import difflib
import re
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, timezone
from enum import StrEnum
from functools import cache, lru_cache
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

MINUTES_PER_DAY = 24 * 60

_CLOCK_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::00)?")
_NOT_FOR_CONFIGS = frozenset({"localtime", "Factory"})  # their meaning hangs on the machine, or they mean "unset"


class Weekday(StrEnum):
    """A day of the week by its English name."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"

    @property
    def number(self) -> int:
        """0 for Monday to 6 for Sunday, as `datetime.date.weekday` counts."""
        return _NUMBERS[self]

    @property
    def following(self) -> "Weekday":
        """The day after this one; Monday follows Sunday."""
        return _WEEKDAYS[(self.number + 1) % 7]

    @classmethod
    def on(cls, moment: datetime) -> "Weekday":
        """The weekday that the given date falls on, in the time zone that it is given in."""
        return _WEEKDAYS[moment.weekday()]


_WEEKDAYS = tuple(Weekday)
_NUMBERS = {weekday: number for number, weekday in enumerate(_WEEKDAYS)}


def parse_weekday(value: object) -> Weekday:
    """Read a weekday from its full or three-letter English name, in any case. Raises ValueError on all else."""
    wanted = value.strip().lower() if isinstance(value, str) else ""
    for weekday in _WEEKDAYS:
        if wanted in (weekday.value, weekday.value[:3]):
            return weekday
    raise ValueError(f"{value!r} is not a weekday. Write the English name or its first three letters: monday or mon.")


def minutes_of_day(value: object) -> int:
    """Minutes from midnight to a clock time, 0 to 1440, where 1440 is 24:00, the end of the day.

    Takes `HH:MM` (seconds may follow, if they are :00), a `time`, or a number of minutes since midnight. The number is
    what YAML 1.1 makes of an unquoted clock time that does not begin with 0: it reads 9:00 as 540 and 17:30 as 1050.
    Raises ValueError on anything else, on seconds and on a time that carries a UTC offset.
    """
    minutes = _minutes(value)
    if minutes is None or not 0 <= minutes <= MINUTES_PER_DAY:
        raise ValueError(f'{value!r} is not a time of day. Write it as HH:MM in quotes, from "00:00" to "24:00".')
    return minutes


def _minutes(value: object) -> int | None:
    if isinstance(value, time):
        if value.tzinfo is not None:
            raise ValueError(
                f"{value} carries a UTC offset. Leave it out: the key timezone says where the clock hangs."
            )
        return None if value.second or value.microsecond else value.hour * 60 + value.minute
    if isinstance(value, str):
        match = _CLOCK_TIME.fullmatch(value.strip())
        if match is None or int(match[2]) > 59:
            return None
        return int(match[1]) * 60 + int(match[2])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def parse_time_of_day(value: object) -> time:
    """Read a time of day before 24:00; see `minutes_of_day` for what is accepted. Raises ValueError on all else."""
    minutes = minutes_of_day(value)
    if minutes == MINUTES_PER_DAY:
        raise ValueError('24:00 is the end of a day and can only be used for the key end. Write "00:00" here.')
    return time(minutes // 60, minutes % 60)


def is_end_of_day(value: object) -> bool:
    """Whether the value is a way to write 24:00. False, not an error, for what is no time of day at all."""
    try:
        return minutes_of_day(value) == MINUTES_PER_DAY
    except ValueError:
        return False


def clock_text(value: time) -> str:
    """The time of day as HH:MM."""
    return value.isoformat(timespec="minutes")


@cache
def zone_named(name: str) -> zoneinfo.ZoneInfo:
    """The IANA time zone of that exact name. Raises ValueError with the closest names if there is none."""
    if name not in _zone_names():
        raise ValueError(f"{name!r} is not the name of an IANA time zone. {_closest_zones(name)}")
    return zoneinfo.ZoneInfo(name)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones() - _NOT_FOR_CONFIGS)


def _closest_zones(wrong: str) -> str:
    # People know their city better than its continent, so a bare city is compared with the last part of each name.
    spellings: dict[str, str] = {}
    for name in sorted(_zone_names(), reverse=True):
        spellings[name.rpartition("/")[2].lower()] = name
    spellings |= {name.lower(): name for name in _zone_names()}
    wanted = wrong.strip().lower().replace(" ", "_")
    if wanted in spellings:
        return f"Did you mean {spellings[wanted]}?"
    close = difflib.get_close_matches(wanted, sorted(spellings), n=5, cutoff=0.75)
    names = list(dict.fromkeys(spellings[spelling] for spelling in close))[:3]
    return f"Did you mean {' or '.join(names)}?" if names else "Write a name such as Europe/Berlin or UTC."


def _known_zone(name: str) -> str:
    zone_named(name)
    return name


WeekdayName = Annotated[Weekday, BeforeValidator(parse_weekday)]
"""A weekday in a model: full or three-letter name, any case."""

TimeOfDay = Annotated[
    time,
    BeforeValidator(parse_time_of_day),
    PlainSerializer(clock_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}:\d{2}(:00)?$", "examples": ["09:00"]}),
]
"""A time of day in a model, to the minute, without a time zone of its own; written as HH:MM."""

ZoneName = Annotated[str, AfterValidator(_known_zone)]
"""The exact name of an IANA time zone in a model."""


def in_utc(moment: datetime, name: str) -> datetime:
    """The same instant in UTC. `name` is the argument's name, for the ValueError on a moment without a time zone."""
    if moment.utcoffset() is None:
        raise ValueError(f"{name} is {moment.isoformat()}, which has no time zone. Pass a timezone-aware datetime.")
    return moment.astimezone(UTC)


@lru_cache(maxsize=16_384)
def wall_to_utc(wall: datetime, zone: zoneinfo.ZoneInfo, *, occurrence: Literal["first", "second"]) -> datetime:
    """The instant at which clocks in the zone show `wall` (a datetime without a time zone).

    A time that the clocks skip becomes the first instant after the gap. Of a time that they show twice, `occurrence`
    says which one is meant.
    """
    # Cached because all configs of a site ask for the same few hours of the same few days, round after round.
    local = wall.replace(tzinfo=zone)
    offset_first, offset_second = _offset(local), _offset(local.replace(fold=1))
    if offset_first < offset_second:
        # In a gap the two offsets are those before and after it, and so bracket the moment of the change.
        return _first_change(
            (wall - offset_second).replace(tzinfo=UTC), (wall - offset_first).replace(tzinfo=UTC), zone
        )
    offset = offset_first if occurrence == "first" else offset_second
    return (wall - offset).replace(tzinfo=UTC, fold=0)


class ClockChange(NamedTuple):
    """One change of a zone's UTC offset, and what the clocks show on both sides of it."""

    at_utc: datetime
    wall_before: datetime
    wall_after: datetime

    def sentence(self, zone_name: str) -> str:
        """What happens on that day, in words."""
        step = self.wall_after - self.wall_before
        way = "forward" if step > timedelta(0) else "back"
        day = f"{Weekday.on(self.wall_before).capitalize()} {self.wall_before.date()}"
        same_day = self.wall_before.date() == self.wall_after.date()
        new_day = "" if same_day else f"{Weekday.on(self.wall_after).capitalize()} {self.wall_after.date()} "
        return (
            f"Clocks in {zone_name} go {way} by {length_text(abs(step))} on {day}, "
            f"from {clock_text(self.wall_before.time())} to {new_day}{clock_text(self.wall_after.time())}."
        )


def clock_changes(zone: zoneinfo.ZoneInfo, start: datetime, end: datetime) -> Iterator[ClockChange]:
    """Each change of the zone's UTC offset after `start` and up to `end` (both in UTC), in order."""
    while start < end:
        step = min(start + timedelta(days=1), end)
        before, after = _offset(start.astimezone(zone)), _offset(step.astimezone(zone))
        if before != after:
            change = _first_change(start, step, zone)
            wall = change.replace(tzinfo=None)
            yield ClockChange(change, wall + before, wall + after)
        start = step


def _first_change(before: datetime, after: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """The first whole second, after `before` and not after `after`, that has another offset than `before`."""
    old = _offset(before.astimezone(zone))
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset((before + timedelta(seconds=middle)).astimezone(zone)) == old:
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


def _offset(local: datetime) -> timedelta:
    offset = local.utcoffset()
    assert offset is not None, "a datetime in an IANA zone always has an offset"
    return offset


def length_text(length: timedelta) -> str:
    """A length as days, hours and minutes: `1 d 2 h 30 min`."""
    minutes = int(length.total_seconds()) // 60
    parts = ((minutes // MINUTES_PER_DAY, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 min"


def moment_text(moment: datetime, zone: zoneinfo.ZoneInfo) -> str:
    """A moment on the zone's clocks with its UTC offset: `Monday 2026-03-30 08:00+02:00`."""
    local = moment.astimezone(zone)
    return f"{Weekday.on(local).capitalize()} {local.isoformat(sep=' ', timespec='minutes')}"


def fixed_local(moment: datetime, zone: zoneinfo.ZoneInfo) -> datetime:
    """The moment on the zone's clocks, with the UTC offset of that moment fixed to it.

    Unlike a datetime that carries the zone itself, it compares equal to the same instant in UTC even in an hour that
    the clocks show twice.
    """
    local = moment.astimezone(zone)
    return local.replace(tzinfo=timezone(_offset(local)), fold=0)
