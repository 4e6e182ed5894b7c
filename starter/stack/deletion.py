"""`poolwright down --delete-servers`."""

import asyncio

from poolwright.store import scaling
from poolwright.store.engine import Store
from poolwright.store.servers import live_server_ids
from starter.connection import connect
from starter.settings import Settings
from starter.signals import Signals

_PATIENCE_SECONDS = 300.0


async def delete_servers(settings: Settings) -> int:
    """Delete every autoscaled server, with nobody being asked: pools are paused meanwhile. Returns how many.

    Raises `TimeoutError` when they are not all gone in time; they go on going.
    """
    store = settings.open_store()
    try:
        signals = Signals(await connect())
        reason = "all servers are being deleted"
        with store.write() as tx:
            paused = [name for name in scaling.autoscale_names(tx) if not scaling.paused_because(tx, name)]
            for name in paused:
                scaling.set_paused(tx, name, reason)
        ids = _live_servers(store)
        for server_id in ids:
            await signals.terminate(server_id, reason)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await _until_none_lives(store)
        with store.write() as tx:
            for name in paused:
                scaling.set_paused(tx, name, None)
        return len(ids)
    finally:
        store.close()


async def _until_none_lives(store: Store) -> None:
    while True:
        if not await asyncio.to_thread(_live_servers, store):
            return
        await asyncio.sleep(0.2)


def _live_servers(store: Store) -> list[str]:
    with store.read() as tx:
        return live_server_ids(tx)
