"""The page on the command line, from the commands themselves."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from starter.cli import app
from starter.cli.exit_codes import MEANINGS
from starter.cli.program import Program

_INTRODUCTION = """\
# Command line

This page is made from the commands by `python -m tools.make_reference`; `--help` says the same.

The data directory comes from `--data-directory` or `POOLWRIGHT_DATA_DIRECTORY`, the Temporal server from Temporal's own
variables (`TEMPORAL_ADDRESS`, `TEMPORAL_PROFILE`, ...), or else from the local stack that runs on the data directory.
`poolwright --install-completion` completes commands and names of pools, servers and documents in your shell.

## Output

Results go to standard output, remarks and errors to standard error: one sentence, with the way out. `-o json` and
`-o yaml` print the same data for programs. These keys will stay:

| command | JSON |
|---|---|
| `server list` | array of objects with at least `id hostname pool zone provider state progress message address` and \
`created_at` |
| `session request`, `session status` | object with at least `id state server connection queued_seconds` |
| `explain`, `plan` | object with `at numbers actions reasons`; `configs` holds each autoscale config by itself |
| `apply`, `diff` | array of `kind name change fields reshapes`; `change` is `create`, `update` or `unchanged` |
| `apply`, `diff` refused | object with `problems`, each with `file line kind name key value what remedy` |

## Exit codes
"""


def command_page() -> str:
    """`docs/cli.md`."""
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANINGS.items())
    root = typer.main.get_command(app)
    assert isinstance(root, Program)
    context = typer.Context(root, info_name="poolwright")
    options = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in _records(root, context))
    sections = [
        f"{_INTRODUCTION}\n| code | meaning |\n|---|---|\n{codes}",
        f"## Options of every command\n\n| option | meaning |\n|---|---|\n{options}",
        *_sections(root, context),
    ]
    return "\n".join(sections)


def _sections(group: TyperGroup, context: typer.Context) -> Iterator[str]:
    for name, command in group.commands.items():
        inner = typer.Context(command, info_name=name, parent=context)
        if isinstance(command, TyperGroup):
            yield f"## poolwright {name}\n\n{command.help}\n"
            yield from _sections(command, inner)
        else:
            depth = "##" if context.parent is None else "###"
            yield f"{depth} {inner.command_path}\n\n{_body(command, inner)}"


def _body(command: Any, context: typer.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = f"{_prose(command.help or '').rstrip()}\n\n```\n{usage}\n```\n"
    lines = [f"| `{name}` | {meaning} |\n" for name, meaning in _records(command, context)]
    return f"{text}\n| | |\n|---|---|\n{''.join(lines)}" if lines else text


def _records(command: Any, context: typer.Context) -> Iterator[tuple[str, str]]:
    """Each parameter with its meaning; `--help` goes without saying."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.name != "help":
            name, meaning = record
            yield name.replace("|", "/"), " ".join(meaning.split()).replace("|", "\\|")


def _prose(help_text: str) -> str:
    """Paragraphs as they are, examples as code."""
    text = ""
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            title, *examples = paragraph.removeprefix("\b\n").split("\n")
            text += f"{title}\n\n```\n" + "".join(f"{line.strip()}\n" for line in examples) + "```\n\n"
        else:
            text += f"{paragraph}\n\n"
    return text
