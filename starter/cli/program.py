"""The root of all commands: errors become sentences and exit codes; the local stack is loaded only when it is used."""

import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from starter.cli.failures import explained

LOCAL_STACK: Final[Mapping[str, str]] = {
    "up": "Run everything on this machine: Temporal with its Web UI, the worker, the check-in endpoint and session "
    "API.",
    "down": "Stop what `poolwright up` started on this data directory.",
    "status": "Show what runs on this data directory. Exit code 0 if everything does, 1 if not.",
}
"""Commands of `starter.cli.stack` with their first lines: the list of commands must not wait for what they import."""


class Program(TyperGroup):
    """The program `poolwright`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, help_text in LOCAL_STACK.items():
            self.add_command(TyperCommand(name=name, help=help_text))

    def invoke(self, ctx: Any) -> Any:
        """Run the command. A traceback is only shown with `--debug`."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            # Those say how to end by themselves, as does a reader such as `head` that has read enough.
            raise
        except Exception as error:  # noqa: BLE001  the last place where an error can become a sentence
            if ctx.params.get("debug"):
                traceback.print_exc(file=sys.stderr)
            message, code = explained(error)
            typer.echo(f"Error: {message}", err=True)
            raise typer.Exit(code) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is to run, fully loaded."""
        if args and args[0] in LOCAL_STACK:
            self.load_local_stack()
        return super().resolve_command(ctx, args)

    def load_local_stack(self) -> None:
        """Put the real commands in place of those that only stand in the list."""
        from starter.cli import stack

        app = typer.Typer(rich_markup_mode=None)
        stack.register(app)
        loaded = typer.main.get_command(app)
        assert isinstance(loaded, TyperGroup)
        self.commands.update(loaded.commands)
