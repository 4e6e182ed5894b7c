"""Starting and waking the scaling loops after a change of configuration, rather than at the watchdog's next round."""

from collections.abc import Iterable

from temporalio.client import Client

from activities.lifeline import start_loop
from poolwright.store import scaling
from poolwright.store.engine import Store
from starter.signals import Signals


async def ensure_loops(client: Client, store: Store, autoscales: Iterable[str], why: str) -> None:
    """Start the loop of each of these autoscale configs, or wake the one that runs. Repeatable."""
    signals = Signals(client)
    with store.read() as tx:
        known = set(scaling.autoscale_names(tx))
        pools = {name: scaling.load_autoscale(tx, name).pool for name in autoscales if name in known}
    for name, pool in pools.items():
        await start_loop(client, name, pool)
    await signals.scale_now(autoscales, why)
