"""Runs the endpoint."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import uvicorn

from poolwright.store.engine import Store
from poolwright.store.installation import upgrade
from starter.connection import connect
from starter.endpoint.app import create_app
from starter.endpoint.temporal_link import TemporalLink
from starter.settings import Settings

_GRACE_SECONDS: Final = 10
_THREADS: Final = 20

LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "INFO", "propagate": False} for name in ("poolwright", "uvicorn")
    },
}
"""Everything to stderr. uvicorn's own access log is off: it shows query strings, and they hold tokens."""


async def serve(settings: Settings) -> None:
    """Bring the database up to date and serve until SIGTERM or SIGINT; requests that run then have ten seconds to end.

    Temporal may come later. Raises `KeyProblem` or `DatabaseURLError`, RuntimeError when Temporal's own settings cannot
    be read, and SystemExit when the port is taken.
    """
    store = settings.open_store()
    try:
        await asyncio.to_thread(upgrade, store)
        await _serve(settings, store)
    finally:
        store.close()


async def _serve(settings: Settings, store: Store) -> None:
    # As many as the database takes connections; asyncio's own number goes by processors and is far lower.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="store"))
    link = TemporalLink(connect)
    server = _Server(
        uvicorn.Config(
            create_app(store, link, stopping=lambda: server.should_exit),
            host=settings.host,
            port=settings.endpoint_port,
            access_log=False,
            log_config=LOGGING,
            ws="none",
            server_header=False,
            limit_concurrency=2_000,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    # What is loaded by now stays. Otherwise each full garbage collection would look through all of it, and whoever asks
    # for a session meanwhile would wait a tenth of a second longer.
    gc.freeze()
    linking = asyncio.create_task(link.make())
    linking.add_done_callback(server.stop_unless_fine)
    try:
        await server.serve()
    finally:
        linking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await linking


class _Server(uvicorn.Server):
    """Stops on SIGTERM and SIGINT and returns; a second one stops at once.

    uvicorn's own handling raises the signal again in the end, which kills the process before the store is closed.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle the signals while inside."""
        loop = asyncio.get_running_loop()
        handled = (signal.SIGTERM, signal.SIGINT)
        for number in handled:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    def stop_unless_fine(self, task: asyncio.Task[None]) -> None:
        """For tasks that the endpoint cannot do without: their errors end it."""
        if not task.cancelled() and task.exception() is not None:
            self.should_exit = True

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
