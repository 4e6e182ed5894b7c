"""Demand of named shapes."""

from datetime import UTC, date, datetime
from itertools import pairwise
from statistics import mean
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from poolwright.domain.simulation import SHAPES, DemandSession, HashedDraws, ShapedDemand

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 3, 2)


def sessions(shape: str, count: int = 500, seed: int = 1, **changes: object) -> list[DemandSession]:
    values = {"first_day": MONDAY, "days": 7, "timezone": "Europe/Berlin", **changes}
    shaped = ShapedDemand.model_validate({"shape": shape, "sessions_per_day": count, **values})
    return list(shaped.sessions(HashedDraws(seed)))


def local_hours(found: list[DemandSession]) -> list[float]:
    local = [session.start.astimezone(BERLIN) for session in found]
    return [at.hour + at.minute / 60 + at.second / 3600 for at in local]


class TestEveryShape:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_so_many_come_on_each_of_its_days_in_order(self, shape: str) -> None:
        found = sessions(shape)
        by_day: dict[date, int] = {}
        for session in found:
            day = session.start.astimezone(BERLIN).date()
            by_day[day] = by_day.get(day, 0) + 1
        assert set(by_day.values()) == {500}
        assert len(by_day) == len(SHAPES[shape].days)
        assert all(one.start <= other.start for one, other in pairwise(found))

    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_mean_length_is_what_is_asked_for(self, shape: str) -> None:
        assert mean(one.length_seconds for one in sessions(shape, 2000)) == pytest.approx(
            SHAPES[shape].mean_minutes * 60, rel=0.05
        )
        assert mean(one.length_seconds for one in sessions(shape, 2000, mean_minutes=20)) == pytest.approx(
            1200, rel=0.05
        )

    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_same_seed_gives_the_same_sessions_and_another_one_others(self, shape: str) -> None:
        assert sessions(shape, 50) == sessions(shape, 50)
        assert sessions(shape, 50) != sessions(shape, 50, seed=2)

    @pytest.mark.parametrize("shape", SHAPES)
    def test_each_session_of_a_day_is_another_persons(self, shape: str) -> None:
        assert len({session.user for session in sessions(shape, 300, days=1)}) == 300


class TestTheShapes:
    def test_most_of_an_office_come_around_a_quarter_to_nine(self) -> None:
        hours = local_hours(sessions("office-day"))
        assert 0.6 < sum(7.5 < hour < 10 for hour in hours) / len(hours) < 0.85

    def test_a_class_comes_within_minutes(self) -> None:
        hours = local_hours(sessions("class-start"))
        assert all(min(abs(hour - start) for start in (8, 10, 12, 14, 16)) < 0.25 for hour in hours)

    def test_shifts_begin_at_six_fourteen_and_twenty_two(self) -> None:
        hours = local_hours(sessions("shift-change"))
        assert all(min(abs(hour - start) for start in (6, 14, 22)) < 0.75 for hour in hours)

    def test_at_a_launch_most_come_within_the_half_hour_after_noon(self) -> None:
        hours = local_hours(sessions("launch-spike"))
        assert 0.7 < sum(12 <= hour < 12.5 for hour in hours) / len(hours) < 0.9

    def test_a_steady_demand_has_no_hour_that_stands_out(self) -> None:
        hours = local_hours(sessions("steady", 5000))
        in_hour = [sum(int(hour) == wanted for hour in hours) for wanted in range(24)]
        assert max(in_hour) < 1.15 * min(in_hour)


class TestDays:
    def test_other_days_of_the_week_can_be_asked_for(self) -> None:
        found = sessions("office-day", 10, weekdays=("sat", "Sunday"))
        assert {session.start.astimezone(BERLIN).strftime("%a") for session in found} == {"Sat", "Sun"}

    def test_the_clock_is_that_of_the_zone_on_both_sides_of_its_change(self) -> None:
        shaped = ShapedDemand(
            shape="class-start", sessions_per_day=200, first_day=date(2026, 3, 27), days=4, timezone="Europe/Berlin"
        )
        assert (shaped.begin, shaped.end) == (
            datetime(2026, 3, 26, 23, tzinfo=UTC),
            datetime(2026, 3, 30, 22, tzinfo=UTC),
        )
        friday, monday = (
            [one.start for one in shaped.sessions(HashedDraws(1)) if one.start.astimezone(BERLIN).day == day]
            for day in (27, 30)
        )
        assert {round(one.hour + one.minute / 60) for one in friday} == {7, 9, 11, 13, 15}
        assert {round(one.hour + one.minute / 60) for one in monday} == {6, 8, 10, 12, 14}

    @pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
    def test_on_the_day_of_the_change_they_come_in_the_order_of_time(self, day: date) -> None:
        found = sessions("steady", 3000, first_day=day, days=1)
        assert len(found) == 3000
        assert all(one.start <= other.start for one, other in pairwise(found))

    def test_an_unknown_shape_and_an_unknown_day_are_refused(self) -> None:
        with pytest.raises(ValueError, match="'lunch' is no shape of demand"):
            sessions("lunch")
        with pytest.raises(ValidationError, match="'moonday' is not a weekday"):
            sessions("steady", weekdays=("moonday",))


class TestDraws:
    def test_a_draw_depends_on_what_it_is_for_and_on_nothing_else(self) -> None:
        draws = HashedDraws(7)
        first = draws.uniforms("boot", 1)
        draws.uniforms("boot", 2)
        assert draws.uniforms("boot", 1) == first == HashedDraws(7).uniforms("boot", 1)
        assert (
            len({first, draws.uniforms("boot", 2), draws.uniforms("other", 1), HashedDraws(8).uniforms("boot", 1)}) == 4
        )

    def test_draws_are_spread_evenly_between_0_and_1(self) -> None:
        draws = HashedDraws(3)
        numbers = [number for n in range(2500) for number in draws.uniforms("spread", n)]
        assert 0 < min(numbers) < 0.01
        assert 0.99 < max(numbers) < 1
        in_tenth = [sum(int(number * 10) == tenth for number in numbers) for tenth in range(10)]
        assert all(900 < count < 1100 for count in in_tenth)
