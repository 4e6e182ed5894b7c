"""What commands print: tables for people, JSON and YAML for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from starter.terminal import printable

_WIDE: Final = 1_000


class OutputFormat(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Output = Annotated[
    OutputFormat, typer.Option("--output", "-o", help="How to print the result: for people, or for programs.")
]
"""The option `-o`."""


def emit(output: OutputFormat, data: Any, table: Callable[[], None]) -> None:
    """Print JSON-like data, or let `table` print it for people."""
    if output is OutputFormat.JSON:
        typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
    elif output is OutputFormat.YAML:
        import yaml

        typer.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)
    else:
        table()


def say(text: str) -> None:
    """A line of a result for people."""
    typer.echo(printable(text))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table, or the sentence `empty`."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = [[Text("" if cell is None else printable(cell)) for cell in row] for row in rows]
    if not lines:
        note(empty)
        return
    table = Table(*(column.upper() for column in columns), box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for line in lines:
        table.add_row(*line)
    # Whatever reads a pipe wants whole lines.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    console.print(table)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """`name: value` lines, aligned; those without a value are left out."""
    known = [(name, value) for name, value in facts if value not in (None, "")]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        say(f"{name + ':':<{width + 1}} {value}")


def note(text: str) -> None:
    """A remark beside the result, on standard error."""
    typer.echo(printable(text), err=True)


def ago(moment: datetime | None, now: datetime) -> str | None:
    """How long ago that was, in its largest unit: `3m`."""
    if moment is None:
        return None
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def moment(at: datetime | None) -> str | None:
    """The time to the second, in UTC."""
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
