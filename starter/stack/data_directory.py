"""What `poolwright up` does with the installation of its data directory, while and after the components start."""

from collections.abc import Callable, Sequence
from pathlib import Path

from poolwright.domain.resources import VMProviderConfig
from poolwright.providers.local.provider import restart_stopped
from poolwright.providers.local.settings import Settings as LocalSettings
from poolwright.store import documents
from poolwright.store.check_in_tokens import controller_id
from poolwright.store.engine import Store
from poolwright.store.installation import upgrade
from starter.settings import Settings
from starter.stack.components import temporal_address

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "local.yaml"
"""Applied to an empty database, so that the first `up` shows something."""

Apply = Callable[[Store, Sequence[Path]], Sequence[str]]
"""Applies configuration files, all or nothing. Gives the autoscale configs whose decisions may come out otherwise."""


def open_upgraded(settings: Settings) -> Store:
    """The store, with its tables at this version. Raises what `Settings.open_store` and `upgrade` raise."""
    store = settings.open_store()
    upgrade(store)
    return store


def restart_local_machines(store: Store, settings: Settings) -> None:
    """Local machines whose processes died with the computer run again, as a hypervisor does after a power cut."""
    with store.read() as tx:
        controller = controller_id(tx)
        configs = [documents.load(tx, "vm_provider", row.name) for row in documents.rows(tx, "vm_provider")]
    directory = settings.data_directory.absolute() / "local-machines"
    for config in configs:
        if isinstance(config, VMProviderConfig) and config.provider == "local":
            restart_stopped(LocalSettings.model_validate({"directory": directory, **config.settings}), controller)


async def apply_files(settings: Settings, store: Store, files: Sequence[Path], apply: Apply) -> Sequence[Path]:
    """Apply these files; to an empty database, the example if there are none. Temporal must run. Gives what it applied.

    Raises whatever `apply` raises.
    """
    with store.read() as tx:
        empty = not documents.rows(tx)
    chosen = list(files) or ([EXAMPLE] if empty and EXAMPLE.exists() else [])
    if chosen:
        await _wake_loops(settings, store, apply(store, chosen))
    return chosen


async def _wake_loops(settings: Settings, store: Store, autoscales: Sequence[str]) -> None:
    from temporalio.client import Client

    from starter.lives import ensure_loops
    from starter.plugin import poolwright_plugin

    client = await Client.connect(temporal_address(settings), plugins=[poolwright_plugin()])
    await ensure_loops(client, store, autoscales, "the configuration was applied")
