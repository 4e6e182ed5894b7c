from datetime import UTC, datetime, time, timedelta, timezone

import pytest

from poolwright.domain.wall_clock import (
    Weekday,
    clock_changes,
    fixed_local,
    in_utc,
    is_end_of_day,
    length_text,
    minutes_of_day,
    parse_time_of_day,
    parse_weekday,
    wall_to_utc,
    zone_named,
)


class TestWeekdays:
    @pytest.mark.parametrize("written", ["wednesday", "Wednesday", "WED", "wed", " Wed "])
    def test_full_and_three_letter_names_in_any_case_are_read(self, written: str) -> None:
        assert parse_weekday(written) is Weekday.WEDNESDAY

    @pytest.mark.parametrize("written", ["w", "weds", "mittwoch", "", 3, None])
    def test_anything_else_is_refused_with_the_way_out(self, written: object) -> None:
        with pytest.raises(ValueError, match="English name or its first three letters"):
            parse_weekday(written)

    def test_monday_follows_sunday(self) -> None:
        assert Weekday.SUNDAY.following is Weekday.MONDAY


class TestTimesOfDay:
    @pytest.mark.parametrize(
        ("written", "minutes"),
        [("09:00", 540), ("9:00", 540), ("09:00:00", 540), (540, 540), (time(9), 540), ("24:00", 1440), (0, 0)],
    )
    def test_each_way_to_write_a_time_is_read(self, written: object, minutes: int) -> None:
        assert minutes_of_day(written) == minutes

    @pytest.mark.parametrize("written", ["24:01", "09:60", "9", "9am", "09:00:30", -1, 1441, 9.5, True, None])
    def test_what_is_no_time_to_the_minute_is_refused(self, written: object) -> None:
        with pytest.raises(ValueError, match=r"is not a time of day\. Write it as HH:MM in quotes"):
            minutes_of_day(written)

    def test_a_time_with_seconds_is_refused(self) -> None:
        with pytest.raises(ValueError, match="is not a time of day"):
            minutes_of_day(time(9, 0, 30))

    def test_a_time_with_a_utc_offset_is_refused(self) -> None:
        with pytest.raises(ValueError, match="carries a UTC offset"):
            minutes_of_day(time(9, tzinfo=UTC))

    def test_24_00_is_an_end_and_never_a_start(self) -> None:
        assert is_end_of_day("24:00")
        assert not is_end_of_day("00:00")
        assert not is_end_of_day("nonsense")
        with pytest.raises(ValueError, match="can only be used for the key end"):
            parse_time_of_day("24:00")


class TestZones:
    @pytest.mark.parametrize(
        ("wrong", "meant"),
        [
            ("Europe/Berln", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("new york", "America/New_York"),
        ],
    )
    def test_an_unknown_zone_is_refused_with_the_closest_names(self, wrong: str, meant: str) -> None:
        with pytest.raises(ValueError, match=f"Did you mean {meant}"):
            zone_named(wrong)

    @pytest.mark.parametrize("wrong", ["", "Europe", "../etc/passwd", "/etc/localtime", "localtime", "\0", "right/UTC"])
    def test_names_that_are_no_zones_are_refused(self, wrong: str) -> None:
        with pytest.raises(ValueError, match="is not the name of an IANA time zone"):
            zone_named(wrong)

    def test_a_moment_without_a_zone_is_refused_by_name(self) -> None:
        with pytest.raises(ValueError, match="now is 2026-03-10T12:00:00, which has no time zone"):
            in_utc(datetime(2026, 3, 10, 12), "now")  # noqa: DTZ001


class TestFromTheWallToUTC:
    def test_an_ordinary_time_has_one_instant(self) -> None:
        wall = datetime(2026, 1, 12, 9)  # noqa: DTZ001
        berlin = zone_named("Europe/Berlin")
        assert wall_to_utc(wall, berlin, occurrence="first") == datetime(2026, 1, 12, 8, tzinfo=UTC)
        assert wall_to_utc(wall, berlin, occurrence="second") == datetime(2026, 1, 12, 8, tzinfo=UTC)

    @pytest.mark.parametrize("minute", [0, 1, 30, 59])
    def test_a_skipped_time_is_the_first_instant_after_the_gap(self, minute: int) -> None:
        wall = datetime(2026, 3, 29, 2, minute)  # noqa: DTZ001
        for occurrence in ("first", "second"):
            instant = wall_to_utc(wall, zone_named("Europe/Berlin"), occurrence=occurrence)
            assert instant == datetime(2026, 3, 29, 1, tzinfo=UTC)

    def test_a_skipped_day_is_the_first_instant_after_it(self) -> None:
        wall = datetime(2011, 12, 30, 15)  # noqa: DTZ001
        instant = wall_to_utc(wall, zone_named("Pacific/Apia"), occurrence="first")
        assert instant == datetime(2011, 12, 30, 10, tzinfo=UTC)

    def test_a_repeated_time_has_two_instants(self) -> None:
        wall = datetime(2026, 4, 5, 1, 45)  # noqa: DTZ001
        lord_howe = zone_named("Australia/Lord_Howe")
        assert wall_to_utc(wall, lord_howe, occurrence="first") == datetime(2026, 4, 4, 14, 45, tzinfo=UTC)
        assert wall_to_utc(wall, lord_howe, occurrence="second") == datetime(2026, 4, 4, 15, 15, tzinfo=UTC)


class TestClockChanges:
    @pytest.mark.parametrize(
        ("zone", "changes"),
        [
            (
                "Europe/Berlin",
                [
                    "forward by 1 h on Sunday 2026-03-29, from 02:00 to 03:00",
                    "back by 1 h on Sunday 2026-10-25, from 03:00 to 02:00",
                ],
            ),
            (
                "Australia/Lord_Howe",
                [
                    "back by 30 min on Sunday 2026-04-05, from 02:00 to 01:30",
                    "forward by 30 min on Sunday 2026-10-04, from 02:00 to 02:30",
                ],
            ),
            (
                "Asia/Beirut",
                [
                    "forward by 1 h on Sunday 2026-03-29, from 00:00 to 01:00",
                    "back by 1 h on Sunday 2026-10-25, from 00:00 to Saturday 2026-10-24 23:00",
                ],
            ),
            ("Asia/Kolkata", []),
        ],
    )
    def test_each_change_of_a_year_is_found_and_told(self, zone: str, changes: list[str]) -> None:
        year = clock_changes(zone_named(zone), datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
        assert [change.sentence(zone) for change in year] == [f"Clocks in {zone} go {change}." for change in changes]

    def test_the_start_is_excluded_and_the_end_included(self) -> None:
        berlin, change = zone_named("Europe/Berlin"), datetime(2026, 3, 29, 1, tzinfo=UTC)
        assert list(clock_changes(berlin, change, change + timedelta(hours=1))) == []
        assert [found.at_utc for found in clock_changes(berlin, change - timedelta(hours=1), change)] == [change]


class TestTexts:
    @pytest.mark.parametrize(
        ("length", "text"),
        [
            (timedelta(days=1, hours=2, minutes=30), "1 d 2 h 30 min"),
            (timedelta(hours=9), "9 h"),
            (timedelta(0), "0 min"),
        ],
    )
    def test_lengths_are_told_in_days_hours_and_minutes(self, length: timedelta, text: str) -> None:
        assert length_text(length) == text

    def test_a_local_moment_in_a_repeated_hour_still_equals_its_instant(self) -> None:
        instant = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
        local = fixed_local(instant, zone_named("Europe/Berlin"))
        assert local == instant
        assert local.tzinfo == timezone(timedelta(hours=1))
