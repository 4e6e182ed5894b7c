"""Connecting to Temporal: its standard environment variables and profile files decide where."""

import asyncio
import logging

from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from starter.plugin import poolwright_plugin

DEFAULT_ADDRESS = "localhost:7233"
_LOGGER = logging.getLogger(__name__)


class TemporalUnreachable(Exception):
    """No Temporal server answers at the configured address."""


class TemporalSettingsProblem(RuntimeError):
    """Temporal's environment variables, or the profile that they name, cannot be used."""


async def connect(*, patience_seconds: float = 10, runtime: Runtime | None = None) -> Client:
    """A client for the server that `TEMPORAL_ADDRESS`, `TEMPORAL_PROFILE` and their kin name (TLS and API keys too).

    Waits for a server that is still starting for at most `patience_seconds`. Raises `TemporalUnreachable` or
    `TemporalSettingsProblem`.
    """
    options = _options()
    options.setdefault("target_host", DEFAULT_ADDRESS)
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_seconds
    waits = False
    while True:
        try:
            return await Client.connect(**options, plugins=[poolwright_plugin()], runtime=runtime)
        except (RPCError, RuntimeError) as error:
            if loop.time() >= give_up_at:
                raise TemporalUnreachable(
                    f"no Temporal server answers at {options.get('target_host')} ({error}): "
                    "start one with `poolwright up`, or set TEMPORAL_ADDRESS or TEMPORAL_PROFILE"
                ) from None
            if not waits:
                where = options["target_host"]
                _LOGGER.info("no Temporal server answers at %s yet; it is waited for, %.0f s", where, patience_seconds)
                waits = True
        await asyncio.sleep(0.1)


def _options() -> ClientConnectConfig:
    try:
        return ClientConfig.load_client_connect_config()
    except (RuntimeError, OSError, ValueError) as error:
        # The lines after the first one quote the profile file, which may hold an API key.
        said = str(error).partition("\n")[0]
        raise TemporalSettingsProblem(
            f"Temporal's settings cannot be used: {said}; mend TEMPORAL_PROFILE, the file that TEMPORAL_CONFIG_FILE "
            "names, or the TEMPORAL_* variable that it speaks of"
        ) from None
