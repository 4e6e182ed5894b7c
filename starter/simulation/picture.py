"""Pictures of simulations: demand and capacity over time, and who waits below."""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from poolwright.domain.simulation.results import Outcome, PoolOutcome, Series
from starter.simulation.comparing import Played
from starter.simulation.figures import seconds_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_INCHES: Final = 12.0
_HEIGHT_INCHES: Final = 4.3
"""Of each pool of each alternative."""
_DOTS_PER_INCH: Final = 130

_DEMAND: Final = "#b3261e"
_READY: Final = "#8ab6d6"
_BOOTING: Final = "#f2c14e"
_WAITING: Final = "#6a4c93"
_QUIET: Final = "#5f6368"
_GRID: Final = "#e3e5e8"

_DAY_SECONDS: Final = 86_400
_MEANS_UP_TO_SECONDS: Final = 3600

_STYLE: Final = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _QUIET,
    "axes.axisbelow": True,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "svg.fonttype": "none",
    "svg.hashsalt": "poolwright",
}


def draw(played: Sequence[Played], title: str | None, timezone: ZoneInfo, form: str) -> bytes:
    """The picture as a file of this form, `png` or `svg`. The same input gives the same bytes.

    Raises ModuleNotFoundError without the extra `simulation`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels = _panels(played)
    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(_WIDTH_INCHES, 0.9 + _HEIGHT_INCHES * len(panels)), layout="constrained")
        if title is not None:
            figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
        rows = figure.subplots(2 * len(panels), 1, sharex=True, squeeze=False, height_ratios=[3, 1.1] * len(panels))
        axes = [row[0] for row in rows]
        for number, (one, pool) in enumerate(panels):
            upper, lower = axes[2 * number], axes[2 * number + 1]
            _draw_capacity(upper, pool.series)
            _draw_waiting(lower, pool.series)
            _title(upper, one, pool, named=len(panels) > 1)
        _share_scales(axes)
        _date_axis(axes[-1], played[0].outcome, timezone)
        _legend(figure, axes)
        return _saved(figure, form)


def _panels(played: Sequence[Played]) -> list[tuple[Played, PoolOutcome]]:
    """Every pool of one alternative; of several, those that are asked for sessions, if any is."""
    everything = [(one, pool) for one in played for pool in one.outcome.pools]
    asked_for = [(one, pool) for one, pool in everything if pool.figures.sessions]
    return asked_for if asked_for and len(played) > 1 else everything


def _draw_capacity(axes: "Axes", series: Series) -> None:
    if series.step_seconds > _MEANS_UP_TO_SECONDS:
        _draw_peaks(axes, series)
    else:
        _draw_means(axes, series)
    axes.set_ylabel(series.unit)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.margins(x=0)


def _draw_means(axes: "Axes", series: Series) -> None:
    edges, ready, demand = _edges(series), _to_the_end(series.ready), _to_the_end(series.demand)
    total = [a + b for a, b in zip(ready, _to_the_end(series.booting), strict=True)]
    axes.fill_between(edges, ready, total, step="post", color=_BOOTING, linewidth=0, label="on its way (booting)")
    axes.fill_between(edges, 0, ready, step="post", color=_READY, linewidth=0, label="ready (used and free)")
    peak = _to_the_end(series.demand_peak)
    axes.fill_between(edges, demand, peak, step="post", color=_DEMAND, alpha=0.25, linewidth=0, label="its peaks")
    axes.step(edges, demand, where="post", color=_DEMAND, linewidth=1.5, label="demand (in use and waiting)")


def _draw_peaks(axes: "Axes", series: Series) -> None:
    """Over long times: means of many hours would hide what a day looks like."""
    edges, highest = _edges(series), f"highest in {seconds_text(series.step_seconds)}"
    ready, demand = _to_the_end(series.ready_peak), _to_the_end(series.demand_peak)
    axes.fill_between(
        edges, 0, ready, step="post", color=_READY, linewidth=0, label=f"ready (used and free), {highest}"
    )
    axes.step(edges, demand, where="post", color=_DEMAND, linewidth=1, label=f"demand (in use and waiting), {highest}")


def _draw_waiting(axes: "Axes", series: Series) -> None:
    from matplotlib.ticker import MaxNLocator

    edges = _edges(series)
    peak = _to_the_end(series.waiting_peak)
    axes.fill_between(edges, 0, peak, step="post", color=_WAITING, linewidth=0, label="people who wait (most at once)")
    if not any(peak):
        axes.text(0.5, 0.5, "nobody has to wait", transform=axes.transAxes, ha="center", va="center", color=_QUIET)
    axes.set_ylabel("waiting")
    axes.grid(color=_GRID, linewidth=0.8)
    axes.margins(x=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def _title(axes: "Axes", one: Played, pool: PoolOutcome, *, named: bool) -> None:
    figures = pool.figures
    several = len(one.outcome.pools) > 1
    name = f"{one.alternative.name}, pool {pool.pool}" if several else one.alternative.name
    facts = [
        f"{figures.served_at_once_share:.1%} served at once",
        f"95 % waited at most {seconds_text(figures.waiting.p95_seconds)}",
        f"{figures.vm_hours.total:,.0f} VM-hours",
    ]
    if figures.refused:
        facts.insert(2, f"{figures.refused:,} gave up")
    if figures.cost is not None:
        facts.append(f"cost {figures.cost:,.2f}")
    axes.set_title(" · ".join(facts), loc="right" if named else "left", fontsize=10, color=_QUIET)
    if named:
        axes.set_title(name, loc="left", fontsize=11, fontweight="bold")


def _share_scales(axes: "Sequence[Axes]") -> None:
    """What is compared is drawn to one scale, in which all of it has room. Once everything is drawn."""
    for kind in (axes[0::2], axes[1::2]):
        top = max(1.0, *(float(one.dataLim.y1) for one in kind)) * 1.05
        for one in kind:
            one.set_ylim(0, top)


def _date_axis(axes: "Axes", outcome: Outcome, timezone: ZoneInfo) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=timezone, minticks=5, maxticks=14)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator,
        tz=timezone,
        formats=["%Y", "%b", "%a %d", "%H:%M", "%H:%M", "%H:%M:%S"],
        zero_formats=["", "%b %Y", "%a %d %b", "%a %d %b", "%H:%M", "%H:%M"],
        show_offset=False,
    )
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlim(_day_number(outcome.begin), _day_number(outcome.end))
    first, last = outcome.begin.astimezone(timezone), outcome.end.astimezone(timezone)
    axes.set_xlabel(f"{first:%A %d %B %Y} to {last:%A %d %B %Y}, clocks of {timezone.key}", color=_QUIET)


def _legend(figure: "Figure", axes: "Sequence[Axes]") -> None:
    handles, labels = axes[0].get_legend_handles_labels()
    waiting_handles, waiting_labels = axes[1].get_legend_handles_labels()
    # Demand first: it is what the rest is there for.
    figure.legend(
        [*reversed(handles), *waiting_handles],
        [*reversed(labels), *waiting_labels],
        loc="outside lower center",
        ncols=5,
        frameon=False,
    )


def _to_the_end(values: Sequence[float]) -> list[float]:
    """The last value holds up to the last edge."""
    return [*values, values[-1]]


def _edges(series: Series) -> list[float]:
    return [_day_number(at) for at in (*series.at, series.until)]


def _day_number(at: datetime) -> float:
    """Days since 1970 in UTC, which is how the library counts on a date axis."""
    return at.timestamp() / _DAY_SECONDS


def _saved(figure: "Figure", form: str) -> bytes:
    buffer = BytesIO()
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    figure.savefig(buffer, format=form, dpi=_DOTS_PER_INCH, metadata=metadata)
    return buffer.getvalue()
