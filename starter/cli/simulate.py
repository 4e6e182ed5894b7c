"""`poolwright simulate`: a demand against configurations, without any server."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from starter.cli import simulation_options as options
from starter.cli.exit_codes import ExitCode
from starter.cli.failures import CommandFailed
from starter.cli.output import Output, OutputFormat, emit, note, print_table

if TYPE_CHECKING:
    from poolwright.domain.simulation import Conditions
    from starter.simulation.comparing import Alternative, Demand, Played
    from starter.simulation.figures import Line

_FORMS: Final = (".png", ".svg", ".html")
_WIDE: Final = 1_000
"""Characters of a line that nobody folds, for whatever reads a pipe."""


def simulate(
    files: options.Files,
    compare: options.Compare = None,
    vary: options.Vary = None,
    demand: options.Trace = None,
    shape: options.Shape = None,
    sessions: options.Sessions = 100,
    days: options.Days = 5,
    first_day: options.FirstDay = options.FIRST_DAY,
    mean_minutes: options.MeanMinutes = None,
    weekdays: options.Weekdays = None,
    timezone: options.Timezone = None,
    pool: options.Pool = None,
    workspace: options.Workspace = None,
    boot: options.Boot = None,
    failures: options.Failures = 0,
    fail_after: options.FailAfter = None,
    delete_seconds: options.DeleteSeconds = 30,
    price: options.Price = None,
    seed: options.Seed = 1,
    picture: options.Picture = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Play a demand against configurations: how long people would wait, and what it would cost.

    Decisions and placements are those of production; nobody has to wait for the time to pass. Needs no installation,
    and changes nothing.

    \b
    Examples:
      poolwright simulate examples/local.yaml --sessions 8
      poolwright simulate pool.yaml --demand last-month.csv --price 0.12 --picture last-month.html
      poolwright simulate pool.yaml --shape class-start --sessions 300 --vary minimum_available_sessions=0,10,40
      poolwright simulate now.yaml --compare then.yaml --boot lognormal:p50=90,p95=240 -o json
    """
    from starter.simulation import parameters
    from starter.simulation.comparing import alternatives, play_all

    _check_picture(picture)
    with _sentences():
        compared = alternatives(files, parameters.changes(vary), compare or ())
        zone = parameters.zone_name(timezone, compared)
        if demand is not None and shape is not None:
            raise parameters.UnusableParameter("--demand and --shape are both given: keep one of the two")
        if demand is not None:
            asked = parameters.trace(demand, zone)
        else:
            shaped = {
                "shape": shape or "office-day",
                "sessions_per_day": sessions,
                "first_day": first_day.date(),
                "days": days,
                "timezone": zone,
                "mean_minutes": mean_minutes,
                "weekdays": None if weekdays is None else tuple(weekdays.split(",")),
                "pool": pool,
                "workspace": workspace,
            }
            asked = parameters.shaped(shaped)
        conditions = parameters.conditions(
            compared,
            boot=boot or (),
            price=price or (),
            failures=failures,
            fail_after_seconds=fail_after,
            delete_seconds=delete_seconds,
        )
        with _progress(asked) as told:
            played = play_all(compared, asked, conditions, seed, told)
    emit(output, _data(played, asked, conditions, seed), lambda: _print(played, asked, conditions))
    if picture is not None:
        _draw(picture, played, asked, conditions, zone)


def _check_picture(picture: Path | None) -> None:
    """Before anything is played, which may take minutes."""
    if picture is None:
        return
    if picture.suffix.lower() not in _FORMS:
        raise CommandFailed(f"--picture {picture}: name a file that ends in {', '.join(_FORMS)}", ExitCode.USAGE)
    if not picture.absolute().parent.is_dir():
        raise CommandFailed(f"--picture {picture}: there is no directory {picture.parent}", ExitCode.USAGE)
    if find_spec("matplotlib") is None:
        raise CommandFailed("--picture needs matplotlib: pip install 'poolwright[simulation]' brings it")


@contextmanager
def _sentences() -> Iterator[None]:
    """What cannot be used, as an error of the command."""
    from starter.configuration.problems import ConfigurationRefused
    from starter.simulation.parameters import UnreadableTrace

    try:
        yield
    except ConfigurationRefused as error:
        raise CommandFailed(str(error), ExitCode.REFUSED) from None
    except UnreadableTrace as error:
        raise CommandFailed(str(error), ExitCode.REFUSED) from None
    except ValueError as error:
        raise CommandFailed(str(error), ExitCode.USAGE) from None


@contextmanager
def _progress(asked: "Demand") -> "Iterator[Callable[[Alternative, datetime], None]]":
    """A line on the terminal that says how far it is; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def told(alternative: "Alternative", now: datetime) -> None:
            if alternative.name not in tasks:
                tasks[alternative.name] = progress.add_task(alternative.name, total=1.0)
            progress.update(tasks[alternative.name], completed=(now - asked.begin) / (asked.end - asked.begin))

        yield told


def _data(played: "Sequence[Played]", asked: "Demand", conditions: "Conditions", seed: int) -> dict[str, Any]:
    return {
        "demand": asked.description,
        "conditions": conditions.model_dump(mode="json"),
        "seed": seed,
        "alternatives": [
            {
                "name": one.alternative.name,
                "files": list(one.alternative.files),
                "outcome": one.outcome.model_dump(mode="json"),
            }
            for one in played
        ],
    }


def _print(played: "Sequence[Played]", asked: "Demand", conditions: "Conditions") -> None:
    from starter.simulation.figures import POOL_COLUMNS, lines, pool_rows

    typer.echo(f"{asked.description}, {asked.begin:%Y-%m-%d %H:%M} to {asked.end:%Y-%m-%d %H:%M} UTC")
    _print_lines([one.alternative.name for one in played], lines(played))
    if any(len(one.outcome.pools) > 1 for one in played):
        print_table(POOL_COLUMNS, pool_rows(played), "")
    unpriced = _unpriced(played)
    if not conditions.prices_per_hour:
        note("No cost is shown without --price.")
    elif unpriced:
        note(f"No cost is shown for alternatives with VMs on {', '.join(unpriced)}: name a --price for these too.")
    if not conditions.failures.share and any(one.outcome.total.failed for one in played):
        note("The servers that failed took longer to boot than failure.boot_deadline_seconds allows.")
    for remark in dict.fromkeys(remark for one in played for remark in one.outcome.remarks):
        note(remark)


def _unpriced(played: "Sequence[Played]") -> list[str]:
    return sorted({used.vm_provider for one in played for used in one.outcome.vm_providers if used.cost is None})


def _print_lines(names: "Sequence[str]", rows: "Sequence[Line]") -> None:
    """Figures below each other, one column for each alternative."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(Text(name), justify="right", overflow="fold")
    for row in rows:
        table.add_row(row.label, *row.cells)
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)


def _draw(picture: Path, played: "Sequence[Played]", asked: "Demand", conditions: "Conditions", zone: str) -> None:
    from poolwright.domain.wall_clock import zone_named
    from starter.simulation.page import page
    from starter.simulation.picture import draw

    form = picture.suffix.lower().removeprefix(".")
    if form == "html":
        picture.write_text(page(played, asked, conditions, zone_named(zone)), encoding="utf-8")
    else:
        picture.write_bytes(draw(played, f"Demand and capacity: {asked.description}", zone_named(zone), form))
    note(f"The picture is in {picture}.")
