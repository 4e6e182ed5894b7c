"""Signals that follow from what people did, sent off the path of the answer."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from typing import Protocol

from temporalio.service import RPCError

_log = logging.getLogger("poolwright.wakes")


class SessionSignals(Protocol):
    """What workflows are told about sessions. See `starter.signals.Signals`."""

    async def scale_now(self, autoscales: Iterable[str], why: str) -> None:
        """Decide again at once for these autoscale configs."""

    async def sessions_changed(self, server_id: str) -> bool:
        """A session on this server ended."""


class Wakes:
    """Sends wake signals in the background, and many of one kind as one.

    Losing one does no harm: the loops have a period and the watchdog mends the rest. Failures are only logged.
    """

    def __init__(self, signals: SessionSignals, pause_seconds: float = 1.0) -> None:
        """After a round of signals no other goes out for `pause_seconds`, so that a rush of requests does not fill the
        workflows' histories."""
        self._signals = signals
        self._pause_seconds = pause_seconds
        self._autoscales: dict[str, str] = {}
        self._servers: set[str] = set()
        self._sending: asyncio.Task[None] | None = None
        self._finishing = asyncio.Event()

    def scale_now(self, autoscales: Iterable[str], why: str) -> None:
        """Let these autoscale configs decide again. Returns at once."""
        self._autoscales.update(dict.fromkeys(autoscales, why))
        self._start()

    def sessions_changed(self, server_id: str) -> None:
        """Tell the server's life that a session ended. Returns at once."""
        self._servers.add(server_id)
        self._start()

    async def finish(self) -> None:
        """Wait until everything is sent, without pauses."""
        self._finishing.set()
        if self._sending is not None:
            await self._sending

    def _start(self) -> None:
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        while self._autoscales or self._servers:
            autoscales, self._autoscales = self._autoscales, {}
            servers, self._servers = self._servers, set()
            # All at once: when Temporal is away, each of them waits until it gives up.
            await asyncio.gather(
                *(
                    self._send(f"the scaling loop of {name}", self._signals.scale_now([name], why))
                    for name, why in autoscales.items()
                ),
                *(self._send(f"the life of {server}", self._signals.sessions_changed(server)) for server in servers),
            )
            await self._pause()

    async def _send(self, whom: str, signal: Awaitable[object]) -> None:
        try:
            await signal
        except RPCError as error:
            _log.warning("%s was not told: %s. It looks by itself within its period.", whom, error)
        except Exception:  # noqa: BLE001
            _log.exception("%s was not told", whom)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._pause_seconds):
                await self._finishing.wait()
        except TimeoutError:
            return
