"""Reaching Temporal from a command."""

import os
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starter.cli.database import read_settings
from starter.cli.output import note

if TYPE_CHECKING:
    from temporalio.client import Client

    from poolwright.store.engine import Store
    from starter.signals import Signals

_PATIENCE_SECONDS: Final = 2.0

_Result = TypeVar("_Result")


async def open_client(patience_seconds: float = _PATIENCE_SECONDS) -> "Client":
    """A client of the server that the environment names, or else of the stack that runs on this data directory.

    Raises `TemporalUnreachable`.
    """
    from starter.connection import connect

    _prefer_local_stack()
    return await connect(patience_seconds=patience_seconds)


async def open_signals(patience_seconds: float = _PATIENCE_SECONDS) -> "Signals":
    """Signals to the workflows of this installation. Raises `TemporalUnreachable`."""
    from starter.signals import Signals

    return Signals(await open_client(patience_seconds))


def run(work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run a command's asynchronous part."""
    import asyncio

    return asyncio.run(work())


def tell(work: "Callable[[Signals], Coroutine[Any, Any, object]]", else_note: str) -> None:
    """Tell workflows what is stored already. When Temporal is away, `else_note` says so: they will read it there."""
    from temporalio.service import RPCError

    from starter.connection import TemporalUnreachable

    async def tell_all() -> None:
        await work(await open_signals())

    try:
        run(tell_all)
    except (TemporalUnreachable, RPCError):
        note(else_note)


def wake_loops(store: "Store", autoscales: Sequence[str], why: str) -> None:
    """Start or wake the scaling loops of these configs. When Temporal is away, they come by themselves later."""
    from temporalio.service import RPCError

    from starter.connection import TemporalUnreachable
    from starter.lives import ensure_loops

    async def wake() -> None:
        await ensure_loops(await open_client(patience_seconds=0), store, tuple(autoscales), why)

    try:
        run(wake)
    except (TemporalUnreachable, RPCError):
        note("Temporal does not answer now; the scaling loops take it up within a minute of its return.")


def _prefer_local_stack() -> None:
    if any(os.environ.get(name) for name in ("TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE")):
        return
    from starter.stack.running import load

    stack = load(read_settings())
    if stack is not None:
        os.environ["TEMPORAL_ADDRESS"] = f"{stack.host}:{stack.temporal_port}"
