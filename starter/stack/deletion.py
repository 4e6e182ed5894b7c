"""`poolwright down --delete-servers`."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from temporalio.service import RPCError

from poolwright.store import scaling
from poolwright.store.engine import Store
from poolwright.store.servers import live_server_ids

_PATIENCE_SECONDS: Final = 300.0
_PAUSE_SECONDS: Final = 0.2
_REASON: Final = "all servers are being deleted"
_MOST_NAMED: Final = 10


class TerminateSignals(Protocol):
    """Tells lives to tear down: `starter.signals.Signals`."""

    async def terminate(self, server_id: str, reason: str) -> bool:
        """Whether a running life took it. Raises `RPCError` when Temporal does not answer."""
        ...


class ServersLeft(Exception):
    """Some servers are not gone in time. The message says which of them go on going and which were never reached."""

    def __init__(self, going: Sequence[str], unreached: Sequence[str], seconds: float) -> None:
        told = [f"{len(going) + len(unreached)} server(s) are not gone after {seconds:g} seconds; nothing was stopped."]
        if going:
            told.append(f"They go on going: {_named(going)}.")
        if unreached:
            told.append(f"No workflow of theirs took the signal, so they do not go: {_named(unreached)}.")
        told.append(
            "Pools stay paused until `poolwright down --delete-servers`, run again, comes to its end, or until "
            "`poolwright pool resume`; `poolwright server list` says where each server stands"
        )
        super().__init__(" ".join(told))


async def delete_servers(store: Store, signals: TerminateSignals, patience_seconds: float = _PATIENCE_SECONDS) -> int:
    """Delete every autoscaled server, with nobody being asked. Returns how many. Pools are paused until `resume_pools`.

    Whoever does not take the signal, because its life does not run just then, is asked again. Repeatable. Raises
    `ServersLeft` when they are not all gone in time.
    """
    await asyncio.to_thread(_pause, store)
    asked: set[str] = set()
    give_up_at = asyncio.get_running_loop().time() + patience_seconds
    while living := await asyncio.to_thread(_live_servers, store):
        for server_id in living:
            if server_id not in asked and await _took_it(signals, server_id):
                asked.add(server_id)
        if asyncio.get_running_loop().time() >= give_up_at:
            raise _left(living, asked, patience_seconds)
        await asyncio.sleep(_PAUSE_SECONDS)
    return len(asked)


def resume_pools(store: Store) -> None:
    """Resume what `delete_servers` has paused, once no worker runs that would make servers anew. Repeatable."""
    with store.write() as tx:
        for name in scaling.autoscale_names(tx):
            # An operator's pause has another reason.
            if scaling.paused_because(tx, name) == _REASON:
                scaling.set_paused(tx, name, None)


def _pause(store: Store) -> None:
    with store.write() as tx:
        for name in scaling.autoscale_names(tx):
            if scaling.paused_because(tx, name) is None:
                scaling.set_paused(tx, name, _REASON)


async def _took_it(signals: TerminateSignals, server_id: str) -> bool:
    try:
        return await signals.terminate(server_id, _REASON)
    except RPCError:
        return False


def _left(living: Sequence[str], asked: Collection[str], seconds: float) -> ServersLeft:
    going = [server_id for server_id in living if server_id in asked]
    unreached = [server_id for server_id in living if server_id not in asked]
    return ServersLeft(going, unreached, seconds)


def _named(server_ids: Sequence[str]) -> str:
    more = len(server_ids) - _MOST_NAMED
    return ", ".join(server_ids[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _live_servers(store: Store) -> list[str]:
    with store.read() as tx:
        return live_server_ids(tx)
