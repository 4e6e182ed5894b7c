"""Schedules: whether an autoscale config is active at a moment, why, until when, and with which targets.

A window begins at its start and is over at its end: the end is exclusive. Both are times on the wall clock of the
schedule's zone. On the days when clocks change, these rules hold:

- A start or an end that the clocks skip moves to the first instant after the gap. A window that lies wholly in the gap
  does not take place that day.
- Of a start that the clocks show twice the first occurrence counts, of an end the second. A window is thus never
  shorter than what the wall clock shows. If two windows of one schedule would overlap by this rule, the later one
  begins where the earlier one ends.
- The length of a window in real time may differ from its length on the wall clock by the size of the change.

All instants that come out of this module are in UTC, except where a name says `local`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import combinations, groupby, pairwise, takewhile

from poolwright.domain.base import Model
from poolwright.domain.schedule_settings import Schedule, ScheduleTargets
from poolwright.domain.schedule_timeline import Moment, TargetNumber, Window, moments_from, windows
from poolwright.domain.wall_clock import (
    Weekday,
    clock_changes,
    fixed_local,
    in_utc,
    moment_text,
    wall_to_utc,
    zone_named,
)

__all__ = [
    "LOOK_AHEAD",
    "PreviewRow",
    "Schedule",
    "ScheduleState",
    "ScheduleTargets",
    "Weekday",
    "Window",
    "active_at",
    "check_schedules",
    "preview",
    "windows",
]

LOOK_AHEAD = timedelta(days=8)
"""How far `active_at` looks for the next change: a week, and a day for the clocks that change in it."""

_ONE_DAY = timedelta(days=1)

# How far apart two zones are differs over the year, also in the weeks when only one of them has changed its clocks.
_SAMPLE_WEEKS = tuple(datetime(2026, month, day, tzinfo=UTC) for month, day in ((1, 12), (3, 16), (7, 13), (10, 26)))


class ScheduleState(Model):
    """Whether a set of schedules is active at one moment, why, and until when."""

    active: bool
    """True if at least one schedule matches, or if there is none."""

    reason: str
    """One or more sentences for people: which schedule decides, until when, and where each target comes from."""

    matched: int | None = None
    """Position of the first schedule that matches, counted from 0; None if none does."""

    targets: ScheduleTargets = ScheduleTargets()
    """The numbers in force now, hourly floors already folded into `total_floor`. Empty while inactive."""

    next_change: datetime | None = None
    """When `active` or `targets` change next, in UTC; None if they do not within `LOOK_AHEAD`."""


_ALWAYS_ACTIVE = ScheduleState(active=True, reason="No schedule is set, so this is always active.")


def active_at(schedules: Sequence[Schedule], now: datetime) -> ScheduleState:
    """The state of the schedules at the given moment. Raises ValueError if `now` has no time zone.

    With no schedules, always active. With several, active if any matches. If several match at once, their targets
    combine: each floor and standby number is the highest that any of them sets, the ceiling is the lowest. A floor that
    ends up above the ceiling is lowered to it, as a ceiling is a promise.
    """
    moment = in_utc(now, "now")
    if not schedules:
        return _ALWAYS_ACTIVE
    moments = moments_from(schedules, moment)
    current = next(moments)
    nearby = takewhile(lambda later: later.at <= moment + LOOK_AHEAD, moments)
    change = next((later for later in nearby if later.state() != current.state()), None)
    return ScheduleState(
        active=current.active,
        reason=_reason(schedules, current, change),
        matched=current.matching[0] if current.active else None,
        targets=current.targets,
        next_change=change.at if change else None,
    )


def _reason(schedules: Sequence[Schedule], current: Moment, change: Moment | None) -> str:
    if not current.active:
        if change is None:
            return f"No schedule matches, and no window opens in the next {LOOK_AHEAD.days} days."
        opening = schedules[change.matching[0]]
        when = moment_text(change.at, zone_named(opening.timezone))
        return f"No schedule matches. The next window opens on {when}, by {_label(schedules, change.matching[0])}."
    first = schedules[current.matching[0]]
    others = f" and {len(current.matching) - 1} more match" if len(current.matching) > 1 else " matches"
    until = _until(change, first) if change else f"nothing changes in the next {LOOK_AHEAD.days} days"
    label = _sentence_start(_label(schedules, current.matching[0]))
    return f"{label} ({first.description}){others}; {until}." + _targets_text(schedules, current.numbers)


def _until(change: Moment, schedule: Schedule) -> str:
    when = moment_text(change.at, zone_named(schedule.timezone))
    return f"the targets change on {when}" if change.active else f"the window closes on {when}"


def _targets_text(schedules: Sequence[Schedule], numbers: Mapping[str, TargetNumber]) -> str:
    parts = []
    for target, number in numbers.items():
        source = _label(schedules, number.schedule)
        if number.cut_from:
            cut = f"{number.cut_from.value} from {_label(schedules, number.cut_from.schedule)}"
            parts.append(f"{target} {number.value} (cut down from {cut}, by the ceiling of {source})")
        else:
            parts.append(f"{target} {number.value} (from {source})")
    return f" Targets: {', '.join(parts)}." if parts else ""


def _label(schedules: Sequence[Schedule], index: int) -> str:
    name = schedules[index].name
    if name:
        return f"schedule {name!r}"
    return f"schedule {index + 1} of {len(schedules)}" if len(schedules) > 1 else "the schedule"


def _sentence_start(text: str) -> str:
    return text[0].upper() + text[1:]


class PreviewRow(Model):
    """One stretch of active time with the same targets all along, made for people to read."""

    start_utc: datetime
    """When it begins."""

    end_utc: datetime
    """When it is over; this instant is no longer part of it."""

    start_local: datetime
    """The same beginning on the clocks of `timezone`, with the UTC offset of that moment."""

    end_local: datetime
    """The same end on the clocks of `timezone`, with the UTC offset of that moment."""

    timezone: str
    """The zone of the first schedule that matches."""

    length: timedelta
    """Real time from beginning to end."""

    matched: tuple[int, ...]
    """Positions, counted from 0, of the schedules that match at some time in it."""

    targets: ScheduleTargets
    """The numbers in force."""

    note: str
    """What is special: clocks that change on one of its days, or that it is cut off. Empty on ordinary days."""


def preview(schedules: Sequence[Schedule], now: datetime, days: int = 14) -> tuple[PreviewRow, ...]:
    """The active time of the given number of days (of 24 hours) from `now` on, cut to it, in order.

    Windows that touch or overlap make one row for as long as the targets stay the same. With no schedules there is one
    row for all of it. Raises ValueError if `now` has no time zone or `days` is below 1.
    """
    start = in_utc(now, "now")
    if days < 1:
        raise ValueError(f"days is {days}. Ask for at least one day.")
    end = start + timedelta(days=days)
    if not schedules:
        return (_row(schedules, Window(start, end), (), ScheduleTargets(), ["No schedule is set: always active."]),)
    moments = takewhile(lambda moment: moment.at < end, moments_from(schedules, start))
    stretches = [list(group) for _, group in groupby(moments, key=Moment.state)]
    cuts = [*(stretch[0].at for stretch in stretches), end]
    rows = []
    for stretch, window in zip(stretches, (Window(*cut) for cut in pairwise(cuts)), strict=True):
        if not stretch[0].active:
            continue
        notes = []
        if window.start_utc == start and _active(schedules, start - timedelta(seconds=1)):
            notes.append("Under way before the preview begins.")
        if window.end_utc == end and _active(schedules, end):
            notes.append("Goes on after the preview ends.")
        matched = tuple(dict.fromkeys(index for moment in stretch for index in moment.matching))
        rows.append(_row(schedules, window, matched, stretch[0].targets, notes))
    return tuple(rows)


def _active(schedules: Sequence[Schedule], at: datetime) -> bool:
    return next(moments_from(schedules, at)).active


def _row(
    schedules: Sequence[Schedule],
    window: Window,
    matched: tuple[int, ...],
    targets: ScheduleTargets,
    notes: list[str],
) -> PreviewRow:
    zone_names = list(dict.fromkeys(schedules[index].timezone for index in matched)) or ["UTC"]
    zone = zone_named(zone_names[0])
    changes = [text for name in zone_names for text in _clock_change_texts(window, name)]
    return PreviewRow(
        start_utc=window.start_utc,
        end_utc=window.end_utc,
        start_local=fixed_local(window.start_utc, zone),
        end_local=fixed_local(window.end_utc, zone),
        timezone=zone_names[0],
        length=window.end_utc - window.start_utc,
        matched=matched,
        targets=targets,
        note=" ".join([*notes, *changes]),
    )


def _clock_change_texts(window: Window, zone_name: str) -> Iterator[str]:
    """A sentence for each change of the zone's clocks on any local day that the window touches."""
    zone, instant = zone_named(zone_name), timedelta(seconds=1)
    first_day = window.start_utc.astimezone(zone).date()
    day_after = (window.end_utc - instant).astimezone(zone).date() + _ONE_DAY
    # The change may be at midnight itself, so look from just before the first midnight to just before the last.
    begin = wall_to_utc(datetime.combine(first_day, time(0)), zone, occurrence="first") - instant
    finish = wall_to_utc(datetime.combine(day_after, time(0)), zone, occurrence="second") - instant
    return (change.sentence(zone_name) for change in clock_changes(zone, begin, finish))


def check_schedules(schedules: Sequence[Schedule]) -> tuple[str, ...]:
    """What is wrong in how the schedules stand together, each with its way out; empty if nothing is.

    Looks for schedules that repeat each other, names given twice, and floors of one schedule above the ceiling of
    another that matches at the same time. What can be wrong with one schedule alone, its construction refuses.
    """
    return (*_repetitions(schedules), *_contradictions(schedules))


def _repetitions(schedules: Sequence[Schedule]) -> Iterator[str]:
    for (first, one), (second, other) in combinations(enumerate(schedules, start=1), 2):
        if one.name is not None and one.name == other.name:
            yield f"Schedules {first} and {second} are both named {one.name!r}. Rename one to tell them apart."
        unnamed = {"name": None, "comment": None}
        if one.model_copy(update=unnamed) == other.model_copy(update=unnamed):
            yield f"Schedule {second} repeats schedule {first} ({one.description}). Remove one of them."


def _contradictions(schedules: Sequence[Schedule]) -> Iterator[str]:
    reported: set[tuple[int, int]] = set()
    for moment in _sample_moments(schedules) if schedules else ():
        number = moment.numbers.get("total_floor")
        floor = number.cut_from if number else None
        if number is None or floor is None or (floor.schedule, number.schedule) in reported:
            continue
        reported.add((floor.schedule, number.schedule))
        when = moment_text(moment.at, zone_named(schedules[floor.schedule].timezone))
        yield (
            f"{_sentence_start(_label(schedules, floor.schedule))} sets a floor of {floor.value} servers while "
            f"{_label(schedules, number.schedule)} sets total_ceiling to {number.value}, and both match at once, "
            f"for example on {when}. Lower the floor, raise the ceiling or move the hours apart."
        )


def _sample_moments(schedules: Sequence[Schedule]) -> Iterator[Moment]:
    for week in _SAMPLE_WEEKS:
        for moment in moments_from(schedules, week):
            if moment.at >= week + timedelta(days=7):
                break
            yield moment
