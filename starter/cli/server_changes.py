"""What operators ask of servers: signals to their lives, after a look at whether they may."""

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final

from starter.cli import temporal
from starter.cli.database import open_database
from starter.cli.exit_codes import ExitCode
from starter.cli.failures import CommandFailed
from starter.cli.output import note

if TYPE_CHECKING:
    from poolwright.domain.servers import Server, Session
    from poolwright.domain.states import ServerState
    from poolwright.store.engine import Store
    from starter.signals import Signals

_POLL_SECONDS: Final = 0.1

Ask = Callable[["Signals", "Server"], Coroutine[Any, Any, bool]]
"""Sends the wish; False: no life of this server runs."""


def drain(names: Sequence[str], reason: str, wait_seconds: float | None) -> None:
    """Drain these servers. `wait_seconds` None: do not wait until it shows."""
    from poolwright.domain.states import ServerState as State

    def check(server: "Server", _sessions: "Sequence[Session]") -> None:
        if server.state not in (State.RUNNING, State.DRAINING):
            raise _refused(f"{server.hostname} is {server.state}: only a running server can be drained")

    done = (State.DRAINING, State.DELETING, State.DELETED)
    _each(
        names, check, lambda signals, server: signals.drain(server.id, reason), done, wait_seconds, "is asked to drain"
    )


def undrain(names: Sequence[str], reason: str, wait_seconds: float | None) -> None:
    """Take the drain of these servers back."""
    from poolwright.domain.states import ServerState as State

    def check(server: "Server", _sessions: "Sequence[Session]") -> None:
        if server.state not in (State.RUNNING, State.DRAINING):
            raise _refused(f"{server.hostname} is {server.state}: only a draining server can be taken back")

    done = (State.RUNNING,)
    _each(
        names,
        check,
        lambda signals, server: signals.undrain(server.id, reason),
        done,
        wait_seconds,
        "is asked to serve",
    )


def delete(names: Sequence[str], reason: str, wait_seconds: float | None, *, force: bool) -> None:
    """Delete these servers. Without `force`, nobody's session ends by it."""
    from poolwright.domain.states import ServerState as State

    def check(server: "Server", sessions: "Sequence[Session]") -> None:
        if sessions and not force:
            people = ", ".join(sorted({session.user for session in sessions}))
            raise _refused(
                f"{server.hostname} has people on it: {people}. Drain it (`poolwright server drain "
                f"{server.hostname}`), or end their sessions with --force"
            )

    async def ask(signals: "Signals", server: "Server") -> bool:
        # Since the look somebody may have got it, even if it did not run then: unforced, they keep it until they leave.
        return await (signals.terminate if force else signals.delete)(server.id, reason)

    _each(names, check, ask, (State.DELETED,), wait_seconds, "is asked to go")


def retry(names: Sequence[str], wait_seconds: float | None) -> None:
    """Let what these servers wait for be tried again at once; replace those that are kept after a failure."""
    from poolwright.domain.states import ServerState as State
    from poolwright.store.servers import get_server

    with open_database() as store:
        for server in _find(store, names):
            _require_life(server)
            what = temporal.run(lambda server=server: _retry(store, server))  # type: ignore[misc]
            note(f"{server.hostname}: {what}")
            if wait_seconds is not None and server.state is State.FAILED:
                _wait(store, server, (State.DELETED,), wait_seconds)
            elif wait_seconds is not None:
                with store.read() as tx:
                    now = get_server(tx, server.id)
                _wait(store, now, (State.RUNNING, State.DELETED), wait_seconds)


async def _retry(store: "Store", server: "Server") -> str:
    """What was done, in words."""
    from poolwright.domain.states import ServerState as State
    from poolwright.store import scaling

    done = await (_replace(server) if server.state is State.FAILED else _try_again(server))
    assert server.autoscale is not None
    with store.write() as tx:
        scaling.forgive_failures(tx, server.autoscale)
    await (await temporal.open_signals()).scale_now([server.autoscale], f"{server.id} is tried again")
    return done


async def _replace(server: "Server") -> str:
    if not await (await temporal.open_signals()).terminate(server.id, "an operator had it replaced"):
        raise _not_running(server)
    return "it is deleted now, and its replacement may be made"


async def _try_again(server: "Server") -> str:
    from starter.retrying import retry_pending_steps

    steps = await retry_pending_steps(await temporal.open_client(), server.id)
    if steps is None:
        raise _not_running(server)
    if not steps:
        raise _refused(f"nothing of {server.hostname} waits for a next try; it is {server.state}: {server.message}")
    return f"tried again at once: {', '.join(steps)}"


def _each(
    names: Sequence[str],
    check: "Callable[[Server, Sequence[Session]], None]",
    ask: Ask,
    done: "Sequence[ServerState]",
    wait_seconds: float | None,
    asked: str,
) -> None:
    """Check all servers before any is asked, so that a refusal leaves everything as it is."""
    from poolwright.store.sessions import list_sessions

    with open_database() as store:
        servers = _find(store, names)
        for server in servers:
            _require_life(server)
            with store.read() as tx:
                check(server, list_sessions(tx, server_id=server.id))
        temporal.run(lambda: _ask_all(servers, ask))
        for server in servers:
            note(f"{server.hostname} {asked}.")
        for server in servers if wait_seconds is not None else ():
            _wait(store, server, done, wait_seconds or 0)


async def _ask_all(servers: "Sequence[Server]", ask: Ask) -> None:
    signals = await temporal.open_signals()
    for server in servers:
        if not await ask(signals, server):
            raise _not_running(server)


def _find(store: "Store", names: Sequence[str]) -> "list[Server]":
    from poolwright.store.servers import find_server

    with store.read() as tx:
        return [find_server(tx, name) for name in names]


def _require_life(server: "Server") -> None:
    from poolwright.domain.states import ServerState as State

    if server.state is State.DELETED:
        raise _refused(f"{server.hostname} is deleted already")
    if server.autoscale is None:
        raise _refused(f"{server.hostname} was registered by hand: Poolwright neither makes nor deletes it")


def _wait(store: "Store", server: "Server", done: "Sequence[ServerState]", seconds: float) -> None:
    from poolwright.domain.states import GOING
    from poolwright.store.servers import get_server

    give_up_at = time.monotonic() + seconds
    said = server.state
    while True:
        with store.read() as tx:
            now = get_server(tx, server.id)
        if now.state is not said:
            note(f"{now.hostname} is {now.state}: {now.message}")
            said = now.state
        if now.state in done:
            return
        if now.state in GOING and not GOING.intersection(done):
            raise CommandFailed(f"{now.hostname} is {now.state}: {now.failure_reason or now.message}")
        if time.monotonic() >= give_up_at:
            raise CommandFailed(
                f"{now.hostname} is still {now.state} after {seconds:g} seconds: {now.message}", ExitCode.TIMED_OUT
            )
        time.sleep(_POLL_SECONDS)


def _refused(message: str) -> CommandFailed:
    return CommandFailed(message, ExitCode.REFUSED)


def _not_running(server: "Server") -> CommandFailed:
    return CommandFailed(
        f"the workflow of {server.hostname} does not run, so nothing was asked of it; the watchdog starts it within a "
        "minute while a worker runs: try again then"
    )
