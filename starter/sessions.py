"""What people and brokers do with sessions: the session API and the CLI both stand on this."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session as Transaction

from poolwright.domain.servers import Session, SessionState
from poolwright.domain.states import ServerState
from poolwright.store import scaling, sessions
from poolwright.store.engine import Store
from poolwright.store.servers import get_server
from poolwright.store.sessions import SessionRequest
from starter import answering
from starter.answers import Explanation, SessionAnswer
from starter.session_watch import SessionWatch
from starter.wakes import SessionSignals, Wakes


class RequestKeyReused(ValueError):
    """The same idempotency key came with another request."""


class SessionService:
    """Requests, shows, awaits, ends and explains sessions.

    No answer waits for Temporal: workflows are woken in the background. Call `finish` before the event loop ends.
    """

    def __init__(self, store: Store, signals: SessionSignals, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Waits end early once `stopping` says true."""
        self._store = store
        self._wakes = Wakes(signals)
        self._watch = SessionWatch(store, stopping=stopping)

    async def request(self, request: SessionRequest, *, wait_seconds: float = 0) -> SessionAnswer:
        """Ask for a session. The answer is assigned if there was room; otherwise it comes after at most `wait_seconds`.

        Repeatable by `request_key`. Raises `UnknownDocument`, `SessionRefused` or `RequestKeyReused`.
        """
        try:
            answer, autoscales = await asyncio.to_thread(self._request, request)
        except IntegrityError:
            # The same key came in twice at once, for two pools: the first has won, and now it can be seen.
            answer, autoscales = await asyncio.to_thread(self._request, request)
        self._wakes.scale_now(autoscales, f"{answer.id} was requested in pool {answer.pool}")
        if answer.state is SessionState.QUEUED and wait_seconds > 0:
            return await self.wait(answer.id, wait_seconds)
        return answer

    async def status(self, session_id: str, *, with_connection: bool = True) -> SessionAnswer:
        """The session as it is now. Raises `UnknownSession`."""
        return await asyncio.to_thread(self._status, session_id, with_connection)

    async def wait(self, session_id: str, seconds: float, *, with_connection: bool = True) -> SessionAnswer:
        """The session once it is no longer queued, or as it is after so many seconds. Raises `UnknownSession`."""
        answer = await self.status(session_id, with_connection=with_connection)
        if answer.state is not SessionState.QUEUED or seconds <= 0:
            return answer
        await self._watch.wait(session_id, seconds)
        return await self.status(session_id, with_connection=with_connection)

    async def end(self, session_id: str, reason: str) -> SessionAnswer:
        """End the session, or take it out of the queue. Repeatable. Raises `UnknownSession`."""
        answer, autoscales, draining = await asyncio.to_thread(self._end, session_id, reason)
        self._wakes.scale_now(autoscales, f"{session_id} ended in pool {answer.pool}")
        if draining is not None:
            self._wakes.sessions_changed(draining)
        return answer

    async def list(self, *, pool: str | None = None, ended: bool = False, newest: int = 500) -> Sequence[SessionAnswer]:
        """The newest sessions in the order of their requests, without connections; ended ones only if asked for.

        Raises `UnknownDocument`.
        """
        return await asyncio.to_thread(self._list, pool, ended, newest)

    async def explain(self, pool: str, at: datetime | None = None) -> Explanation:
        """Why the pool is as large as it is, or was at that time. Raises `UnknownDocument`."""
        return await asyncio.to_thread(self._explain, pool, at)

    async def finish(self) -> None:
        """Wait until workflows are told what happened."""
        await self._wakes.finish()

    def _request(self, request: SessionRequest) -> tuple[SessionAnswer, Sequence[str]]:
        with self._store.write() as tx:
            now = self._store.clock()
            session = sessions.request_session(tx, request, now)
            _check_same(request, session)
            answer = answering.answer_session(tx, session, now, with_connection=True)
            return answer, scaling.autoscales_of_pool(tx, session.pool)

    def _status(self, session_id: str, with_connection: bool) -> SessionAnswer:
        with self._store.read() as tx:
            session = sessions.get_session(tx, session_id)
            return answering.answer_session(tx, session, self._store.clock(), with_connection=with_connection)

    def _end(self, session_id: str, reason: str) -> tuple[SessionAnswer, Sequence[str], str | None]:
        with self._store.write() as tx:
            now = self._store.clock()
            session = sessions.end_session(tx, session_id, reason, now)
            answer = answering.answer_session(tx, session, now, with_connection=False)
            return answer, scaling.autoscales_of_pool(tx, session.pool), _draining_server(tx, session)

    def _list(self, pool: str | None, ended: bool, newest: int) -> Sequence[SessionAnswer]:
        with self._store.read() as tx:
            return answering.answer_sessions(tx, pool, ended=ended, newest=newest, now=self._store.clock())

    def _explain(self, pool: str, at: datetime | None) -> Explanation:
        with self._store.read() as tx:
            return answering.explain(tx, pool, at)


def _check_same(request: SessionRequest, session: Session) -> None:
    asked = (request.pool, request.user, request.kind, request.workspace)
    if asked != (session.pool, session.user, session.kind, session.workspace):
        raise RequestKeyReused(
            "this idempotency key came before with another pool, user, kind or workspace: a new request needs a new key"
        )


def _draining_server(tx: Transaction, session: Session) -> str | None:
    if session.server_id is None:
        return None
    server = get_server(tx, session.server_id)
    return server.id if server.state is ServerState.DRAINING else None
