from datetime import time, timedelta
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from poolwright.domain.schedules import Schedule, ScheduleTargets, Weekday


def schedule(**changes: Any) -> Schedule:
    office = {"days": ["mon"], "start": "09:00", "end": "17:00", "timezone": "Europe/Berlin"}
    return Schedule.model_validate(office | changes)


def multi_day(**changes: Any) -> Schedule:
    base = {"start_day": "wed", "start": "15:00", "end_day": "fri", "end": "11:00", "timezone": "Europe/Berlin"}
    return Schedule.model_validate(base | changes)


class TestReadingFromYAML:
    def test_quoted_and_unquoted_times_mean_the_same(self) -> None:
        # YAML 1.1 counts in sixties, so an unquoted 9:00 arrives as 540, and 09:00 as a string.
        read = yaml.safe_load("[{start: 9:00, end: 17:30}, {start: 09:00, end: '17:30'}]")
        assert read == [{"start": 540, "end": 1050}, {"start": "09:00", "end": "17:30"}]
        first, second = (schedule(**times) for times in read)
        assert first == second
        assert (first.start, first.end) == (time(9), time(17, 30))

    def test_each_minute_of_the_day_survives_unquoted(self) -> None:
        for minute in range(24 * 60):
            text = f"{minute // 60}:{minute % 60:02}"
            read = schedule(start=yaml.safe_load(text))
            assert read.start == time(minute // 60, minute % 60), text

    def test_an_unquoted_24_00_is_the_end_of_the_day(self) -> None:
        assert schedule(end=yaml.safe_load("24:00")) == schedule(end="24:00")

    def test_unquoted_keys_of_hourly_floors_are_read_and_put_in_order(self) -> None:
        targets = yaml.safe_load("hourly_floor: {13:00: 30, 9:00: 3, '09:30': 4}")
        assert list(schedule(targets=targets).targets.hourly_floor.items()) == [  # type: ignore[union-attr]
            ("09:00", 3),
            ("09:30", 4),
            ("13:00", 30),
        ]

    def test_an_unquoted_time_with_seconds_is_refused_with_the_way_out(self) -> None:
        with pytest.raises(ValidationError, match=r"36000 is not a time of day\. Write it as HH:MM in quotes"):
            schedule(start=yaml.safe_load("10:00:00"))

    @pytest.mark.parametrize("written", [schedule(end="24:00"), multi_day(end="24:00"), schedule(name="x")])
    def test_what_is_written_out_reads_back_the_same(self, written: Schedule) -> None:
        assert Schedule.model_validate_json(written.model_dump_json()) == written
        assert Schedule.model_validate(yaml.safe_load(yaml.safe_dump(written.model_dump(mode="json")))) == written
        assert Schedule.model_validate(written.model_dump()) == written


class TestTheTwoForms:
    def test_days_are_kept_once_and_in_the_order_of_the_week(self) -> None:
        days = schedule(days=["Sun", "tue", "MONDAY", "tuesday"]).days
        assert days == (Weekday.MONDAY, Weekday.TUESDAY, Weekday.SUNDAY)

    @pytest.mark.parametrize(
        ("hours", "length", "text"),
        [
            (schedule(), 8, "Monday 09:00 to 17:00 Europe/Berlin"),
            (schedule(start="21:00", end="05:00"), 8, "Monday 21:00 to 05:00 the next day Europe/Berlin"),
            (schedule(start="09:00", end="09:00"), 24, "Monday 09:00 for 24 hours Europe/Berlin"),
            (schedule(end="24:00"), 15, "Monday 09:00 to 24:00 Europe/Berlin"),
            (schedule(start="00:00", end="24:00"), 24, "Monday 00:00 for 24 hours Europe/Berlin"),
            (schedule(days=["mon", "tue", "wed"]), 8, "Monday to Wednesday 09:00 to 17:00 Europe/Berlin"),
            (schedule(days=["mon", "tue", "fri"]), 8, "Monday, Tuesday, Friday 09:00 to 17:00 Europe/Berlin"),
            (schedule(days=list(Weekday)), 8, "every day 09:00 to 17:00 Europe/Berlin"),
            (multi_day(), 44, "Wednesday 15:00 to Friday 11:00 Europe/Berlin"),
            (multi_day(start_day="fri", end_day="mon"), 68, "Friday 15:00 to Monday 11:00 Europe/Berlin"),
            (multi_day(end_day="wed", end="20:00"), 5, "Wednesday 15:00 to Wednesday 20:00 Europe/Berlin"),
            (multi_day(end_day="wed"), 164, "Wednesday 15:00 to Wednesday 11:00 Europe/Berlin"),
            (multi_day(end_day="wed", end="15:00"), 168, "Wednesday 15:00 to Wednesday 15:00 Europe/Berlin"),
            (multi_day(end_day="sun", end="24:00"), 105, "Wednesday 15:00 to Monday 00:00 Europe/Berlin"),
        ],
    )
    def test_length_on_the_wall_and_description_agree(self, hours: Schedule, length: int, text: str) -> None:
        assert hours.wall_length == timedelta(hours=length)
        assert hours.description.removesuffix(" (a full week)") == text

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"days": []}, "No day is named, so this schedule would never match"),
            ({"start_day": "mon", "end_day": "tue"}, "days stands beside start_day or end_day"),
            ({"days": [], "start_day": "mon"}, "Only one of start_day and end_day is given"),
            ({"days": [], "end_day": "mon"}, "Only one of start_day and end_day is given"),
            ({"days": ["fryday"]}, "'fryday' is not a weekday"),
            ({"start": "24:00"}, "24:00 is the end of a day"),
            ({"start": "09:00+01:00"}, "is not a time of day"),
            ({"timezone": "Europe/Berln"}, "Did you mean Europe/Berlin"),
            ({"end": None}, "None is not a time of day"),
            ({"end_day": "someday", "end": "24:00"}, "'someday' is not a weekday"),
            ({"colour": "red"}, "Extra inputs are not permitted"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            schedule(**changes)


class TestTargets:
    @pytest.mark.parametrize(
        ("targets", "message"),
        [
            ({"total_floor": 5, "total_ceiling": 4}, "total_floor is 5, above total_ceiling, which is 4"),
            ({"hourly_floor": {"10:00": 5}, "total_ceiling": 4}, "hourly_floor at 10:00 is 5, above total_ceiling"),
            ({"hourly_floor": {"10:00": 2}, "total_floor": 3}, "hourly_floor at 10:00 is 2, below total_floor"),
            ({"hourly_floor": {"9:00": 2, "09:00": 3}}, "09:00 is given twice"),
            ({"hourly_floor": {"24:00": 2}}, "24:00 is the end of a day"),
            ({"hourly_floor": {"10:00": -1}}, "greater than or equal to 0"),
            ({"hourly_floor": [1]}, "valid dictionary"),
            ({"standby_cores": -1}, "greater than or equal to 0"),
        ],
    )
    def test_numbers_that_contradict_are_refused(self, targets: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            ScheduleTargets.model_validate(targets)

    @pytest.mark.parametrize("at", ["08:59", "17:00", "23:00"])
    def test_an_hourly_floor_outside_of_the_window_is_refused(self, at: str) -> None:
        with pytest.raises(ValidationError, match=f"an entry at {at}, which is outside of the window Monday 09:00"):
            schedule(targets={"hourly_floor": {at: 1}})

    @pytest.mark.parametrize("at", ["21:00", "00:00", "04:59"])
    def test_an_hourly_floor_may_lie_after_midnight_in_an_overnight_window(self, at: str) -> None:
        assert schedule(start="21:00", end="05:00", targets={"hourly_floor": {at: 1}}).targets is not None

    def test_a_window_of_a_day_or_more_holds_every_time(self) -> None:
        assert multi_day(targets={"hourly_floor": {"13:00": 1}}).targets is not None
