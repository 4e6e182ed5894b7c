"""Schedules against what the wall clock shows, for any schedule, in zones whose clocks change in all kinds of ways."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolwright.domain.schedules import (
    LOOK_AHEAD,
    Schedule,
    ScheduleState,
    ScheduleTargets,
    Weekday,
    active_at,
    preview,
    windows,
)

pytestmark = pytest.mark.slow

FEW = settings(max_examples=60)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
WEEK_MINUTES = 7 * 24 * 60

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",  # at midnight
    "Asia/Beirut",  # over midnight, into the day before
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Casablanca",  # for Ramadan
    "Asia/Kolkata",  # never
    "UTC",
]

# Days around the changes of the zones above, where all that is hard happens.
NEAR_CHANGES = [
    datetime(2026, month, day, tzinfo=UTC)
    for month, day in [(2, 15), (3, 8), (3, 22), (3, 29), (4, 5), (10, 4), (10, 25), (11, 1), (7, 15)]
]

moments = st.builds(
    lambda near, minutes: near + minutes * MINUTE, st.sampled_from(NEAR_CHANGES), st.integers(-3 * 1440, 3 * 1440)
)
clock_times = st.one_of(st.integers(0, 4 * 60), st.integers(22 * 60, 1439), st.integers(0, 1439)).map(
    lambda minute: time(minute // 60, minute % 60)
)
weekdays = st.sampled_from(list(Weekday))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    hours = Schedule(
        **draw(
            st.one_of(
                st.fixed_dictionaries({"days": st.sets(weekdays, min_size=1).map(tuple)}),
                st.fixed_dictionaries({"start_day": weekdays, "end_day": weekdays}),
            )
        ),
        start=draw(clock_times),
        end=draw(clock_times),
        timezone=draw(st.sampled_from(ZONES)),
    )
    floor, room, ceiling = draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.none() | st.integers(6, 9))
    length = int(hours.wall_length / MINUTE)
    entries = draw(st.dictionaries(st.integers(0, length - 1), st.integers(floor, floor + room), max_size=3))
    hourly = {clock_after(hours.start, offset): value for offset, value in entries.items()}
    targets = ScheduleTargets(total_floor=floor, total_ceiling=ceiling, hourly_floor=hourly)
    return Schedule.model_validate(hours.model_dump() | {"targets": draw(st.sampled_from([None, targets]))})


def clock_after(start: time, minutes: int) -> str:
    total = (start.hour * 60 + start.minute + minutes) % 1440
    return f"{total // 60:02}:{total % 60:02}"


def minute_of_week(wall: datetime) -> int:
    return wall.weekday() * 1440 + wall.hour * 60 + wall.minute


def minutes_into_window(schedule: Schedule, wall: datetime) -> int | None:
    """How long ago, by the wall clock alone, the window began that holds `wall`; None if no window holds it."""
    into = [
        (minute_of_week(wall) - day.number * 1440 - schedule.start.hour * 60 - schedule.start.minute) % WEEK_MINUTES
        for day in schedule.start_days
    ]
    return min((minutes for minutes in into if minutes * MINUTE < schedule.wall_length), default=None)


def floor_by_the_wall(schedule: Schedule, wall: datetime, into: int) -> int | None:
    assert schedule.targets is not None
    for back in range(min(into, 1439) + 1):
        floor = schedule.targets.hourly_floor.get((wall - back * MINUTE).strftime("%H:%M"))
        if floor is not None:
            return floor
    return schedule.targets.total_floor


def shown_twice(wall: datetime) -> bool:
    return wall.replace(fold=0).utcoffset() != wall.replace(fold=1).utcoffset()


class TestAgainstTheWallClock:
    @given(schedules(), moments)
    @FEW
    def test_active_is_what_the_wall_clock_shows_unless_it_shows_it_twice(
        self, schedule: Schedule, now: datetime
    ) -> None:
        wall = now.astimezone(ZoneInfo(schedule.timezone))
        shown, active = minutes_into_window(schedule, wall) is not None, active_at([schedule], now).active
        if shown_twice(wall):
            assert active or not shown, "a window is never shorter than what the wall clock shows"
        else:
            assert active == shown

    @given(schedules().filter(lambda schedule: schedule.targets is not None), moments)
    @FEW
    def test_the_floor_is_that_of_the_last_entry_that_the_wall_clock_has_passed(
        self, schedule: Schedule, now: datetime
    ) -> None:
        wall = now.astimezone(ZoneInfo(schedule.timezone))
        into = minutes_into_window(schedule, wall)
        if into is not None and not shown_twice(wall):
            assert active_at([schedule], now).targets.total_floor == floor_by_the_wall(schedule, wall, into)


class TestWindows:
    @given(schedules(), moments)
    @FEW
    def test_active_is_membership_in_a_window(self, schedule: Schedule, now: datetime) -> None:
        around = windows(schedule, now - 10 * DAY, now + 10 * DAY)
        active = active_at([schedule], now).active
        assert active == any(window.start_utc <= now < window.end_utc for window in around)
        assert active == bool(list(windows(schedule, now, now + timedelta(microseconds=1))))

    @given(schedules(), moments)
    @FEW
    def test_windows_are_in_order_and_never_empty_and_never_overlap(self, schedule: Schedule, start: datetime) -> None:
        found = list(windows(schedule, start, start + 30 * DAY))
        assert all(window.start_utc < window.end_utc for window in found)
        assert all(earlier.end_utc <= later.start_utc for earlier, later in pairwise(found))

    @given(schedules(), moments, st.integers(0, 20 * 1440))
    @FEW
    def test_a_window_is_the_same_whichever_range_finds_it(
        self, schedule: Schedule, start: datetime, minutes: int
    ) -> None:
        end = start + minutes * MINUTE
        wide = windows(schedule, start - 30 * DAY, end + 30 * DAY)
        overlapping = [window for window in wide if window.start_utc < end and window.end_utc > start]
        assert list(windows(schedule, start, end)) == overlapping


several = st.lists(schedules(), min_size=1, max_size=4)


class TestNextChange:
    @given(several, moments, st.data())
    @FEW
    def test_the_state_changes_then_and_not_before(
        self, together: Sequence[Schedule], now: datetime, data: st.DataObject
    ) -> None:
        state = active_at(together, now)
        end = state.next_change or now + LOOK_AHEAD
        assert now < end <= now + LOOK_AHEAD
        minutes = int((end - now) / MINUTE)
        samples = data.draw(st.lists(st.integers(0, max(minutes - 1, 0)), max_size=20))
        for at in (now + sample * MINUTE for sample in [*samples, max(minutes - 1, 0)]):
            assert same(active_at(together, at), state)
        if state.next_change:
            assert not same(active_at(together, state.next_change), state)
            assert same(active_at(together, state.next_change - timedelta(microseconds=1)), state)

    @given(several, moments)
    @FEW
    def test_matched_is_the_first_schedule_that_matches_alone(
        self, together: Sequence[Schedule], now: datetime
    ) -> None:
        alone = [index for index, schedule in enumerate(together) if active_at([schedule], now).active]
        state = active_at(together, now)
        assert (state.active, state.matched) == (bool(alone), alone[0] if alone else None)


def same(one: ScheduleState, other: ScheduleState) -> bool:
    return (one.active, one.targets) == (other.active, other.targets)


class TestPreview:
    @given(several, moments, st.lists(st.integers(0, 14 * 1440 - 1), max_size=20))
    @FEW
    def test_it_covers_precisely_the_active_time_of_its_14_days(
        self, together: Sequence[Schedule], now: datetime, minutes: list[int]
    ) -> None:
        rows, end = preview(together, now), now + 14 * DAY
        assert all(now <= row.start_utc < row.end_utc <= end for row in rows)
        assert all(earlier.end_utc <= later.start_utc for earlier, later in pairwise(rows))
        edges = [edge for row in rows for edge in (row.start_utc, row.end_utc) if edge < end]
        for at in [now, end - MINUTE, *edges, *(now + minute * MINUTE for minute in minutes)]:
            state = active_at(together, at)
            holding = [row for row in rows if row.start_utc <= at < row.end_utc]
            assert [row.targets for row in holding] == ([state.targets] if state.active else [])

    @given(several, moments)
    @FEW
    def test_local_times_and_lengths_agree_with_utc_and_rows_that_touch_differ(
        self, together: Sequence[Schedule], now: datetime
    ) -> None:
        rows = preview(together, now)
        for row in rows:
            assert (row.start_local, row.end_local) == (row.start_utc, row.end_utc)
            assert row.start_local.utcoffset() == row.start_utc.astimezone(ZoneInfo(row.timezone)).utcoffset()
            assert row.length == row.end_utc - row.start_utc
            assert row.timezone == together[row.matched[0]].timezone
        touching = [pair for pair in pairwise(rows) if pair[0].end_utc == pair[1].start_utc]
        assert all(earlier.targets != later.targets for earlier, later in touching)
