"""`get`, `apply`, `diff`, `delete` and `export`: what admins declare."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starter.cli import completion
from starter.cli.database import open_database
from starter.cli.exit_codes import ExitCode
from starter.cli.failures import CommandFailed
from starter.cli.output import Output, OutputFormat, emit, note, print_table, say

if TYPE_CHECKING:
    from poolwright.store.tables import DocumentRow
    from starter.configuration.changes import Change

_SIGNS = {"create": "+", "update": "~", "unchanged": "="}

Files = Annotated[
    list[Path], typer.Argument(help="YAML files, directories of them, or - for standard input.", show_default=False)
]
Kind = Annotated[str, typer.Argument(help="Kind of document, such as pool.", autocompletion=completion.kinds)]
Name = Annotated[str, typer.Argument(help="Name of the document.", autocompletion=completion.named_documents)]
OptionalKind = Annotated[
    str | None, typer.Argument(help="Kind of document; left out: all.", autocompletion=completion.kinds)
]
OptionalName = Annotated[
    str | None, typer.Argument(help="Name of one document.", autocompletion=completion.named_documents)
]


def get(
    kind: OptionalKind = None,
    name: OptionalName = None,
    everything: Annotated[bool, typer.Option("--all", help="Show defaults too, not only what was set.")] = False,
    output: Annotated[
        OutputFormat | None,
        typer.Option("--output", "-o", help="Left out: a table, or YAML for a single document."),
    ] = None,
) -> None:
    """List what is declared, or show one document.

    \b
    Examples:
      poolwright get
      poolwright get pool
      poolwright get autoscale demo-local --all
    """
    from starter.configuration.exporting import declared_body, full_body, to_yaml

    body_of = full_body if everything else declared_body
    with open_database() as store, store.read() as tx:
        rows = _chosen(tx, kind, name)
        bodies = [body_of(row) for row in rows]
        if output is None and name is not None:
            output = OutputFormat.YAML
        if output is OutputFormat.YAML:
            typer.echo(to_yaml(bodies), nl=False)
            return
        table = [(row.kind, row.name, row.revision, f"{row.updated_at:%Y-%m-%d %H:%M:%S} UTC") for row in rows]
        emit(
            output or OutputFormat.TABLE,
            bodies[0] if name is not None else bodies,
            lambda: print_table(("kind", "name", "revision", "changed"), table, "Nothing is declared yet."),
        )


def apply(files: Files, output: Output = OutputFormat.TABLE) -> None:
    """Make the installation as the files say: all of it, or nothing if anything is wrong.

    Documents that no file names stay as they are; `poolwright delete` removes one. Secrets are written as the value
    itself, env:NAME, file:PATH (relative to the YAML file) or stored: (keep what is stored).

    \b
    Examples:
      poolwright apply examples/local.yaml
      poolwright export | poolwright apply -
    """
    from starter.cli.temporal import wake_loops
    from starter.configuration.applying import apply as apply_sources
    from starter.configuration.sources import read_sources

    with open_database() as store, _problems_printed(output):
        sources, problems = read_sources(files)
        applied = apply_sources(
            store,
            sources,
            problems,
            on_applied=lambda names: wake_loops(store, names, "the configuration was applied"),
        )
    _show(applied.changes, output)
    if applied.revision is None:
        note("Nothing to change.")
    elif output is OutputFormat.TABLE:
        note(f"Applied as revision {applied.revision}.")
    if any(change.reshapes for change in applied.changes):
        note("Servers made before this are drifted; `poolwright pool rollout POOL` replaces them one by one.")


def diff(files: Files, output: Output = OutputFormat.TABLE) -> None:
    """Show what `apply` would change. Exit code 0: nothing; 3: something.

    \b
    Example:
      poolwright diff examples/local.yaml
    """
    from starter.configuration.applying import difference
    from starter.configuration.sources import read_sources

    with open_database() as store, _problems_printed(output):
        changes = difference(store, *read_sources(files))
    _show(changes, output)
    if any(change.change != "unchanged" for change in changes):
        raise typer.Exit(ExitCode.DIFFERENCES)


def delete(kind: Kind, name: Name) -> None:
    """Delete a document that nothing needs any more. One in use is refused, with the reasons.

    \b
    Example:
      poolwright delete autoscale demo-local
    """
    from poolwright.store.sweeps import SWEPT_KINDS
    from starter.cli.temporal import tell, wake_loops
    from starter.configuration.deleting import delete_document

    with open_database() as store:
        delete_document(
            store, kind, name, on_applied=lambda names: wake_loops(store, names, "the configuration was deleted")
        )
    if kind in SWEPT_KINDS:
        tell(
            lambda signals: signals.sweep_settings_changed(kind, name),
            "Temporal does not answer now; the config's sweep ends at its next look.",
        )
    note(f"Deleted {kind} {name}.")


def export(kind: OptionalKind = None, name: OptionalName = None) -> None:
    """Print what is declared as YAML that can be applied again. Each secret stands there as stored:.

    \b
    Examples:
      poolwright export > configuration.yaml
      poolwright export pool demo
    """
    from starter.configuration.exporting import export as export_rows

    with open_database() as store, store.read() as tx:
        typer.echo(export_rows(tx, _chosen(tx, kind, name)), nl=False)


@contextmanager
def _problems_printed(output: OutputFormat) -> Iterator[None]:
    """Programs get the problems in their own format too, besides the sentences on standard error."""
    from starter.configuration.problems import ConfigurationRefused

    try:
        yield
    except ConfigurationRefused as refused:
        if output is not OutputFormat.TABLE:
            emit(output, {"problems": [problem.model_dump(mode="json") for problem in refused.problems]}, lambda: None)
        raise


def _chosen(tx: Any, kind: str | None, name: str | None) -> "Sequence[DocumentRow]":
    from poolwright.store import documents

    if kind is not None and kind not in documents.kinds():
        known = ", ".join(documents.kinds())
        raise CommandFailed(f"there is no kind {kind!r}; the kinds are {known}", ExitCode.NOT_FOUND)
    if kind is not None and name is not None:
        return [documents.get_row(tx, kind, name)]
    return documents.rows(tx, kind)


def _show(changes: "Sequence[Change]", output: OutputFormat) -> None:
    data = [change.model_dump(mode="json") for change in changes]
    emit(output, data, lambda: _print_changes(changes))


def _print_changes(changes: "Sequence[Change]") -> None:
    for change in changes:
        drift = "  (servers made before this are drifted)" if change.reshapes else ""
        say(f"{_SIGNS[change.change]} {change.kind} {change.name}: {change.change}{drift}")
        for field in change.fields:
            say(f"    {field}")
