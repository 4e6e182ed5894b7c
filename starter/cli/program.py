"""The root of all commands: errors become sentences and exit codes."""

import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from starter.cli.failures import explained
from starter.cli.output import note


class Program(TyperGroup):
    """The program `poolwright`."""

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
            note(f"Error: {message}")
            raise typer.Exit(code) from None
