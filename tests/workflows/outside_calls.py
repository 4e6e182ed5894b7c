"""Calls to the outside whose answers come late, or never, or that fail for a while."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.api.enums.v1 import EventType

from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.store.tables import ServerRow
from tests.installations import AWAIT_SECONDS
from tests.workflows.scenes import Scene


class Held:
    """A call to the outside that has done its work and does not return yet; then it returns, or raises this error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, error: Exception | None = None) -> None:
        self._done, self._release = threading.Event(), threading.Event()
        call = getattr(owner, name)

        def held(*arguments: Any) -> Any:
            result = call(*arguments)
            self._done.set()
            assert self._release.wait(AWAIT_SECONDS)
            if error is not None:
                raise error
            return result

        monkeypatch.setattr(owner, name, held)

    async def outlives_its_life(self, poolwright: Scene, server: Server) -> None:
        """End the life without its answer while the call is held, and have all of the server deleted; then let go."""
        await poolwright.soon(self._done.is_set)
        await poolwright.life(server).terminate("somebody pressed the button")
        with poolwright.store.write() as tx:
            tx.execute(update(ServerRow).where(ServerRow.id == server.id).values(state=ServerState.DELETED))
        self._release.set()

    async def is_terminated_meanwhile(self, poolwright: Scene, server: Server) -> None:
        """Terminate the server while the call is held, then let go of it."""
        await poolwright.soon(self._done.is_set)
        await poolwright.signals.terminate(server.id, "changed my mind")
        await poolwright.until_event(server, EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED)
        assert poolwright.server(server).state is not ServerState.DELETING
        self._release.set()


def loses_its_answer(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, meanwhile: Callable[[], object]
) -> threading.Event:
    """Let the first call do its work, then this, and fail. Returns what is set by then."""
    lost, call = threading.Event(), getattr(owner, name)

    def losing(*arguments: Any) -> Any:
        result = call(*arguments)
        if lost.is_set():
            return result
        meanwhile()
        lost.set()
        raise ConnectionResetError("the answer was lost")

    monkeypatch.setattr(owner, name, losing)
    return lost


def fails(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *errors: Exception) -> Callable[[], bool]:
    """Let the first calls fail with these errors. Returns whether they have."""
    call, to_come = getattr(owner, name), list(errors)

    def failing(*arguments: Any, **options: Any) -> Any:
        if to_come:
            raise to_come.pop(0)
        return call(*arguments, **options)

    monkeypatch.setattr(owner, name, failing)
    return lambda: not to_come
