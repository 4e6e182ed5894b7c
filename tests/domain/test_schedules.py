from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from poolwright.domain.schedules import (
    Schedule,
    ScheduleTargets,
    Weekday,
    Window,
    active_at,
    check_schedules,
    preview,
    windows,
)


def schedule(**changes: Any) -> Schedule:
    office = {"days": ["mon"], "start": "09:00", "end": "17:00", "timezone": "Europe/Berlin"}
    return Schedule.model_validate(office | changes)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def active_span(schedules: Sequence[Schedule], start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The active stretches as a caller sees them who follows `next_change` from one to the next."""
    found, at = [], start
    while at < end:
        state = active_at(schedules, at)
        until = min(state.next_change or end, end)
        if state.active:
            found.append((at, until))
        at = until
    return found


# 12 January 2026 is a Monday; Berlin is one hour ahead of UTC then.
MONDAY_NOON = utc("2026-01-12 11:00")


class TestActive:
    def test_with_no_schedules_it_is_always_active(self) -> None:
        state = active_at((), MONDAY_NOON)
        assert (state.active, state.matched, state.next_change) == (True, None, None)
        assert state.reason == "No schedule is set, so this is always active."

    def test_a_moment_without_a_zone_is_refused(self) -> None:
        naive = datetime(2026, 1, 12)  # noqa: DTZ001
        for schedules in ((), (schedule(),)):
            with pytest.raises(ValueError, match="has no time zone"):
                active_at(schedules, naive)
        with pytest.raises(ValueError, match=r"start is .* has no time zone"):
            windows(schedule(), naive, MONDAY_NOON)
        with pytest.raises(ValueError, match=r"end is .* has no time zone"):
            windows(schedule(), MONDAY_NOON, naive)
        with pytest.raises(ValueError, match="has no time zone"):
            preview((), naive)

    @pytest.mark.parametrize(
        ("now", "active"),
        [
            ("2026-01-12 07:59", False),
            ("2026-01-12 08:00", True),
            ("2026-01-12 15:59", True),
            ("2026-01-12 16:00", False),
            ("2026-01-13 10:00", False),
        ],
    )
    def test_the_start_is_inclusive_and_the_end_exclusive(self, now: str, active: bool) -> None:
        assert active_at([schedule()], utc(now)).active is active

    def test_now_may_be_given_in_any_zone(self) -> None:
        elsewhere = datetime.fromisoformat("2026-01-12T03:00:00-05:00")
        assert active_at([schedule()], elsewhere) == active_at([schedule()], utc("2026-01-12 08:00"))

    def test_an_overnight_window_belongs_to_the_day_on_which_it_starts(self) -> None:
        nights = schedule(days=["tue", "thu"], start="21:00", end="05:00", timezone="UTC")
        assert active_span([nights], utc("2026-01-12"), utc("2026-01-19")) == [
            (utc("2026-01-13 21:00"), utc("2026-01-14 05:00")),
            (utc("2026-01-15 21:00"), utc("2026-01-16 05:00")),
        ]

    def test_a_multi_day_window_runs_through(self) -> None:
        days = {"days": [], "start_day": "wed", "start": "15:00", "end_day": "fri", "end": "11:00"}
        assert active_span([schedule(**days, timezone="UTC")], utc("2026-01-12"), utc("2026-01-19")) == [
            (utc("2026-01-14 15:00"), utc("2026-01-16 11:00"))
        ]

    def test_a_multi_day_window_wraps_over_the_end_of_the_week(self) -> None:
        days = {"days": [], "start_day": "fri", "start": "18:00", "end_day": "mon", "end": "08:00"}
        assert active_span([schedule(**days, timezone="UTC")], utc("2026-01-12"), utc("2026-01-19 12:00")) == [
            (utc("2026-01-12"), utc("2026-01-12 08:00")),
            (utc("2026-01-16 18:00"), utc("2026-01-19 08:00")),
        ]

    def test_24_00_leaves_no_minute_open_between_two_days(self) -> None:
        wednesday_on = [
            schedule(days=["wed"], start="15:00", end="24:00"),
            schedule(days=["thu"], start="00:00", end="24:00"),
            schedule(days=["fri"], start="00:00", end="11:00"),
        ]
        as_one = schedule(days=[], start_day="wed", start="15:00", end_day="fri", end="11:00")
        span = (utc("2026-01-12"), utc("2026-01-26"))
        assert active_span(wednesday_on, *span) == active_span([as_one], *span)

    @pytest.mark.parametrize(
        "always",
        [
            {"days": list(Weekday), "start": "00:00", "end": "24:00"},
            {"days": list(Weekday), "start": "02:30", "end": "02:30"},
            {"days": [], "start_day": "mon", "start": "00:00", "end_day": "sun", "end": "24:00"},
        ],
    )
    def test_a_schedule_that_covers_the_week_has_no_next_change(self, always: dict[str, Any]) -> None:
        for now in (MONDAY_NOON, utc("2026-03-28 12:00"), utc("2026-10-24 12:00")):
            state = active_at([schedule(**always)], now)
            assert (state.active, state.next_change) == (True, None)
            assert "nothing changes in the next 8 days" in state.reason


class TestReasons:
    def test_an_active_state_names_the_schedule_its_hours_and_the_closing(self) -> None:
        assert active_at([schedule()], MONDAY_NOON).reason == (
            "The schedule (Monday 09:00 to 17:00 Europe/Berlin) matches; "
            "the window closes on Monday 2026-01-12 17:00+01:00."
        )

    def test_an_inactive_state_names_the_next_opening_and_whose_it_is(self) -> None:
        schedules = [schedule(), schedule(days=["wed"], name="midweek")]
        state = active_at(schedules, utc("2026-01-13"))
        assert (state.active, state.matched, state.next_change) == (False, None, utc("2026-01-14 08:00"))
        assert state.reason == (
            "No schedule matches. The next window opens on Wednesday 2026-01-14 09:00+01:00, by schedule 'midweek'."
        )

    def test_a_window_that_is_skipped_this_week_is_too_far_to_name(self) -> None:
        in_the_gap = schedule(days=["sun"], start="02:10", end="02:50")
        state = active_at([in_the_gap], utc("2026-03-22 12:00"))
        assert (state.active, state.next_change) == (False, None)
        assert state.reason == "No schedule matches, and no window opens in the next 8 days."

    def test_several_matches_are_counted_and_each_number_names_its_source(self) -> None:
        schedules = [
            schedule(name="office", targets={"total_floor": 5, "total_ceiling": 20}),
            schedule(start="11:00", end="14:00", targets={"total_floor": 30, "standby_cores": 8}),
        ]
        state = active_at(schedules, MONDAY_NOON)
        assert state.matched == 0
        assert state.reason == (
            "Schedule 'office' (Monday 09:00 to 17:00 Europe/Berlin) and 1 more match; "
            "the targets change on Monday 2026-01-12 14:00+01:00. "
            "Targets: total_floor 20 (cut down from 30 from schedule 2 of 2, by the ceiling of schedule 'office'), "
            "total_ceiling 20 (from schedule 'office'), standby_cores 8.0 (from schedule 2 of 2)."
        )


class TestTargets:
    def test_the_highest_floor_and_standby_and_the_lowest_ceiling_win(self) -> None:
        schedules = [
            schedule(targets={"total_floor": 5, "total_ceiling": 50, "minimum_available_sessions": 9}),
            schedule(targets={"total_floor": 7, "total_ceiling": 40, "minimum_available_sessions": 2}),
            schedule(days=["tue"], targets={"total_floor": 39}),
        ]
        expected = ScheduleTargets(total_floor=7, total_ceiling=40, minimum_available_sessions=9)
        assert active_at(schedules, MONDAY_NOON).targets == expected

    def test_a_floor_above_the_ceiling_of_another_is_lowered_to_it(self) -> None:
        schedules = [schedule(targets={"total_floor": 30}), schedule(targets={"total_ceiling": 20})]
        assert active_at(schedules, MONDAY_NOON).targets == ScheduleTargets(total_floor=20, total_ceiling=20)

    def test_targets_are_empty_while_inactive(self) -> None:
        assert active_at([schedule(targets={"total_floor": 5})], utc("2026-01-13")).targets == ScheduleTargets()

    def test_an_hourly_floor_holds_until_the_next_one_and_none_before_the_first(self) -> None:
        lunch = schedule(targets={"total_floor": 1, "hourly_floor": {"12:00": 30, "14:00": 4}})
        row = [(row.start_local.strftime("%H:%M"), row.targets.total_floor) for row in preview([lunch], MONDAY_NOON, 7)]
        assert row == [("12:00", 30), ("14:00", 4), ("09:00", 1)]

    def test_hourly_floors_go_on_after_midnight_and_come_again_each_day(self) -> None:
        days = {"days": [], "start_day": "mon", "start": "12:00", "end_day": "wed", "end": "12:00", "timezone": "UTC"}
        long = schedule(**days, targets={"hourly_floor": {"08:00": 10, "18:00": 2}})
        rows = preview([long], utc("2026-01-12"), 5)
        assert [(row.start_utc, row.targets.total_floor) for row in rows] == [
            (utc("2026-01-12 12:00"), None),
            (utc("2026-01-12 18:00"), 2),
            (utc("2026-01-13 08:00"), 10),
            (utc("2026-01-13 18:00"), 2),
            (utc("2026-01-14 08:00"), 10),
        ]

    def test_two_hourly_floors_in_a_gap_leave_the_later_one(self) -> None:
        night = schedule(
            days=["sun"], start="00:00", end="06:00", targets={"hourly_floor": {"02:10": 1, "02:50": 2, "04:00": 3}}
        )
        rows = preview([night], utc("2026-03-28"), 2)
        assert [(row.start_utc, row.targets.total_floor) for row in rows] == [
            (utc("2026-03-28 23:00"), None),
            (utc("2026-03-29 01:00"), 2),
            (utc("2026-03-29 02:00"), 3),
        ]


class TestClockChanges:
    @pytest.mark.parametrize(
        ("zone", "day", "hours", "expected"),
        [
            # Berlin skips 02:00 to 03:00 on 29 March and repeats 02:00 to 03:00 on 25 October.
            ("Europe/Berlin", "sat", "22:00-06:00", ("2026-03-28 21:00", "2026-03-29 04:00")),
            ("Europe/Berlin", "sun", "02:30-05:00", ("2026-03-29 01:00", "2026-03-29 03:00")),
            ("Europe/Berlin", "sun", "00:00-02:30", ("2026-03-28 23:00", "2026-03-29 01:00")),
            ("Europe/Berlin", "sun", "02:00-03:00", None),
            ("Europe/Berlin", "sat", "22:00-06:00", ("2026-10-24 20:00", "2026-10-25 05:00")),
            ("Europe/Berlin", "sun", "02:30-05:00", ("2026-10-25 00:30", "2026-10-25 04:00")),
            ("Europe/Berlin", "sun", "00:00-02:30", ("2026-10-24 22:00", "2026-10-25 01:30")),
            ("Europe/Berlin", "sun", "02:10-02:50", ("2026-10-25 00:10", "2026-10-25 01:50")),
            # New York skips 02:00 to 03:00 on 8 March and repeats 01:00 to 02:00 on 1 November.
            ("America/New_York", "sun", "02:30-05:00", ("2026-03-08 07:00", "2026-03-08 09:00")),
            ("America/New_York", "sun", "01:00-02:59", ("2026-03-08 06:00", "2026-03-08 07:00")),
            ("America/New_York", "sun", "01:30-05:00", ("2026-11-01 05:30", "2026-11-01 10:00")),
            ("America/New_York", "sun", "00:00-01:30", ("2026-11-01 04:00", "2026-11-01 06:30")),
            # Lord Howe repeats 01:30 to 02:00 on 5 April and skips 02:00 to 02:30 on 4 October.
            ("Australia/Lord_Howe", "sun", "01:45-05:00", ("2026-04-04 14:45", "2026-04-04 18:30")),
            ("Australia/Lord_Howe", "sun", "00:00-01:45", ("2026-04-04 13:00", "2026-04-04 15:15")),
            ("Australia/Lord_Howe", "sun", "02:15-05:00", ("2026-10-03 15:30", "2026-10-03 18:00")),
            ("Australia/Lord_Howe", "sun", "00:00-02:15", ("2026-10-03 13:30", "2026-10-03 15:30")),
            # Casablanca repeats 02:00 to 03:00 on 15 February, for Ramadan, and skips 02:00 to 03:00 on 22 March.
            ("Africa/Casablanca", "sun", "02:30-05:00", ("2026-02-15 01:30", "2026-02-15 05:00")),
            ("Africa/Casablanca", "sun", "00:00-02:30", ("2026-02-14 23:00", "2026-02-15 02:30")),
            ("Africa/Casablanca", "sun", "02:30-05:00", ("2026-03-22 02:00", "2026-03-22 04:00")),
            # Beirut skips the first hour of 29 March and repeats the last hour of 24 October.
            ("Asia/Beirut", "sun", "00:00-08:00", ("2026-03-28 22:00", "2026-03-29 05:00")),
            ("Asia/Beirut", "sat", "18:00-23:30", ("2026-10-24 15:00", "2026-10-24 21:30")),
            ("Asia/Beirut", "sat", "23:30-24:00", ("2026-10-24 20:30", "2026-10-24 22:00")),
            # Kolkata leaves its clocks alone.
            ("Asia/Kolkata", "sun", "02:30-05:00", ("2026-03-28 21:00", "2026-03-28 23:30")),
            ("Asia/Kolkata", "sun", "02:30-05:00", ("2026-10-24 21:00", "2026-10-24 23:30")),
        ],
    )
    def test_a_window_on_the_day_of_the_change(
        self, zone: str, day: str, hours: str, expected: tuple[str, str] | None
    ) -> None:
        start, end = hours.split("-")
        subject = schedule(days=[day], start=start, end=end, timezone=zone)
        if expected is None:
            assert list(windows(subject, utc("2026-03-27"), utc("2026-03-30"))) == []
            return
        window = Window(utc(expected[0]), utc(expected[1]))
        around = (window.start_utc - timedelta(days=2), window.end_utc + timedelta(days=2))
        assert list(windows(subject, *around)) == [window]
        assert active_span([subject], *around) == [window]

    def test_24_hour_windows_neither_overlap_nor_leave_a_hole_when_the_hour_repeats(self) -> None:
        daily = schedule(days=list(Weekday), start="02:30", end="02:30")
        found = list(windows(daily, utc("2026-10-24 12:00"), utc("2026-10-25 12:00")))
        assert found == [
            Window(utc("2026-10-24 00:30"), utc("2026-10-25 01:30")),
            Window(utc("2026-10-25 01:30"), utc("2026-10-26 01:30")),
        ]
        assert list(windows(daily, utc("2026-10-26 00:00"), utc("2026-10-26 01:00"))) == found[1:]

    def test_full_weeks_meet_where_the_hour_repeats_also_when_looked_at_a_week_later(self) -> None:
        weekly = schedule(days=[], start_day="sun", start="02:30", end_day="sun", end="02:30")
        assert list(windows(weekly, utc("2026-11-01 00:00"), utc("2026-11-01 01:00"))) == [
            Window(utc("2026-10-25 01:30"), utc("2026-11-01 01:30"))
        ]

    def test_a_window_goes_on_past_midnight_when_the_clocks_then_go_back_into_it(self) -> None:
        # In 2010 the clocks of St. John's went back from 00:01 on Sunday to 23:01 on Saturday.
        evening = schedule(days=["sat"], start="20:00", end="23:30", timezone="America/St_Johns")
        first_midnight = utc("2010-11-07 02:30:30")
        assert active_at([evening], first_midnight).active
        assert list(windows(evening, first_midnight, first_midnight + timedelta(minutes=1))) == [
            Window(utc("2010-11-06 22:30"), utc("2010-11-07 03:00"))
        ]


class TestPreview:
    def test_windows_that_touch_make_one_row(self) -> None:
        schedules = [
            schedule(days=["wed"], start="15:00", end="24:00"),
            schedule(days=["thu"], start="00:00", end="11:00"),
        ]
        rows = preview(schedules, utc("2026-01-12"), days=7)
        assert [(row.start_utc, row.end_utc, row.matched, row.note) for row in rows] == [
            (utc("2026-01-14 14:00"), utc("2026-01-15 10:00"), (0, 1), "")
        ]
        assert rows[0].start_local.isoformat() == "2026-01-14T15:00:00+01:00"
        assert rows[0].end_local.isoformat() == "2026-01-15T11:00:00+01:00"
        assert rows[0].length == timedelta(hours=20)

    def test_a_day_on_which_clocks_change_has_a_note_and_its_neighbours_have_none(self) -> None:
        nights = schedule(days=["fri", "sat", "sun"], start="22:00", end="06:00")
        rows = preview([nights], utc("2026-03-27 12:00"), days=3)
        note = "Clocks in Europe/Berlin go forward by 1 h on Sunday 2026-03-29, from 02:00 to 03:00."
        assert [(row.length, row.note) for row in rows] == [
            (timedelta(hours=8), ""),
            (timedelta(hours=7), note),
            (timedelta(hours=8), note),
        ]

    def test_a_change_at_midnight_is_noted_too(self) -> None:
        [row] = preview([schedule(days=["sun"], timezone="Asia/Beirut")], utc("2026-03-28"), days=3)
        assert row.note.startswith("Clocks in Asia/Beirut go forward by 1 h on Sunday 2026-03-29")

    def test_rows_at_the_edges_say_that_they_are_cut_off(self) -> None:
        always = schedule(days=list(Weekday), start="00:00", end="24:00")
        [row] = preview([always], MONDAY_NOON)
        assert (row.start_utc, row.length) == (MONDAY_NOON, timedelta(days=14))
        assert row.note == "Under way before the preview begins. Goes on after the preview ends."

    def test_with_no_schedules_one_row_covers_it_all(self) -> None:
        [row] = preview((), MONDAY_NOON)
        assert (row.start_utc, row.length, row.timezone) == (MONDAY_NOON, timedelta(days=14), "UTC")
        assert row.note == "No schedule is set: always active."

    def test_less_than_a_day_is_refused(self) -> None:
        with pytest.raises(ValueError, match="days is 0"):
            preview((), MONDAY_NOON, days=0)


class TestChecks:
    def test_schedules_that_go_together_pass(self) -> None:
        assert check_schedules(()) == ()
        lunch = schedule(start="11:00", end="14:00", targets={"total_floor": 20})
        assert check_schedules([schedule(name="a", targets={"total_ceiling": 20}), lunch]) == ()

    def test_repetitions_and_equal_names_are_told(self) -> None:
        schedules = [schedule(name="office"), schedule(name="office", days=["tue"]), schedule(comment="again")]
        assert check_schedules(schedules) == (
            "Schedules 1 and 2 are both named 'office'. Rename one to tell them apart.",
            "Schedule 3 repeats schedule 1 (Monday 09:00 to 17:00 Europe/Berlin). Remove one of them.",
        )

    def test_a_floor_above_the_ceiling_of_a_schedule_that_matches_at_the_same_time_is_told_once(self) -> None:
        schedules = [
            schedule(days=["mon", "tue"], targets={"total_ceiling": 20}),
            schedule(days=["mon", "tue"], start="11:00", end="14:00", targets={"hourly_floor": {"12:00": 30}}),
        ]
        [problem] = check_schedules(schedules)
        assert problem == (
            "Schedule 2 of 2 sets a floor of 30 servers while schedule 1 of 2 sets total_ceiling to 20, "
            "and both match at once, for example on Monday 2026-01-12 12:00+01:00. "
            "Lower the floor, raise the ceiling or move the hours apart."
        )

    def test_hours_that_never_meet_do_not_contradict(self) -> None:
        morning = schedule(end="12:00", targets={"total_ceiling": 20})
        afternoon = schedule(start="12:00", targets={"total_floor": 30})
        assert check_schedules([morning, afternoon]) == ()

    def test_zones_that_meet_only_in_summer_are_found(self) -> None:
        kolkata = schedule(start="08:00", end="09:00", timezone="Asia/Kolkata", targets={"total_ceiling": 20})
        berlin = schedule(start="05:00", end="05:30", targets={"total_floor": 30})
        assert len(check_schedules([kolkata, berlin])) == 1
