"""Starting and waking loops after a change of configuration, rather than at the watchdog's next round."""

from collections.abc import Iterable

from temporalio.client import Client

from activities.lifeline import start_loop, start_sweep
from poolwright.store import scaling, sweeps
from poolwright.store.engine import Store
from starter.signals import Signals


async def wake_loops(client: Client, store: Store, why: str) -> None:
    """Have every loop that runs decide at once, also where a config of an older version cannot be read. Repeatable."""
    with store.read() as tx:
        names = scaling.autoscale_names(tx)
    await Signals(client).scale_now(names, why)


async def ensure_loops(client: Client, store: Store, autoscales: Iterable[str], why: str) -> None:
    """Start the loop of each of these autoscale configs, or wake the one that runs. Repeatable.

    The sweeps of what they use are started too; those that run look at their settings again.
    """
    signals = Signals(client)
    with store.read() as tx:
        known = set(scaling.autoscale_names(tx))
        configs = [scaling.load_autoscale(tx, name) for name in autoscales if name in known]
    for config in configs:
        await start_loop(client, config.name, config.pool)
    await signals.scale_now(autoscales, why)
    for kind, name in dict.fromkeys(one for config in configs for one in sweeps.swept_by(config)):
        await start_sweep(client, kind, name)
        await signals.sweep_settings_changed(kind, name)
