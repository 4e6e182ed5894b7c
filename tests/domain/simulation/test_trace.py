"""Demand from CSV traces."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from poolwright.domain.servers import SessionKind
from poolwright.domain.simulation import DemandSession, TraceRefused, read_trace

BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str) -> list[DemandSession]:
    return read_trace(text.splitlines(keepends=True), "march.csv", BERLIN)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(TraceRefused) as refused:
        read(text)
    return refused.value.problems


class TestReading:
    def test_the_three_columns_are_enough(self) -> None:
        (session,) = read("start,user,length_minutes\n2026-03-02T08:30:00+01:00,ann,7.5\n")
        assert session == DemandSession(datetime(2026, 3, 2, 7, 30, tzinfo=UTC), "ann", 450.0)

    def test_every_column_in_any_order(self) -> None:
        (session,) = read(
            "priority,zone,kind,workspace,pool,length_minutes,user,start\n2,eu,app,office,desks,60,ann,2026-03-02T07:30Z\n"
        )
        assert session == DemandSession(
            datetime(2026, 3, 2, 7, 30, tzinfo=UTC), "ann", 3600.0, "desks", "office", SessionKind.APP, "eu", 2
        )

    def test_empty_optional_values_are_left_out(self) -> None:
        (session,) = read("start,user,length_minutes,pool,kind,priority\n2026-03-02T07:30Z,ann,1,,,\n")
        assert (session.pool, session.kind, session.priority) == (None, SessionKind.DESKTOP, 0)

    def test_times_without_an_offset_are_those_of_the_zone(self) -> None:
        winter, summer = read("start,user,length_minutes\n2026-03-02 08:30,ann,1\n2026-07-02 08:30,ann,1\n")
        assert (winter.start.hour, summer.start.hour) == (7, 6)

    def test_all_times_come_out_in_utc(self) -> None:
        found = read("start,user,length_minutes\n2026-03-02T08:30:00+05:30,ann,1\n2026-03-02T08:30:00,ann,1\n")
        assert [session.start.isoformat() for session in found] == [
            "2026-03-02T03:00:00+00:00",
            "2026-03-02T07:30:00+00:00",
        ]

    def test_sessions_come_out_in_order(self) -> None:
        found = read("start,user,length_minutes\n2026-03-03T08:00Z,late,1\n2026-03-02T08:00Z,early,1\n")
        assert [session.user for session in found] == ["early", "late"]

    def test_spaces_empty_lines_and_the_mark_of_a_spreadsheet_do_not_matter(self) -> None:
        text = '\ufeffstart, user ,length_minutes\n\n 2026-03-02T08:00Z , "Lovelace, Ada", 5 \n\n'
        (session,) = read(text)
        assert session.user == "Lovelace, Ada"

    def test_a_byte_order_mark_may_stand_before_a_quoted_name(self) -> None:
        (session,) = read('\ufeff"start","user","length_minutes"\n"2026-03-02T08:00Z","ann","5"\n')
        assert (session.user, session.length_seconds) == ("ann", 300)


class TestProblems:
    def test_each_is_told_with_its_line_and_column(self) -> None:
        found = problems(
            "start,user,length_minutes,kind,priority\n"
            "yesterday,ann,5,app,1\n"
            "2026-03-02T08:00Z,,0,window,high\n"
            "2026-03-02T08:00Z,ann,long,,\n"
            "2026-03-02T08:00Z,ann,-3,,\n"
        )
        times = "Write 2026-03-02T08:30:00 or 2026-03-02T08:30:00+01:00."
        numbers = "Write one, higher is served first, or leave it empty."
        assert found == (
            f"march.csv, line 2, column 'start': 'yesterday' is no ISO 8601 time. {times}",
            "march.csv, line 3, column 'user': '' says nobody. Write a name; the same name is the same person.",
            "march.csv, line 3, column 'length_minutes': '0' is no length. Write minutes above 0.",
            "march.csv, line 3, column 'kind': 'window' is no kind of session. Write desktop or app.",
            f"march.csv, line 3, column 'priority': 'high' is no whole number. {numbers}",
            "march.csv, line 4, column 'length_minutes': 'long' is no number. Write minutes, such as 45 or 7.5.",
            "march.csv, line 5, column 'length_minutes': '-3' is no length. Write minutes above 0.",
        )

    @pytest.mark.parametrize(
        ("row", "said"),
        [
            ("9999-12-31T23:30,ann,45", "'9999-12-31T23:30' lies outside of the years 1970 to 2999"),
            ("0001-01-01T00:00,ann,45", "lies outside of the years"),
            ("2026-03-02T08:00,ann,1e9", "'1e9' is longer than a year. Write at most 527040 minutes."),
        ],
    )
    def test_numbers_that_nobody_means(self, row: str, said: str) -> None:
        assert said in problems(f"start,user,length_minutes\n{row}\n")[0]

    def test_a_line_with_too_few_values(self) -> None:
        assert problems("start,user,length_minutes\n2026-03-02T08:00Z,ann\n") == (
            "march.csv, line 2, column 2: there are 2 values under 3 columns",
        )

    def test_a_missing_and_a_misspelt_column(self) -> None:
        assert problems("start,user,length_minuts\n") == (
            "march.csv, line 1: the column 'length_minutes' is missing. The header needs start,user,length_minutes",
            "march.csv, line 1: 'length_minuts' is no column of a trace. Did you mean length_minutes?",
        )

    def test_a_column_that_is_given_twice(self) -> None:
        assert "the column 'user' is given twice" in problems("start,user,user,length_minutes\n")[0]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "the header is missing"),
            ("start,user,length_minutes\n", "no session follows"),
            ('start,user,length_minutes\n"2026', "unexpected end of data"),
        ],
    )
    def test_a_file_that_is_none(self, text: str, said: str) -> None:
        assert said in problems(text)[0]

    def test_no_more_than_twenty_are_told(self) -> None:
        assert len(problems("start,user,length_minutes\n" + "x,y,z\n" * 50)) == 20
