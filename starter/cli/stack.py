"""`poolwright up`, `down` and `status`: the local stack."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from starter.settings import Settings, load_settings

if TYPE_CHECKING:
    from poolwright.store.engine import Store

DataDirectory = Annotated[
    Path | None, typer.Option(help="Databases, key, logs and local machines. Default: .poolwright", show_default=False)
]
TemporalPort = Annotated[int | None, typer.Option(help="Temporal server. Default: 7233", show_default=False)]
UIPort = Annotated[int | None, typer.Option(help="Temporal Web UI. Default: 8233", show_default=False)]
EndpointPort = Annotated[int | None, typer.Option(help="Check-in and session API. Default: 8780", show_default=False)]
MetricsPort = Annotated[int | None, typer.Option(help="Worker's metrics. Default: 9780", show_default=False)]
Output = Annotated[str, typer.Option("--output", "-o", help="table or json")]


def register(app: typer.Typer) -> None:
    """Add the commands of the local stack to the program."""
    for command in (up, down, status):
        app.command()(command)


def up(
    apply: Annotated[
        list[Path] | None,
        typer.Option(help="Apply this file (repeatable). Left out: an empty database gets the example pool."),
    ] = None,
    detach: Annotated[bool, typer.Option(help="Return when everything is ready; it goes on in the background.")] = False,
    view: Annotated[bool, typer.Option(help="Show servers and decisions while it runs.")] = True,
    data_directory: DataDirectory = None,
    temporal_port: TemporalPort = None,
    ui_port: UIPort = None,
    endpoint_port: EndpointPort = None,
    metrics_port: MetricsPort = None,
    output: Output = "table",
) -> None:
    """Run everything on this machine: Temporal with its Web UI, the worker, the check-in endpoint and session API.

    Carries on where it was: the same servers, none new, none lost. Ctrl-C stops it; servers keep running.

    Example: poolwright up --endpoint-port 9000 --apply my-pools.yaml
    """
    from starter.stack import launcher

    settings = load_settings(
        data_directory=data_directory,
        temporal_port=temporal_port,
        ui_port=ui_port,
        endpoint_port=endpoint_port,
        metrics_port=metrics_port,
    )
    files = list(apply or ())
    if detach:
        stack = launcher.up_detached(settings, [word for file in files for word in ("--apply", str(file))])
        _print_status(settings, output)
        if output != "json":
            Console().print(f"ready: Web UI {stack.ui_url}, API {stack.api_url}/docs", highlight=False)
        return
    console = Console()
    launcher.up(settings, files, _apply, console, view=view and console.is_terminal)


def down(
    delete_servers: Annotated[
        bool, typer.Option(help="First delete every server, whoever uses it. Otherwise they keep running.")
    ] = False,
    data_directory: DataDirectory = None,
) -> None:
    """Stop what `poolwright up` started on this data directory.

    Example: poolwright down --delete-servers
    """
    from starter.stack import launcher

    settings = load_settings(data_directory=data_directory)
    console = Console()
    if delete_servers:
        stack, alive = launcher.status(settings)
        if stack is None or not all(alive.values()):
            console.print("nothing runs here that could delete servers: start it with `poolwright up` first", style="red")
            raise typer.Exit(1)
        os.environ["TEMPORAL_ADDRESS"] = f"{stack.host}:{stack.temporal_port}"
        deleted = asyncio.run(launcher.delete_servers(settings))
        console.print(f"deleted {deleted} server(s)")
    console.print("stopped" if launcher.down(settings) else f"nothing runs on {settings.data_directory}")


def status(data_directory: DataDirectory = None, output: Output = "table") -> None:
    """Show what runs on this data directory. Exit code 0 if everything does, 1 if not.

    Example: poolwright status -o json
    """
    settings = load_settings(data_directory=data_directory)
    if not _print_status(settings, output):
        raise typer.Exit(1)


def _print_status(settings: Settings, output: str) -> bool:
    from rich.table import Table

    from starter.stack import launcher

    stack, alive = launcher.status(settings)
    fine = stack is not None and stack.ready and all(alive.values())
    if output == "json":
        answer = {
            "running": fine,
            "data_directory": str(settings.data_directory.absolute()),
            "components": alive,
            "ui": stack.ui_url if stack else None,
            "api": stack.api_url if stack else None,
            "temporal_address": f"{stack.host}:{stack.temporal_port}" if stack else None,
            "process_id": stack.supervisor.process_id if stack else None,
        }
        typer.echo(json.dumps(answer, indent=2))
        return fine
    if stack is None:
        typer.echo(f"nothing runs on {settings.data_directory}: start it with `poolwright up`")
        return False
    table = Table("component", "state")
    for name, lives in alive.items():
        table.add_row(name, "running" if lives else "[red]not running[/]")
    Console().print(table)
    return fine


def _apply(store: "Store", files: Sequence[Path]) -> Sequence[str]:
    from starter.configuration.applying import apply
    from starter.configuration.sources import read_sources

    sources, problems = read_sources(files)
    return apply(store, sources, problems).autoscales
