"""The endpoint's line to Temporal, which may come later than the endpoint and go at any time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from poolwright.domain.servers import CheckInStatus
from starter.connection import TemporalUnreachable
from starter.signals import Signals

_HEALTH_TIMEOUT = timedelta(seconds=2)

_log = logging.getLogger("poolwright.endpoint")


class TemporalLink:
    """Signals over a connection that is made in the background.

    Until it is there, each signal raises `RPCError` as it does when the server is away later: check-ins are stored and
    sessions are placed without Temporal.
    """

    def __init__(self, connect: Callable[[], Awaitable[Client]], *, again_after_seconds: float = 2) -> None:
        """`connect` raises `TemporalUnreachable` when it gives up; it is called again after `again_after_seconds`."""
        self._connect = connect
        self._again_after_seconds = again_after_seconds
        self._client: Client | None = None

    async def make(self) -> None:
        """Connect, however long it takes."""
        while self._client is None:
            try:
                self._client = await self._connect()
            except TemporalUnreachable as error:
                _log.warning("%s", error)
                await asyncio.sleep(self._again_after_seconds)
        _log.info("connected to Temporal at %s", self._client.service_client.config.target_host)

    async def check_in(self, server_id: str, status: CheckInStatus, message: str) -> bool:
        """See `Signals.check_in`."""
        return await self._signals().check_in(server_id, status, message)

    async def scale_now(self, autoscales: Iterable[str], why: str) -> None:
        """See `Signals.scale_now`."""
        await self._signals().scale_now(autoscales, why)

    async def sessions_changed(self, server_id: str) -> bool:
        """See `Signals.sessions_changed`."""
        return await self._signals().sessions_changed(server_id)

    async def reachable(self) -> bool:
        """True if Temporal answers within two seconds."""
        if self._client is None:
            return False
        try:
            return await self._client.service_client.check_health(timeout=_HEALTH_TIMEOUT)
        except RPCError:
            return False

    def _signals(self) -> Signals:
        if self._client is None:
            raise RPCError("no connection to Temporal yet", RPCStatusCode.UNAVAILABLE, b"")
        return Signals(self._client)
