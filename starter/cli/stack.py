"""`poolwright up`, `down` and `status`: the local stack."""

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starter.cli.exit_codes import ExitCode
from starter.cli.failures import CommandFailed
from starter.cli.output import Output, OutputFormat, emit, note, say

if TYPE_CHECKING:
    from poolwright.store.engine import Store
    from starter.settings import Settings

DataDirectory = Annotated[
    Path | None, typer.Option(help="Databases, key, logs and local machines. Default: .poolwright", show_default=False)
]
TemporalPort = Annotated[int | None, typer.Option(help="Temporal server. Default: 7233", show_default=False)]
UIPort = Annotated[int | None, typer.Option(help="Temporal Web UI. Default: 8233", show_default=False)]
EndpointPort = Annotated[int | None, typer.Option(help="Check-in and session API. Default: 8780", show_default=False)]
MetricsPort = Annotated[int | None, typer.Option(help="Worker's metrics. Default: 9780", show_default=False)]


def up(
    apply: Annotated[
        list[Path] | None,
        typer.Option(help="Apply this file (repeatable). Left out: an empty database gets the example pool."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is ready; it runs on.")] = False,
    view: Annotated[bool, typer.Option(help="Show servers and decisions while it runs.")] = True,
    data_directory: DataDirectory = None,
    temporal_port: TemporalPort = None,
    ui_port: UIPort = None,
    endpoint_port: EndpointPort = None,
    metrics_port: MetricsPort = None,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Run everything on this machine: Temporal with its Web UI, the worker, the endpoint.

    Carries on where it was: the same servers, none new, none lost. Ctrl-C stops it; servers keep running.

    \b
    Examples:
      poolwright up
      poolwright up --detach --endpoint-port 9000 --apply my-pools.yaml
    """
    settings = _settings(
        data_directory=data_directory,
        temporal_port=temporal_port,
        ui_port=ui_port,
        endpoint_port=endpoint_port,
        metrics_port=metrics_port,
    )
    files = list(apply or ())
    if detach:
        from starter.stack import background

        try:
            background.up(settings, [word for file in files for word in ("--apply", str(file))])
        except background.NotStarted as problem:
            code = ExitCode(problem.code) if problem.code in list(ExitCode) else ExitCode.FAILED
            raise CommandFailed(str(problem), code) from None
        _print_status(settings, output)
        return
    from starter.stack import launcher

    launcher.up(settings, files, _apply, view=view and sys.stdout.isatty())


def down(
    delete_servers: Annotated[
        bool, typer.Option("--delete-servers", help="First delete every server, whoever uses it; else they run on.")
    ] = False,
    data_directory: DataDirectory = None,
) -> None:
    """Stop what `poolwright up` started on this data directory.

    \b
    Examples:
      poolwright down
      poolwright down --delete-servers
    """
    from starter.stack import background

    settings = _settings(data_directory=data_directory)
    if delete_servers:
        _delete_servers(settings)
    note("Stopped." if background.down(settings) else f"Nothing runs on {settings.data_directory}.")
    if delete_servers:
        _resume_pools(settings)


def status(data_directory: DataDirectory = None, output: Output = OutputFormat.TABLE) -> None:
    """Show what runs on this data directory. Exit code 0 if everything does, 1 if not.

    \b
    Example:
      poolwright status -o json
    """
    if not _print_status(_settings(data_directory=data_directory), output):
        raise typer.Exit(ExitCode.FAILED)


def _settings(**flags: Any) -> "Settings":
    from pydantic import ValidationError

    from starter.settings import load_settings

    try:
        return load_settings(**flags)
    except ValidationError as error:
        wrong = [f"{str(one['loc'][0]).replace('_', '-')}: {one['msg']}" for one in error.errors(include_input=False)]
        raise CommandFailed(f"a setting cannot be used: {'; '.join(wrong)}", ExitCode.USAGE) from None


def _delete_servers(settings: "Settings") -> None:
    import asyncio

    from starter.stack import background

    stack, alive = background.status(settings)
    if stack is None or not all(alive.values()):
        raise CommandFailed("nothing runs here that could delete servers: start it with `poolwright up` first")
    from starter.connection import connect
    from starter.signals import Signals
    from starter.stack.deletion import ServersLeft, delete_servers

    os.environ["TEMPORAL_ADDRESS"] = f"{stack.host}:{stack.temporal_port}"

    async def delete_all(store: "Store") -> int:
        return await delete_servers(store, Signals(await connect()))

    with closing(settings.open_store()) as store:
        try:
            deleted = asyncio.run(delete_all(store))
        except ServersLeft as left:
            raise CommandFailed(str(left), ExitCode.TIMED_OUT) from None
    note(f"Deleted {deleted} server(s).")


def _resume_pools(settings: "Settings") -> None:
    from starter.stack.deletion import resume_pools

    with closing(settings.open_store()) as store:
        resume_pools(store)


def _print_status(settings: "Settings", output: OutputFormat) -> bool:
    from starter.stack import background

    stack, alive = background.status(settings)
    fine = stack is not None and stack.ready and all(alive.values())
    answer = {
        "running": fine,
        "data_directory": str(settings.data_directory.absolute()),
        "components": alive,
        "ui": stack.ui_url if stack else None,
        "api": stack.api_url if stack else None,
        "temporal_address": f"{stack.host}:{stack.temporal_port}" if stack else None,
        "process_id": stack.supervisor.process_id if stack else None,
    }
    emit(output, answer, lambda: _print_components(answer))
    return fine


def _print_components(answer: dict[str, Any]) -> None:
    if answer["ui"] is None:
        say(f"Nothing runs on {answer['data_directory']}: start it with `poolwright up`.")
        return
    for name, lives in answer["components"].items():
        typer.echo(f"{name:<12}{'running' if lives else 'not running'}")
    typer.echo(f"{'Web UI':<12}{answer['ui']}\n{'API':<12}{answer['api']}/docs")


def _apply(store: "Store", files: Sequence[Path]) -> Sequence[str]:
    from starter.configuration.applying import apply
    from starter.configuration.sources import read_sources

    sources, problems = read_sources(files)
    return apply(store, sources, problems).autoscales
