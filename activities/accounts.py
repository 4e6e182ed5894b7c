"""Open providers, one per VM provider config and revision, shared by all activities of this worker."""

import threading
from collections.abc import Mapping
from typing import Any

from poolwright.domain.resources import VMProviderConfig
from poolwright.providers.base import Provider
from poolwright.providers.registry import open_provider
from poolwright.store import documents
from poolwright.store.check_in_tokens import controller_id
from poolwright.store.engine import Store


class Accounts:
    """Providers by config name. A changed config opens anew at its next use."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._open: dict[str, tuple[int, Provider]] = {}

    def provider(self, name: str) -> Provider:
        """The provider of this config.

        Raises `UnknownDocument`, pydantic's ValidationError, or a `ProviderError`.
        """
        with self._store.read() as tx:
            revision = documents.get_row(tx, "vm_provider", name).revision
        with self._lock:
            known = self._open.get(name)
        if known is not None and known[0] == revision:
            return known[1]
        kind, settings, controller = self._load(name)
        provider = open_provider(kind, settings, controller)
        with self._lock:
            self._open[name] = (revision, provider)
        return provider

    def _load(self, name: str) -> tuple[str, Mapping[str, Any], str]:
        with self._store.read() as tx:
            config = documents.load(tx, "vm_provider", name)
            assert isinstance(config, VMProviderConfig)
            return config.provider, config.settings, controller_id(tx)
