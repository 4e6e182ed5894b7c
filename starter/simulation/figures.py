"""The figures of a simulation as text, one column for each alternative."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from poolwright.domain.simulation.results import Figures
from poolwright.domain.wording import number_text
from starter.simulation.comparing import Played


class Line(NamedTuple):
    """One figure of every alternative."""

    label: str
    cells: tuple[str, ...]


def lines(played: Sequence[Played]) -> list[Line]:
    """Every figure that says something."""
    figures = [one.outcome.total for one in played]
    first = figures[0]
    rows: list[tuple[str, Callable[[Figures], str], bool]] = [
        ("sessions asked for", lambda one: number_text(one.sessions), True),
        ("served at once", lambda one: f"{number_text(one.served_at_once)} ({one.served_at_once_share:.1%})", True),
        ("waited, median", lambda one: seconds_text(one.waiting.p50_seconds), True),
        ("waited, 90 %", lambda one: seconds_text(one.waiting.p90_seconds), True),
        ("waited, 95 %", lambda one: seconds_text(one.waiting.p95_seconds), True),
        ("waited, 99 %", lambda one: seconds_text(one.waiting.p99_seconds), True),
        ("waited, longest", lambda one: seconds_text(one.waiting.max_seconds), True),
        ("gave up waiting", lambda one: number_text(one.refused), True),
        ("still wait at the end", lambda one: number_text(one.waiting_at_end), _any(figures, "waiting_at_end")),
        ("cut short", lambda one: number_text(one.cut_short), _any(figures, "cut_short")),
        ("VM-hours", lambda one: _against(one.vm_hours.total, first.vm_hours.total), True),
        ("  with sessions", lambda one: _hours(one.vm_hours.busy), True),
        ("  idle", lambda one: _hours(one.vm_hours.idle), True),
        ("  booting", lambda one: _hours(one.vm_hours.booting), True),
        ("  being deleted", lambda one: _hours(one.vm_hours.leaving), True),
        ("cost", lambda one: _cost(one, first), any(one.cost is not None for one in figures)),
        ("utilisation", lambda one: f"{one.utilisation:.1%}", True),
        ("most servers at once", lambda one: number_text(one.peak_servers), True),
        ("servers created", lambda one: number_text(one.created), True),
        ("servers that failed", lambda one: number_text(one.failed), _any(figures, "failed")),
    ]
    return [Line(label, tuple(map(text, figures))) for label, text, shown in rows if shown]


POOL_COLUMNS: Final = ("alternative", "pool", "sessions", "at once", "waited, 95 %", "gave up", "VM-hours", "servers")


def pool_rows(played: Sequence[Played]) -> list[tuple[str, ...]]:
    """A line for each pool of each alternative."""
    return [
        (
            one.alternative.name,
            pool.pool,
            number_text(pool.figures.sessions),
            f"{pool.figures.served_at_once_share:.1%}",
            seconds_text(pool.figures.waiting.p95_seconds),
            number_text(pool.figures.refused),
            _hours(pool.figures.vm_hours.total),
            number_text(pool.figures.peak_servers),
        )
        for one in played
        for pool in one.outcome.pools
    ]


def seconds_text(seconds: float) -> str:
    """`0 s`, `4.2 s`, `45 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _any(figures: Sequence[Figures], name: str) -> bool:
    return any(getattr(one, name) for one in figures)


def _hours(hours: float) -> str:
    return f"{hours:,.1f}"


def _cost(one: Figures, first: Figures) -> str:
    if one.cost is None:
        return "no price"
    return f"{one.cost:,.2f}" + _change(one.cost, first.cost)


def _against(value: float, first: float) -> str:
    return _hours(value) + _change(value, first)


def _change(value: float, first: float | None) -> str:
    """How much more or less than in the first alternative; nothing for that one itself."""
    if not first or value == first:
        return ""
    return f" ({(value - first) / first:+.1%})"
