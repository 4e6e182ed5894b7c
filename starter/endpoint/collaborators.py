"""What routes work with, as FastAPI dependencies."""

from collections.abc import Iterable
from typing import Annotated, Protocol

from fastapi import Depends, Request

from poolwright.domain.servers import CheckInStatus
from poolwright.store.engine import Store
from starter.sessions import SessionService


class EndpointSignals(Protocol):
    """What the endpoint tells workflows; `starter.endpoint.temporal_link` has the real one.

    All but `reachable` raise `temporalio.service.RPCError` when Temporal cannot be reached.
    """

    async def check_in(self, server_id: str, status: CheckInStatus, message: str) -> bool:
        """The startup script reported this status. False: no workflow of this server runs."""

    async def scale_now(self, autoscales: Iterable[str], why: str) -> None:
        """Decide again at once for these autoscale configs."""

    async def sessions_changed(self, server_id: str) -> bool:
        """A session on this server ended."""

    async def reachable(self) -> bool:
        """True if Temporal answers. Never raises."""


# Coroutines although they await nothing: FastAPI hands plain functions to a thread.
async def _store(request: Request) -> Store:
    store = request.app.state.store
    assert isinstance(store, Store)
    return store


async def _signals(request: Request) -> EndpointSignals:
    signals: EndpointSignals = request.app.state.signals
    return signals


async def _sessions(request: Request) -> SessionService:
    sessions = request.app.state.sessions
    assert isinstance(sessions, SessionService)
    return sessions


StoreOfApp = Annotated[Store, Depends(_store)]
SignalsOfApp = Annotated[EndpointSignals, Depends(_signals)]
Sessions = Annotated[SessionService, Depends(_sessions)]
