import asyncio
import logging
from collections.abc import Iterable

import pytest
from temporalio.service import RPCError, RPCStatusCode

from starter.wakes import Wakes


class Workflows:
    """Notes what is sent. While `gate` is closed, sending takes."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sent: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._error = error

    async def scale_now(self, autoscales: Iterable[str], why: str) -> None:
        await self.gate.wait()
        self.sent += [f"{name}: {why}" for name in autoscales]
        if self._error:
            raise self._error

    async def sessions_changed(self, server_id: str) -> bool:
        await self.gate.wait()
        self.sent.append(server_id)
        return True


class TestWakes:
    async def test_they_are_sent_in_the_background(self) -> None:
        workflows = Workflows()
        wakes = Wakes(workflows)
        wakes.scale_now(["a", "b"], "a request")
        wakes.sessions_changed("s1")
        assert workflows.sent == []
        await wakes.finish()
        assert workflows.sent == ["a: a request", "b: a request", "s1"]

    async def test_those_that_come_meanwhile_are_sent_as_one(self) -> None:
        workflows = Workflows()
        workflows.gate.clear()
        wakes = Wakes(workflows)
        wakes.scale_now(["a"], "1")
        await asyncio.sleep(0)
        for number in range(2, 50):
            wakes.scale_now(["a"], str(number))
        workflows.gate.set()
        await wakes.finish()
        assert workflows.sent == ["a: 1", "a: 49"]

    async def test_finishing_twice_or_without_any_is_nothing(self) -> None:
        wakes = Wakes(Workflows(), pause_seconds=60)
        await wakes.finish()
        wakes.sessions_changed("s1")
        async with asyncio.timeout(30):
            await wakes.finish()
            await wakes.finish()

    @pytest.mark.parametrize(
        ("error", "level"),
        [(RPCError("away", RPCStatusCode.UNAVAILABLE, b""), logging.WARNING), (ValueError("a bug"), logging.ERROR)],
    )
    async def test_failures_are_logged_and_the_others_are_sent(
        self, caplog: pytest.LogCaptureFixture, error: Exception, level: int
    ) -> None:
        workflows = Workflows(error)
        wakes = Wakes(workflows)
        wakes.scale_now(["a", "b"], "a request")
        wakes.sessions_changed("s1")
        await wakes.finish()
        assert len(workflows.sent) == 3
        assert [(entry.levelno, entry.getMessage()[:21]) for entry in caplog.records] == [
            (level, "the scaling loop of a"),
            (level, "the scaling loop of b"),
        ]
