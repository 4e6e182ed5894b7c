"""Waiting for sessions to get their servers."""

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from poolwright.store import sessions
from poolwright.store.engine import Store

_log = logging.getLogger("poolwright.sessions")


class SessionWatch:
    """Wakes whoever waits for a session to leave the queue.

    Sessions are assigned by other processes too, so this looks at the database; one look serves all who wait.
    """

    def __init__(
        self,
        store: Store,
        *,
        look_every_seconds: float = 0.2,
        most_waiters: int = 500,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """While `stopping` says true, and beyond `most_waiters`, nobody has to wait: they ask again later."""
        self._store = store
        self._look_every_seconds = look_every_seconds
        self._most_waiters = most_waiters
        self._stopping = stopping
        self._waiting: dict[asyncio.Future[None], str] = {}
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, session_id: str, seconds: float) -> None:
        """Return once the session is no longer queued, and after so many seconds in any case."""
        if self._stopping() or len(self._waiting) >= self._most_waiters:
            return
        left_the_queue = asyncio.get_running_loop().create_future()
        self._waiting[left_the_queue] = session_id
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(seconds):
                await left_the_queue
        except TimeoutError:
            return
        finally:
            del self._waiting[left_the_queue]

    async def _look(self) -> None:
        while self._waiting and not self._stopping():
            try:
                self._wake(await asyncio.to_thread(self._gone_from_queue, set(self._waiting.values())))
            except SQLAlchemyError as error:
                _log.warning("the database does not say which sessions still wait: %s", type(error).__name__)
            await asyncio.sleep(self._look_every_seconds)
        self._wake(set(self._waiting.values()))

    def _gone_from_queue(self, session_ids: set[str]) -> set[str]:
        with self._store.read() as tx:
            return session_ids - sessions.still_queued(tx, session_ids)

    def _wake(self, session_ids: set[str]) -> None:
        for left_the_queue, session_id in self._waiting.items():
            if session_id in session_ids and not left_the_queue.done():
                left_the_queue.set_result(None)
