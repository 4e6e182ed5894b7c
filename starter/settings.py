"""Where this installation's things are: every value by environment variable, so that containers need no flags."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from poolwright.domain.base import Model

if TYPE_CHECKING:
    from poolwright.store.engine import Store


class Settings(Model):
    """The installation's settings. Addresses of Temporal itself come from Temporal's own environment variables."""

    data_directory: Path = Path(".poolwright")
    """`POOLWRIGHT_DATA_DIRECTORY`: databases, key, logs and local machines."""
    database_url: str | None = None
    """`POOLWRIGHT_DATABASE_URL`; left out: an SQLite file in the data directory."""
    key_file: Path | None = None
    """`POOLWRIGHT_KEY_FILE`; left out: `secrets.key` in the data directory. `POOLWRIGHT_KEY` holds the key itself."""
    host: str = "127.0.0.1"
    """`POOLWRIGHT_HOST`: what the endpoint and the local Temporal server listen on."""
    endpoint_port: int = Field(default=8780, ge=1, le=65_535)
    """`POOLWRIGHT_ENDPOINT_PORT`: check-in endpoint and session API."""
    endpoint_address: str | None = None
    """`POOLWRIGHT_ENDPOINT_ADDRESS`: host and port at which VMs reach the endpoint unless their zone names another."""
    temporal_port: int = Field(default=7233, ge=1, le=65_535)
    """`POOLWRIGHT_TEMPORAL_PORT`: the local Temporal server."""
    ui_port: int = Field(default=8233, ge=1, le=65_535)
    """`POOLWRIGHT_UI_PORT`: its Web UI."""
    metrics_port: int = Field(default=9780, ge=1, le=65_535)
    """`POOLWRIGHT_METRICS_PORT`: the worker's Prometheus metrics."""

    @property
    def advertised_address(self) -> str:
        """What the tag `upstream_auth_address` is filled with where the zone says nothing."""
        return self.endpoint_address or f"{self.host}:{self.endpoint_port}"

    def store_url(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{(self.data_directory / 'poolwright.db').absolute()}"

    def secrets_key_file(self) -> Path:
        """The key ring's file."""
        return self.key_file or self.data_directory / "secrets.key"

    def open_store(self) -> "Store":
        """Open the store; the data directory and the key are made if need be, the tables are not.

        Raises `KeyProblem` or `DatabaseURLError`.
        """
        from poolwright.store.engine import open_store
        from poolwright.store.sealing import FileSealer, Sealer, keys_in

        self.data_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        in_environment = os.environ.get("POOLWRIGHT_KEY")
        sealer = Sealer(keys_in(in_environment)) if in_environment else FileSealer(self.secrets_key_file())
        return open_store(self.store_url(), sealer)

    def environment(self) -> dict[str, str]:
        """The environment variables that give a child process these settings."""
        values = self.model_dump(mode="json", exclude_none=True)
        return {f"POOLWRIGHT_{name.upper()}": str(value) for name, value in values.items()}


def load_settings(environment: Mapping[str, str] = os.environ, **flags: object) -> Settings:
    """The settings from `POOLWRIGHT_*`; flags that are not None win. Raises pydantic's ValidationError."""
    values: dict[str, object] = {}
    for name in Settings.model_fields:
        value = flags.get(name)
        if value is None:
            value = environment.get(f"POOLWRIGHT_{name.upper()}") or None
        if value is not None:
            values[name] = value
    return Settings.model_validate(values)
