"""Demand from a CSV trace: what people really asked for."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from math import isfinite
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

from poolwright.domain.servers import SessionKind
from poolwright.domain.simulation.demand import DemandSession
from poolwright.domain.wall_clock import wall_to_utc

NEEDED: Final = ("start", "user", "length_minutes")
OPTIONAL: Final = ("pool", "workspace", "kind", "zone", "priority")

_MOST_PROBLEMS: Final = 20
_EXAMPLE: Final = "start,user,length_minutes"

# Beyond these a number is a slip of the pen, and the simulation would play centuries for it.
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2999
_MOST_MINUTES: Final = 366 * 24 * 60


class TraceRefused(ValueError):
    """The trace has problems, each told with its line and column."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join((f"the trace cannot be used, for {count}:", *problems)))


class _Unreadable(ValueError):
    """A value of one column cannot be read."""


def read_trace(lines: Iterable[str], name: str, timezone: ZoneInfo) -> list[DemandSession]:
    """The sessions of a CSV file with a header line, in the order of their starts.

    `name` is what the problems call the file. Times are ISO 8601; without an offset they are times of the given zone.
    Raises `TraceRefused` with up to 20 problems.
    """
    reader = csv.reader(_without_byte_order_mark(lines), strict=True, skipinitialspace=True)
    problems: list[str] = []
    sessions: list[DemandSession] = []
    try:
        header = [column.strip() for column in next(reader, [])]
        problems += [f"{name}, line 1: {problem}" for problem in _header_problems(header)]
        rows = reader if not problems else iter(())
        for row in rows:
            if not any(row) or len(problems) >= _MOST_PROBLEMS:
                continue
            session, wrong = _session(header, row, timezone)
            problems += [f"{name}, line {reader.line_num}, {problem}" for problem in wrong]
            if session is not None:
                sessions.append(session)
    except csv.Error as error:
        problems.append(f"{name}, line {reader.line_num}: {error}. Put values with commas or quotes in double quotes.")
    if not sessions and not problems:
        problems.append(f"{name}: no session follows the header line.")
    if problems:
        raise TraceRefused(problems[:_MOST_PROBLEMS])
    return sorted(sessions, key=attrgetter("start"))


def _without_byte_order_mark(lines: Iterable[str]) -> Iterator[str]:
    """Spreadsheets begin a file with one, also before a quoted name."""
    for number, line in enumerate(lines):
        yield line if number else line.removeprefix("\ufeff")


def _header_problems(header: Sequence[str]) -> Iterator[str]:
    if not any(header):
        yield f"the header is missing. Begin with the line {_EXAMPLE}"
        return
    known = (*NEEDED, *OPTIONAL)
    for column in NEEDED:
        if column not in header:
            yield f"the column {column!r} is missing. The header needs {_EXAMPLE}"
    for column in header:
        if column not in known:
            close = get_close_matches(column, known, n=1)
            remedy = f"Did you mean {close[0]}?" if close else f"The columns are {', '.join(known)}."
            yield f"{column!r} is no column of a trace. {remedy}"
        elif header.count(column) > 1:
            yield f"the column {column!r} is given twice. Keep one of the two."


def _session(header: Sequence[str], row: Sequence[str], zone: ZoneInfo) -> tuple[DemandSession | None, list[str]]:
    if len(row) != len(header):
        return None, [f"column {len(row)}: there are {len(row)} values under {len(header)} columns"]
    values: dict[str, object] = {}
    wrong = []
    for column, text in zip(header, row, strict=True):
        try:
            values[column] = _READERS[column](text.strip(), zone)
        except _Unreadable as error:
            wrong.append(f"column {column!r}: {text.strip()!r} {error}")
    return (None, wrong) if wrong else (_of(values), [])


def _of(values: Mapping[str, object]) -> DemandSession:
    # A length is given in minutes by people, and counted in seconds here.
    renamed = {("length_seconds" if name == "length_minutes" else name): value for name, value in values.items()}
    return DemandSession(**renamed)  # type: ignore[arg-type]


def _start(text: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Unreadable("is no ISO 8601 time. Write 2026-03-02T08:30:00 or 2026-03-02T08:30:00+01:00.") from None
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise _Unreadable(f"lies outside of the years {_FIRST_YEAR} to {_LAST_YEAR}.")
    return wall_to_utc(moment, zone, occurrence="first") if moment.tzinfo is None else moment.astimezone(UTC)


def _length_seconds(text: str, _zone: ZoneInfo) -> float:
    try:
        minutes = float(text)
    except ValueError:
        raise _Unreadable("is no number. Write minutes, such as 45 or 7.5.") from None
    if not isfinite(minutes) or minutes <= 0:
        raise _Unreadable("is no length. Write minutes above 0.")
    if minutes > _MOST_MINUTES:
        raise _Unreadable(f"is longer than a year. Write at most {_MOST_MINUTES} minutes.")
    return minutes * 60


def _needed_text(text: str, _zone: ZoneInfo) -> str:
    if not text:
        raise _Unreadable("says nobody. Write a name; the same name is the same person.")
    return text


def _optional_text(text: str, _zone: ZoneInfo) -> str | None:
    return text or None


def _kind(text: str, _zone: ZoneInfo) -> SessionKind:
    if text and text not in list(SessionKind):
        raise _Unreadable(f"is no kind of session. Write {' or '.join(SessionKind)}.")
    return SessionKind(text) if text else SessionKind.DESKTOP


def _priority(text: str, _zone: ZoneInfo) -> int:
    try:
        return int(text or "0")
    except ValueError:
        raise _Unreadable("is no whole number. Write one, higher is served first, or leave it empty.") from None


_READERS: Final[Mapping[str, Callable[[str, ZoneInfo], object]]] = {
    "start": _start,
    "user": _needed_text,
    "length_minutes": _length_seconds,
    "pool": _optional_text,
    "workspace": _optional_text,
    "kind": _kind,
    "zone": _optional_text,
    "priority": _priority,
}
