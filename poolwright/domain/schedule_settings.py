"""What a person writes down for a schedule: its hours on the wall clock, and the targets that hold in them."""

from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from poolwright.domain.base import Model
from poolwright.domain.wall_clock import (
    MINUTES_PER_DAY,
    TimeOfDay,
    Weekday,
    WeekdayName,
    ZoneName,
    clock_text,
    is_end_of_day,
    parse_time_of_day,
    parse_weekday,
)

Count = Annotated[int, Field(ge=0)]


class ScheduleTargets(Model):
    """Numbers that hold while a schedule is active. A number left out leaves the autoscale config's own in force.

    Raises a validation error if a floor is above the ceiling, or if an hourly floor is below `total_floor` and so could
    never take effect.
    """

    minimum_available_sessions: Count | None = None
    """Free sessions to keep ready."""

    standby_cores: Annotated[float, Field(ge=0)] | None = None
    """Free CPU cores to keep ready on agents."""

    standby_gpus: Count | None = None
    """Free GPUs to keep ready on agents."""

    standby_memory_mib: Count | None = None
    """Free memory to keep ready on agents, in MiB."""

    total_floor: Count | None = None
    """Servers to have at least, busy or free."""

    total_ceiling: Count | None = None
    """Servers to have at most, busy or free."""

    hourly_floor: Mapping[str, Count] = Field(default_factory=dict)
    """A floor by local time of day, as `HH:MM: servers`. Each holds from its time on, until the next one's time or the
    end of the window; until the first one's time `total_floor` holds. A window of several days repeats them daily."""

    @field_validator("hourly_floor", mode="before")
    @classmethod
    def _read_clock_times(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        by_time: dict[str, Any] = {}
        for key, floor in value.items():
            text = clock_text(parse_time_of_day(key))
            if text in by_time:
                raise ValueError(f"{text} is given twice, the second time as {key!r}. Keep one of the two.")
            by_time[text] = floor
        return dict(sorted(by_time.items()))

    @model_validator(mode="after")
    def _floors_fit_under_the_ceiling(self) -> Self:
        floors = {"total_floor": self.total_floor or 0}
        floors |= {f"hourly_floor at {at}": floor for at, floor in self.hourly_floor.items()}
        for name, floor in floors.items():
            if self.total_ceiling is not None and floor > self.total_ceiling:
                raise ValueError(
                    f"{name} is {floor}, above total_ceiling, which is {self.total_ceiling}. "
                    "Lower the floor or raise the ceiling."
                )
            if floor < floors["total_floor"]:
                raise ValueError(
                    f"{name} is {floor}, below total_floor, which is {self.total_floor} for the whole window. "
                    "Lower total_floor, or leave this time out."
                )
        return self


class Schedule(Model):
    """When an autoscale config is active, week by week, on the wall clock of one time zone.

    Two forms. Weekly: on each of `days`, from `start` to `end`; if `end` is not after `start` the window ends on the
    next day, and still belongs to the day on which it starts; equal times make a full 24 hours. Multi-day: once a week,
    from `start` on `start_day` to the next `end` on `end_day`, over the end of the week if need be; equal days and
    times make a full week.

    An `end` of 24:00 is the end of that day. It is kept as 00:00 (of the following day, in the multi-day form), which
    is the same instant.

    Raises a validation error if the schedule names no day and so would never match, mixes the two forms, names an
    unknown time zone, or has an hourly floor outside of its window.
    """

    days: tuple[WeekdayName, ...] = ()
    """Weekly form: the days on which the window starts, as full or three-letter English names."""

    start_day: WeekdayName | None = None
    """Multi-day form: the day on which the window starts."""

    start: TimeOfDay
    """When the window starts, as HH:MM."""

    end_day: WeekdayName | None = None
    """Multi-day form: the day on which the window ends."""

    end: TimeOfDay
    """When the window ends, as HH:MM; this minute is no longer part of it. 24:00 is the end of the day."""

    timezone: ZoneName
    """The IANA time zone of all times and days here, such as Europe/Berlin."""

    name: str | None = None
    """What to call this schedule in explanations."""

    comment: str | None = None
    """A note for people; it has no effect."""

    targets: ScheduleTargets | None = None
    """Numbers that hold while this schedule is active, in place of the autoscale config's own."""

    @model_validator(mode="before")
    @classmethod
    def _end_of_day_is_the_next_midnight(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not is_end_of_day(data.get("end")):
            return data
        if data.get("end_day") is None:
            return {**data, "end": time(0)}
        return {**data, "end": time(0), "end_day": parse_weekday(data["end_day"]).following}

    @field_validator("days")
    @classmethod
    def _in_the_order_of_the_week(cls, days: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
        return tuple(weekday for weekday in Weekday if weekday in days)

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if self.days and (self.start_day or self.end_day):
            raise ValueError("days stands beside start_day or end_day. Keep days, or both start_day and end_day.")
        if bool(self.start_day) != bool(self.end_day):
            raise ValueError("Only one of start_day and end_day is given. Give both, or give days instead.")
        if not self.days and not self.start_day:
            raise ValueError(
                "No day is named, so this schedule would never match. "
                "Give days, such as [monday, tuesday], or start_day and end_day."
            )
        return self

    @model_validator(mode="after")
    def _hourly_floors_lie_in_the_window(self) -> Self:
        for at in self.targets.hourly_floor if self.targets else ():
            after_start = (_minute(time.fromisoformat(at)) - _minute(self.start)) % MINUTES_PER_DAY
            if timedelta(minutes=after_start) >= self.wall_length:
                raise ValueError(
                    f"hourly_floor has an entry at {at}, which is outside of the window {self.description}. "
                    "Move the entry into the window, or leave it out."
                )
        return self

    @property
    def start_days(self) -> tuple[Weekday, ...]:
        """The weekdays on which a window starts, Monday first."""
        return (self.start_day,) if self.start_day else self.days

    @property
    def midnights_crossed(self) -> int:
        """How many days after its start day a window ends: 0 or 1 in the weekly form, 0 to 7 in the multi-day form."""
        wraps = self.end <= self.start
        if self.start_day and self.end_day:
            days = (self.end_day.number - self.start_day.number) % 7
            return 7 if days == 0 and wraps else days
        return int(wraps)

    @property
    def wall_length(self) -> timedelta:
        """How long a window is on the wall clock, which is its real length unless clocks change in it."""
        return timedelta(days=self.midnights_crossed, minutes=_minute(self.end) - _minute(self.start))

    @property
    def description(self) -> str:
        """The schedule's hours in words: `Monday to Friday 08:00 to 18:00 Europe/Berlin`."""
        start, end = clock_text(self.start), clock_text(self.end)
        if self.start_day and self.end_day:
            hours = f"{self.start_day.capitalize()} {start} to {self.end_day.capitalize()} {end}"
            return f"{hours} {self.timezone}" + (" (a full week)" if self.wall_length == timedelta(days=7) else "")
        if self.start == self.end:
            return f"{_days_text(self.days)} {start} for 24 hours {self.timezone}"
        next_day = " the next day" if self.midnights_crossed and self.end != time(0) else ""
        until = "24:00" if self.end == time(0) else end
        return f"{_days_text(self.days)} {start} to {until}{next_day} {self.timezone}"


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


def _days_text(days: Sequence[Weekday]) -> str:
    if len(days) == 7:
        return "every day"
    names = [day.capitalize() for day in days]
    if len(days) > 2 and days[-1].number - days[0].number == len(days) - 1:
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)
