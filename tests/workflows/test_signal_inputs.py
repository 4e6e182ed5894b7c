"""Signals with inputs that nobody meant: the Temporal Web UI and CLI send whatever an operator types, and as much."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.lifeline import start_sweep
from poolwright.domain.identities import sweep_workflow_id
from poolwright.domain.states import ServerState
from poolwright.store import scaling, sweeps
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow

TOO_MANY = ("why", "operator", "and so on", "and so forth")
INPUTS: tuple[Sequence[object], ...] = (TOO_MANY, (None,), (7,), ({"why": "typing"},), ("",), ())


async def send(handle: WorkflowHandle[object, object], signal: str) -> None:
    for given in INPUTS:
        await handle.signal(signal, args=given)


class TestServerLifecycle:
    async def test_goes_on_whatever_is_sent(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            await poolwright.request("ada")
            for signal in ("check_in", "sessions_changed", "nobody knows this one", "drain", "undrain"):
                await send(poolwright.life(server), signal)
            await poolwright.signals.drain(server.id, "the image is old")
            await poolwright.until_told(server, ServerState.DRAINING)

    @pytest.mark.parametrize(
        ("signal", "given"), [("delete", TOO_MANY), ("delete", (None,)), ("terminate", (None,)), ("terminate", (7,))]
    )
    async def test_ends_a_server_whatever_is_sent_with_the_signal(
        self, skipping: WorkflowEnvironment, tmp_path: Path, signal: str, given: Sequence[object]
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.running()
            await poolwright.life(server).signal(signal, args=given)
            await poolwright.until_state(server, ServerState.DELETED)


class TestPoolScaling:
    async def test_goes_on_whatever_is_sent(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            loop = await poolwright.loop()
            for signal in ("scale_now", "pause", "resume"):
                await send(loop, signal)
            await poolwright.signals.pause("demo", "a test looks whether it listens")
            await poolwright.soon(lambda: paused(poolwright) == "a test looks whether it listens")


class TestSweep:
    async def test_goes_on_whatever_is_sent(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            await start_sweep(poolwright.client, "vm_provider", "sim")
            sweep = poolwright.client.get_workflow_handle(sweep_workflow_id("vm_provider", "sim"))
            for signal in ("sweep_now", "settings_changed", "pause", "resume"):
                await send(sweep, signal)
            await poolwright.signals.pause_sweep("vm_provider", "sim", "a test looks whether it listens")
            await poolwright.soon(lambda: sweep_paused(poolwright) == "a test looks whether it listens")


def paused(poolwright: Scene) -> str | None:
    with poolwright.store.read() as tx:
        return scaling.paused_because(tx, "demo")


def sweep_paused(poolwright: Scene) -> str | None:
    with poolwright.store.read() as tx:
        return sweeps.sweep_state(tx, "vm_provider", "sim").paused_because
