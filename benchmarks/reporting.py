"""What every benchmark shares: its conditions, the comparison with its aims, the table and the JSON file."""

import json
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

RESULTS: Final = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Aim:
    """A figure beside what it should be. Exactly one of the two limits is set."""

    what: str
    figure: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool:
        """The figure keeps within its limit."""
        if self.at_most is not None:
            return self.figure <= self.at_most
        return self.at_least is not None and self.figure >= self.at_least

    @property
    def limit(self) -> str:
        """The limit in words."""
        return f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"


class Conditions:
    """What surrounded a run: the machine, the versions, and how busy others kept it. Begin before the first figure."""

    def __init__(self) -> None:
        self._load_before = os.getloadavg()[0]

    def facts(self) -> dict[str, Any]:
        """The conditions of the run that now ends."""
        return {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "processors": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "temporalio": version("temporalio"),
            "sqlalchemy": version("sqlalchemy"),
            "sqlite": sqlite3.sqlite_version,
            "load_average_before": round(self._load_before, 2),
            "load_average_after": round(os.getloadavg()[0], 2),
        }


def report(
    name: str,
    title: str,
    conditions: Conditions,
    aims: Sequence[Aim],
    measurements: Mapping[str, Any],
    tables: Sequence[Table] = (),
) -> None:
    """Print the tables and the aims, and write `results/<name>.json`."""
    facts = conditions.facts()
    console = Console()
    for table in tables:
        console.print(table)
    console.print(_aims_table(title, aims))
    console.print(f"load average {facts['load_average_before']} before, {facts['load_average_after']} after")
    result = {
        "conditions": facts,
        "aims": [{**asdict(aim), "figure": round(aim.figure, 3), "met": aim.met} for aim in aims],
        "measurements": measurements,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")


def _aims_table(title: str, aims: Sequence[Aim]) -> Table:
    table = Table("what", "figure", "aim", "", title=title)
    for aim in aims:
        met = "[green]met[/green]" if aim.met else "[red]missed[/red]"
        table.add_row(aim.what, f"{aim.figure:.3g} {aim.unit}", aim.limit, met)
    return table
