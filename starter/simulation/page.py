"""A simulation as one HTML file that needs nothing beside it: the picture and the figures."""

from collections.abc import Iterator, Sequence
from html import escape
from zoneinfo import ZoneInfo

from poolwright.domain.simulation import Conditions
from starter.simulation.comparing import Demand, Played
from starter.simulation.figures import lines
from starter.simulation.picture import draw

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #202124; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
svg { width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .9rem; border-bottom: 1px solid #e3e5e8; white-space: pre; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
"""


def page(played: Sequence[Played], demand: Demand, conditions: Conditions, timezone: ZoneInfo) -> str:
    """The page. Raises ModuleNotFoundError without the extra `simulation`."""
    picture = draw(played, None, timezone, "svg").decode()
    svg = picture[picture.index("<svg") :]
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f"<title>Simulation: {escape(demand.description)}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            f"<h1>Simulation: {escape(demand.description)}</h1>",
            svg,
            "<h2>Figures</h2>",
            *_table(played),
            "<h2>Conditions</h2>",
            "<ul>",
            *(f"<li>{escape(text)}</li>" for text in _conditions(played, demand, conditions)),
            "</ul>",
            "</body>",
            "</html>",
            "",
        )
    )


def _table(played: Sequence[Played]) -> Iterator[str]:
    yield "<table>"
    names = "".join(f"<th>{escape(one.alternative.name)}</th>" for one in played)
    yield f"<tr><th></th>{names}</tr>"
    for line in lines(played):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in line.cells)
        yield f"<tr><td>{escape(line.label)}</td>{cells}</tr>"
    yield "</table>"


def _conditions(played: Sequence[Played], demand: Demand, conditions: Conditions) -> Iterator[str]:
    yield f"From {demand.begin:%Y-%m-%d %H:%M %Z} to {demand.end:%Y-%m-%d %H:%M %Z}, beginning with no server."
    yield f"Boot time: {_words(conditions.boot.model_dump())}."
    for name, duration in conditions.boot_by_provider.items():
        yield f"Boot time on {name}: {_words(duration.model_dump())}."
    if conditions.failures.share:
        yield f"{conditions.failures.share:.1%} of boots fail."
    yield f"A deleted VM is gone after {conditions.delete_seconds:g} seconds."
    for name, price in conditions.prices_per_hour.items():
        yield f"A VM on {name} costs {price:g} an hour."
    yield from dict.fromkeys(remark for one in played for remark in one.outcome.remarks)


def _words(duration: dict[str, object]) -> str:
    values = ", ".join(f"{name} {value}" for name, value in duration.items() if name != "shape")
    return f"{duration['shape']}, {values} (seconds)"
