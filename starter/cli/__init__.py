"""The command line. Each command imports what it needs when it runs, so that `--help` and completion are quick."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from starter.cli import (
    configuration,
    decisions,
    keys,
    pools,
    processes,
    providers,
    records,
    servers,
    sessions,
    simulate,
    stack,
    sweeps,
)
from starter.cli.program import Program

app = typer.Typer(
    name="poolwright",
    cls=Program,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
def poolwright(
    data_directory: Annotated[
        Path | None,
        typer.Option(
            help="Where the installation keeps its database and its key; also POOLWRIGHT_DATA_DIRECTORY. "
            "Left out: .poolwright here.",
            show_default=False,
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error came from.")] = False,  # noqa: ARG001
) -> None:
    """Keep pools of virtual machines ready for people's sessions.

    \b
    Examples:
      poolwright up
      poolwright apply examples/local.yaml
      poolwright server list
      poolwright session request --pool demo --user ada --wait
      poolwright explain demo
    """
    if data_directory is not None:
        # Through the environment, as everything else: providers and child processes look there too.
        os.environ["POOLWRIGHT_DATA_DIRECTORY"] = str(data_directory)


for command in (
    stack.up,
    stack.down,
    stack.status,
    configuration.get,
    configuration.apply,
    configuration.diff,
    configuration.delete,
    configuration.export,
    decisions.explain,
    decisions.plan,
    simulate.simulate,
    processes.endpoint,
    processes.worker,
    processes.version,
):
    app.command()(command)

app.add_typer(servers.app, name="server")
app.add_typer(pools.app, name="pool")
app.add_typer(sessions.app, name="session")
app.add_typer(decisions.schedule, name="schedule")
app.add_typer(keys.api_key, name="api-key")
app.add_typer(keys.secrets, name="secrets")
app.add_typer(processes.database, name="database")
app.add_typer(providers.app, name="provider")
app.add_typer(records.dns, name="dns")
app.add_typer(records.directory, name="directory")
app.add_typer(sweeps.app, name="sweep")


def main() -> None:
    """The program `poolwright`."""
    _open_closed_streams()
    try:
        app()
    except SystemExit as ended:
        # The Temporal SDK's own threads may call into Python while it shuts down, which aborts the process in place of
        # the exit code. Everything of ours is closed and committed by now: leave without that shutdown.
        if "temporalio" in sys.modules and isinstance(ended.code, int):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ended.code)
        raise


def _open_closed_streams() -> None:
    """Schedulers start programs without standard streams, for which Python has None: what is said then goes nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  stays open
