"""The options of `poolwright simulate`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

FIRST_DAY: Final = datetime(2026, 3, 2)  # noqa: DTZ001  a day of the calendar
"""A Monday. Not today: the same command is to give the same figures tomorrow."""

Files = Annotated[
    list[Path],
    typer.Argument(help="YAML files, directories of them, or -: together one configuration.", show_default=False),
]
Compare = Annotated[
    list[Path] | None,
    typer.Option(help="Another configuration, played against the same demand (repeatable).", show_default=False),
]
Vary = Annotated[
    str | None,
    typer.Option(
        help="Play the files once for each of these values of a setting of their autoscale configs, such as "
        "minimum_available_sessions=0,5,20.",
        show_default=False,
    ),
]
Trace = Annotated[
    Path | None,
    typer.Option(
        "--demand",
        help="CSV file with the columns start, user, length_minutes and, where needed, pool, workspace, kind, zone, "
        "priority.",
        show_default=False,
    ),
]
Shape = Annotated[
    str | None,
    typer.Option(
        help="office-day, class-start, shift-change, launch-spike or steady. Without --demand: office-day.",
        show_default=False,
    ),
]
Sessions = Annotated[int, typer.Option(min=0, max=1_000_000, help="Shape: sessions a day.")]
Days = Annotated[int, typer.Option(min=1, help="Shape: calendar days.")]
FirstDay = Annotated[
    datetime,
    typer.Option("--from", formats=["%Y-%m-%d"], help="Shape: the first day.", show_default=f"{FIRST_DAY:%Y-%m-%d}"),
]
MeanMinutes = Annotated[
    float | None,
    typer.Option(help="Shape: mean length of a session. Left out: the shape's own.", show_default=False),
]
Weekdays = Annotated[
    str | None,
    typer.Option(help="Shape: days of the week, such as mon,tue,sat. Left out: the shape's own.", show_default=False),
]
Timezone = Annotated[
    str | None,
    typer.Option(
        help="Zone of the shape's clock, of times in the trace without an offset, and of the picture. Left out: that "
        "of the first schedule, or UTC.",
        show_default=False,
    ),
]
Pool = Annotated[str | None, typer.Option(help="Shape: the pool it is for, if there are several.", show_default=False)]
Workspace = Annotated[
    str | None, typer.Option(help="Shape: the workspace of docker agents, if there are several.", show_default=False)
]
Boot = Annotated[
    list[str] | None,
    typer.Option(
        help="How long boots take, in seconds: 60, uniform:60-120, normal:p50=90,p95=120, lognormal:p50=90,p95=180 or "
        "empirical:70,85,300; NAME=60 for one VM provider config (repeatable). Left out: lognormal:p50=90,p95=180.",
        show_default=False,
    ),
]
Failures = Annotated[float, typer.Option(min=0, max=1, help="Share of boots that fail.")]
FailAfter = Annotated[
    float | None,
    typer.Option(min=0, help="Seconds until such a boot fails. Left out: it never checks in.", show_default=False),
]
DeleteSeconds = Annotated[float, typer.Option(min=0, help="Seconds until a deleted VM is gone.")]
Price = Annotated[
    list[str] | None,
    typer.Option(
        help="Price of a VM for an hour, in any currency: 0.12; NAME=0.12 for one VM provider config (repeatable).",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same luck, in every alternative.")]
Picture = Annotated[
    Path | None,
    typer.Option(help="Draw demand, capacity and waiting over time: a .png, .svg or .html file.", show_default=False),
]
