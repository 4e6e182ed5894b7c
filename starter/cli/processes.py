"""`endpoint`, `worker` and `database upgrade`: what a deployment runs."""

import os
import sys
from typing import Annotated

import typer

from starter.cli.database import open_database, read_settings
from starter.cli.output import note

database = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The database's tables.")


def endpoint() -> None:
    """Serve the check-in endpoint and the session API until SIGTERM or SIGINT.

    Where it listens comes from POOLWRIGHT_HOST and POOLWRIGHT_ENDPOINT_PORT.

    \b
    Example:
      POOLWRIGHT_HOST=0.0.0.0 poolwright endpoint
    """
    import asyncio

    from starter.endpoint.serve import serve

    asyncio.run(serve(read_settings()))


def worker(
    zone: Annotated[list[str] | None, typer.Option(help="Serve only this zone; may be given several times.")] = None,
    no_workflows: Annotated[
        bool, typer.Option("--no-workflows", help="Only what touches providers: for a worker in a zone.")
    ] = False,
) -> None:
    """Run workflows and activities until SIGTERM or SIGINT. Any number of workers may run at once.

    \b
    Examples:
      poolwright worker
      poolwright worker --zone frankfurt --no-workflows
    """
    arguments = [part for name in zone or () for part in ("--zone", name)]
    if no_workflows:
        arguments.append("--no-workflows")
    # It takes this process over, so that signals reach it and nothing of the command line stays in memory.
    os.execv(sys.executable, [sys.executable, "-m", "worker", *arguments])  # noqa: S606


@database.command()
def upgrade() -> None:
    """Create the tables, or bring them to this version. Repeatable; several processes may run it at once.

    \b
    Example:
      poolwright database upgrade
    """
    with open_database(create=True):
        note("The database is up to date.")


def version() -> None:
    """Print the version.

    \b
    Example:
      poolwright version
    """
    from importlib.metadata import version as version_of

    typer.echo(f"poolwright {version_of('poolwright')}, Python {sys.version.partition(' ')[0]}")
