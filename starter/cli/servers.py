"""`server list|show|logs|drain|undrain|delete|retry`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from starter.cli import completion, server_changes
from starter.cli.database import open_database, read_settings
from starter.cli.output import Output, OutputFormat, ago, emit, moment, note, print_facts, print_table, say
from starter.cli.texts import of_at_most
from starter.limits import MOST_REASON_CHARACTERS

if TYPE_CHECKING:
    from datetime import datetime

    from poolwright.domain.servers import HistoryEntry, Server, Session

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at servers; drain, delete and retry them.")

_COLUMNS: Final = ("hostname", "id", "pool", "zone", "provider", "state", "progress", "address", "age", "message")

Names = Annotated[
    list[str],
    typer.Argument(help="Host names or ids of servers.", autocompletion=completion.servers, show_default=False),
]
Name = Annotated[
    str, typer.Argument(help="Host name or id of a server.", autocompletion=completion.servers, show_default=False)
]
Reason = Annotated[str, typer.Option(help="Why, for the server's story.", callback=of_at_most(MOST_REASON_CHARACTERS))]
Wait = Annotated[bool, typer.Option("--wait", help="Return when it has happened.")]
Timeout = Annotated[float, typer.Option("--timeout", help="With --wait: give up after this many seconds.", min=0)]


@app.command("list")
def list_servers(
    pool: Annotated[
        str | None, typer.Option(help="Only this pool.", autocompletion=completion.documents_of("pool"))
    ] = None,
    state: Annotated[list[str] | None, typer.Option(help="Only this state; may be given several times.")] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted servers too.")] = False,
    output: Output = OutputFormat.TABLE,
) -> None:
    """List servers, oldest first.

    \b
    Examples:
      poolwright server list --pool demo
      poolwright server list --state failed --state deleting -o json
    """
    from poolwright.domain.states import ServerState
    from starter.answering import answer_servers

    unknown = [one for one in state or () if one not in list(ServerState)]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is no state; the states are {', '.join(ServerState)}")
    states = [ServerState(one) for one in state] if state else None
    with open_database() as store, store.read() as tx:
        found = answer_servers(tx, pool, states=states, deleted=deleted)
        now = store.clock()
    data = [server.model_dump(mode="json") for server in found]
    rows = [_row(server, now) for server in found]
    emit(output, data, lambda: print_table(_COLUMNS, rows, "There is no server."))


@app.command()
def show(name: Name, output: Output = OutputFormat.TABLE) -> None:
    """Show one server: its facts, its story with times, its sessions and its last check-in.

    \b
    Example:
      poolwright server show demo-0001
    """
    from poolwright.store.servers import find_server, history
    from poolwright.store.sessions import list_sessions

    with open_database() as store, store.read() as tx:
        server = find_server(tx, name)
        story = history(tx, server.id)
        sessions = list_sessions(tx, server_id=server.id)
    data = server.model_dump(mode="json") | {
        "story": [entry.model_dump(mode="json") for entry in story],
        "sessions": [session.model_dump(mode="json") for session in sessions],
    }
    emit(output, data, lambda: _print_server(server, story, sessions))


@app.command()
def logs(name: Name, output: Output = OutputFormat.TABLE) -> None:
    """Print what a server's startup script has logged.

    \b
    Example:
      poolwright server logs demo-0001
    """
    from poolwright.store import check_ins
    from poolwright.store.servers import find_server

    with open_database() as store, store.read() as tx:
        server = find_server(tx, name)
        lines = check_ins.logs(tx, server.id)
        console = _console_log(tx, server)
    data = {"lines": [line.model_dump(mode="json") for line in lines], "console_log": console and str(console)}
    emit(
        output, data, lambda: _print_lines([f"{one.at} {one.level} {one.application}: {one.message}" for one in lines])
    )
    if console is not None:
        note(f"Its console log: {console}")


@app.command()
def drain(names: Names, reason: Reason = "an operator drained it", wait: Wait = False, timeout: Timeout = 3600) -> None:
    """Let servers take no new session; each is deleted when its last session has ended.

    \b
    Example:
      poolwright server drain demo-0001 --wait
    """
    server_changes.drain(names, reason, timeout if wait else None)


@app.command()
def undrain(
    names: Names, reason: Reason = "an operator took the drain back", wait: Wait = False, timeout: Timeout = 60
) -> None:
    """Let draining servers take sessions again.

    \b
    Example:
      poolwright server undrain demo-0001
    """
    server_changes.undrain(names, reason, timeout if wait else None)


@app.command()
def delete(
    names: Names,
    force: Annotated[bool, typer.Option("--force", help="Even with people on it: their sessions end.")] = False,
    reason: Reason = "an operator deleted it",
    wait: Wait = False,
    timeout: Timeout = 600,
) -> None:
    """Delete servers with all that was made for them. One with people on it is refused, unless --force ends them.

    \b
    Examples:
      poolwright server delete demo-0001 --wait
      poolwright server delete demo-0001 --force --reason "security update"
    """
    server_changes.delete(names, reason, timeout if wait else None, force=force)


@app.command()
def retry(names: Names, wait: Wait = False, timeout: Timeout = 600) -> None:
    """Make a step that waits for its next try go on at once, or replace a server that is kept after its failure.

    Failures counted so far are forgiven: a pause after failures ends.

    \b
    Example:
      poolwright server retry demo-0001
    """
    server_changes.retry(names, timeout if wait else None)


def _row(server: "Server", now: "datetime") -> tuple[object, ...]:
    progress = None if server.progress is None else f"{server.progress}%"
    return (
        *(server.hostname, server.id, server.pool, server.zone, server.provider, server.state, progress),
        *(server.address, ago(server.created_at, now), server.message),
    )


def _print_server(server: "Server", story: "list[HistoryEntry]", sessions: "list[Session]") -> None:
    print_facts(
        [
            ("host name", server.hostname),
            ("id", server.id),
            ("state", f"{server.state} since {moment(server.state_since)}"),
            ("says", server.message),
            ("failed because", server.failure_reason),
            ("progress", None if server.progress is None else f"{server.progress}%"),
            ("last check-in", moment(server.last_reported_at)),
            ("pool", f"{server.pool} ({server.pool_type})"),
            ("zone", server.zone),
            ("autoscale", server.autoscale or "none: registered by hand"),
            ("provider", f"{server.provider} ({server.vm_provider})" if server.vm_provider else server.provider),
            ("VM", server.provider_reference),
            ("place", server.place),
            ("address", server.address),
            ("private address", server.private_address),
            ("DNS name", server.fqdn),
            ("created", moment(server.created_at)),
            ("running", moment(server.running_at)),
            ("attempt", server.attempt),
            ("made from", f"revision {server.config_revision}"),
        ]
    )
    typer.echo("\nstory:")
    for entry in story:
        say(f"  {moment(entry.at)}  {entry.to_state:<11} {entry.reason}")
    typer.echo("\nsessions:" if sessions else "\nsessions: none")
    for session in sessions:
        say(f"  {session.id}  {session.user}  {session.kind}  since {moment(session.assigned_at)}")


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        say(line)
    if not lines:
        note("Its startup script has sent no log lines.")


def _console_log(tx: object, server: "Server") -> Path | None:
    """Where a local machine's output goes."""
    if server.provider != "local" or server.vm_provider is None:
        return None
    from sqlalchemy.orm import Session

    from poolwright.domain.identities import machine_name
    from poolwright.store.documents import UnknownDocument, get_row

    assert isinstance(tx, Session)
    directory = read_settings().data_directory / "local-machines"
    try:
        settings = get_row(tx, "vm_provider", server.vm_provider).body.get("settings", {})
    except UnknownDocument:
        settings = {}
    return Path(settings.get("directory", directory)) / machine_name(server.id) / "console.log"
