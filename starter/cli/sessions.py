"""`session request|status|end|list`."""

import getpass
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from starter.cli import completion, temporal
from starter.cli.database import open_database
from starter.cli.exit_codes import ExitCode
from starter.cli.failures import CommandFailed
from starter.cli.output import Output, OutputFormat, emit, moment, note, print_facts, print_table
from starter.cli.texts import of_at_most
from starter.limits import HIGHEST_PRIORITY, MOST_KEY_CHARACTERS, MOST_REASON_CHARACTERS, MOST_USER_CHARACTERS

if TYPE_CHECKING:
    from starter.answers import ConnectionAnswer, SessionAnswer
    from starter.sessions import SessionService
    from starter.signals import Signals

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Request sessions, look at them and end them.")

_COLUMNS: Final = ("id", "pool", "user", "kind", "state", "server", "queued for", "requested")
_Result = TypeVar("_Result")

Id = Annotated[str, typer.Argument(help="Id of the session.", autocompletion=completion.sessions, show_default=False)]


Pool = Annotated[
    str, typer.Option(help="Name of the pool.", autocompletion=completion.documents_of("pool"), show_default=False)
]
User = Annotated[
    str | None,
    typer.Option(help="Who it is for; left out: you.", show_default=False, callback=of_at_most(MOST_USER_CHARACTERS)),
]
Kind = Annotated[str, typer.Option(help="desktop, or app for a single remote app.")]
Workspace = Annotated[
    str | None, typer.Option(help="What to run on a docker agent.", autocompletion=completion.documents_of("workspace"))
]
Zone = Annotated[str | None, typer.Option(help="The person's zone.", autocompletion=completion.documents_of("zone"))]
Priority = Annotated[int, typer.Option(help="Higher is served first.", min=-HIGHEST_PRIORITY, max=HIGHEST_PRIORITY)]
Key = Annotated[
    str | None,
    typer.Option(
        help="Key of your own that makes the request repeatable: the same key, one session.",
        callback=of_at_most(MOST_KEY_CHARACTERS),
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="Return when there is a server.")]
Timeout = Annotated[float, typer.Option("--timeout", help="With --wait: give up after this many seconds.", min=0)]


@app.command()
def request(
    pool: Pool,
    user: User = None,
    kind: Kind = "desktop",
    workspace: Workspace = None,
    zone: Zone = None,
    priority: Priority = 0,
    key: Key = None,
    wait: Wait = False,
    timeout: Timeout = 600,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Ask for a session. With room it is assigned at once; otherwise it is queued and capacity is made.

    \b
    Examples:
      poolwright session request --pool demo --user ada --wait
      poolwright session request --pool demo --wait --timeout 120 -o json
    """
    from poolwright.domain.servers import SessionKind, SessionState
    from poolwright.store.sessions import SessionRequest

    if kind not in list(SessionKind):
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(SessionKind)}", param_hint="--kind")
    wanted = SessionRequest(
        pool=pool,
        user=user or getpass.getuser(),
        kind=SessionKind(kind),
        workspace=workspace,
        zone=zone,
        priority=priority,
        request_key=key,
    )
    answer = _with_service(lambda service: service.request(wanted, wait_seconds=timeout if wait else 0))
    _show(answer, output)
    if wait and answer.state is SessionState.QUEUED:
        # Some reasons are sentences with a full stop of their own.
        because = (answer.waits_because or "no server is free").removesuffix(".")
        raise CommandFailed(
            f"session {answer.id} still waits after {timeout:g} seconds: {because}. It stays in the queue; "
            f"`poolwright session end {answer.id}` takes it out",
            ExitCode.TIMED_OUT,
        )


@app.command()
def status(session: Id, output: Output = OutputFormat.TABLE) -> None:
    """Show a session: its server and how to connect, or why it waits.

    \b
    Example:
      poolwright session status n0123456789a
    """
    _show(_with_service(lambda service: service.status(session)), output)


@app.command()
def end(
    session: Id,
    reason: Annotated[
        str, typer.Option(help="Why, for the session's record.", callback=of_at_most(MOST_REASON_CHARACTERS))
    ] = "an operator ended it",
    output: Output = OutputFormat.TABLE,
) -> None:
    """End a session, or take it out of the queue.

    \b
    Example:
      poolwright session end n0123456789a
    """
    _show(_with_service(lambda service: service.end(session, reason)), output)


@app.command("list")
def list_sessions(
    pool: Annotated[
        str | None, typer.Option(help="Only this pool.", autocompletion=completion.documents_of("pool"))
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Ended sessions too.")] = False,
    newest: Annotated[int, typer.Option(help="At most this many, the newest.", min=1, max=1_000_000)] = 500,
    output: Output = OutputFormat.TABLE,
) -> None:
    """List sessions in the order of their requests.

    \b
    Example:
      poolwright session list --pool demo
    """
    answers = _with_service(lambda service: service.list(pool=pool, ended=ended, newest=newest))
    rows = [
        (
            answer.id,
            answer.pool,
            answer.user,
            answer.kind,
            answer.state,
            answer.server and answer.server.hostname,
            f"{answer.queued_seconds:.0f}s",
            moment(answer.requested_at),
        )
        for answer in answers
    ]
    data = [answer.model_dump(mode="json") for answer in answers]
    emit(output, data, lambda: print_table(_COLUMNS, rows, "There is no session."))


class _LateSignals:
    """Signals over a connection that is made when the first one is sent: looking at sessions needs no Temporal."""

    def __init__(self) -> None:
        self._signals: Signals | None = None

    async def scale_now(self, autoscales: Iterable[str], why: str) -> None:
        """See `Signals.scale_now`."""
        await (await self._open()).scale_now(autoscales, why)

    async def sessions_changed(self, server_id: str) -> bool:
        """See `Signals.sessions_changed`."""
        return await (await self._open()).sessions_changed(server_id)

    async def _open(self) -> "Signals":
        from temporalio.service import RPCError, RPCStatusCode

        from starter.connection import TemporalUnreachable

        if self._signals is None:
            try:
                self._signals = await temporal.open_signals()
            except TemporalUnreachable as error:
                raise RPCError(str(error), RPCStatusCode.UNAVAILABLE, b"") from None
        return self._signals


def _with_service(ask: "Callable[[SessionService], Awaitable[_Result]]") -> _Result:
    from starter.sessions import SessionService

    with open_database() as store:

        async def work() -> _Result:
            service = SessionService(store, _LateSignals())
            try:
                return await ask(service)
            finally:
                await service.finish()

        return temporal.run(work)


def _show(answer: "SessionAnswer", output: OutputFormat) -> None:
    emit(output, answer.model_dump(mode="json"), lambda: _print(answer))


def _print(answer: "SessionAnswer") -> None:
    server, progress = answer.server, answer.progress
    print_facts(
        [
            ("session", answer.id),
            ("state", answer.state),
            ("pool", answer.pool),
            ("user", answer.user),
            ("position in the queue", answer.position),
            ("waits because", answer.waits_because),
            ("decided", " ".join(answer.decided) or None),
            ("next server", progress and f"{progress.percent or 0}% {progress.message}"),
            ("server", server and f"{server.hostname} ({server.state})"),
            ("no connection because", answer.no_connection_because),
            ("queued for", f"{answer.queued_seconds:.1f} seconds"),
            ("ended because", answer.end_reason),
        ]
    )
    if answer.connection is not None:
        _print_connection(answer.connection)


def _print_connection(connection: "ConnectionAnswer") -> None:
    print_facts(
        [
            ("connect by", connection.type),
            ("address", f"{connection.address}:{connection.port}"),
            ("user name", connection.username),
            ("to be asked", ", ".join(connection.ask_for)),
        ]
    )
    if connection.password is not None or connection.private_key is not None:
        note("Its credentials are only in -o json and -o yaml.")
