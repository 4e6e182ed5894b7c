"""Scaling loops: when they decide, what comes of it, and what they remember."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.contract import DECIDE, Decided
from poolwright.domain.servers import SessionState
from poolwright.domain.states import ServerState
from poolwright.store import documents, scaling
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow

PERIOD_SECONDS = 30
ALL_READY: dict[str, Any] = {"require_checkin": False, "scaling_period_seconds": PERIOD_SECONDS}


async def decisions(loop: WorkflowHandle[Any, Any]) -> int:
    """How many decisions the newest run of the loop has asked for."""
    return sum(
        event.activity_task_scheduled_event_attributes.activity_type.name == DECIDE
        for event in (await loop.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )


async def last_decision(loop: WorkflowHandle[Any, Any]) -> Decided:
    """What the loop says that it last decided, which it has."""
    return Decided.model_validate(await loop.query("last_decision"))


async def has_decided(loop: WorkflowHandle[Any, Any]) -> bool:
    """Whether this run of the loop has decided yet."""
    return await loop.query("last_decision") is not None


async def begun(poolwright: Scene) -> WorkflowHandle[Any, Any]:
    """The loop, after its first decision."""
    loop = await poolwright.loop()
    await poolwright.soon(lambda: has_decided(loop))
    return loop


def in_state(poolwright: Scene, state: ServerState) -> int:
    """How many servers are in this state."""
    return sum(server.state is state for server in poolwright.servers())


class TestTiming:
    """When a loop decides."""

    async def test_it_decides_at_once_and_then_each_period(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, scaling_period_seconds=PERIOD_SECONDS) as poolwright:
            loop = await begun(poolwright)
            assert await decisions(loop) == 1
            await poolwright.skip(3.5 * PERIOD_SECONDS)
            assert await decisions(loop) == 4

    async def test_a_wake_brings_a_decision_at_once(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, scaling_period_seconds=3600) as poolwright:
            loop = await begun(poolwright)
            await poolwright.signals.scale_now(["demo"], "somebody waits")

            async def has_decided_again() -> bool:
                return await decisions(loop) == 2

            await poolwright.soon(has_decided_again)

    async def test_any_number_of_wakes_during_a_decision_bring_exactly_one_more(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, scaling_period_seconds=3600) as poolwright:
            # Whoever writes keeps the decision waiting.
            with poolwright.store.write():
                loop = await poolwright.loop()
                await poolwright.until_loop_at_work(DECIDE)
                for _ in range(5):
                    await poolwright.signals.scale_now(["demo"], "somebody waits")

            async def has_decided_again() -> bool:
                return await decisions(loop) == 2

            await poolwright.soon(has_decided_again)
            await poolwright.skip(1800)
            assert await decisions(loop) == 2

    async def test_it_ends_when_its_config_is_gone(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            loop = await begun(poolwright)
            with poolwright.store.write() as tx:
                documents.delete_document(tx, "autoscale", "demo")
            await poolwright.skip(PERIOD_SECONDS + 1)
            assert await loop.result() == "the autoscale config demo is gone"


class TestGrowth:
    """What comes of decisions."""

    async def test_it_keeps_room_for_as_many_sessions_as_asked(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, minimum_available_sessions=2, **ALL_READY) as poolwright:
            await begun(poolwright)
            await poolwright.soon(lambda: in_state(poolwright, ServerState.RUNNING) == 2)
            await poolwright.skip(4 * PERIOD_SECONDS)
            assert {server.hostname for server in poolwright.servers()} == {"demo-001", "demo-002"}
            assert poolwright.creations() == 2

    async def test_who_asks_is_served_and_the_room_is_filled_up_again(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, minimum_available_sessions=1, **ALL_READY) as poolwright:
            await begun(poolwright)
            await poolwright.soon(lambda: in_state(poolwright, ServerState.RUNNING) == 1)
            session = await poolwright.request("ada")
            assert session.state is SessionState.ASSIGNED
            await poolwright.until(lambda: in_state(poolwright, ServerState.RUNNING) == 2, within_seconds=60)
            await poolwright.end(session)
            await poolwright.until(
                lambda: session.server_id not in {server.id for server in poolwright.servers()}, within_seconds=120
            )
            assert in_state(poolwright, ServerState.RUNNING) == 1

    async def test_who_waits_gets_the_server_that_is_made_for_them(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, **ALL_READY) as poolwright:
            session = await poolwright.request("ada")
            assert session.state is SessionState.QUEUED
            await begun(poolwright)
            await poolwright.soon(lambda: poolwright.session(session).state is SessionState.ASSIGNED)
            assert poolwright.creations() == 1

    async def test_no_demand_passes_the_cap(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        settings = {"minimum_available_sessions": 9, "provider_cap": 2, **ALL_READY}
        async with scene(skipping, tmp_path, sticky=True, **settings) as poolwright:
            loop = await begun(poolwright)
            await poolwright.soon(lambda: in_state(poolwright, ServerState.RUNNING) == 2)
            for user in ("ada", "ben", "cem", "dea"):
                await poolwright.request(user)
            await poolwright.skip(6 * PERIOD_SECONDS)
            assert poolwright.creations() == 2
            assert poolwright.world.highest_alive() == 2
            assert "cap" in (await last_decision(loop)).details

    async def test_a_life_whose_start_was_lost_is_started(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, minimum_available_sessions=1, **ALL_READY) as poolwright:
            server = await poolwright.reserve()
            await begun(poolwright)
            await poolwright.until_state(server, ServerState.RUNNING)
            assert poolwright.creations() == 1

    async def test_idle_servers_go_when_they_are_not_wanted_any_more(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        patience: dict[str, Any] = {"minimum_life_seconds": 60, "downscale_backoff_seconds": 60}
        async with scene(
            skipping, tmp_path, sticky=True, minimum_available_sessions=2, **patience, **ALL_READY
        ) as poolwright:
            await begun(poolwright)
            await poolwright.soon(lambda: in_state(poolwright, ServerState.RUNNING) == 2)
            poolwright.change("autoscale", "demo", minimum_available_sessions=0)
            await poolwright.until(lambda: not poolwright.servers(), within_seconds=400)
            assert not poolwright.living()


class TestObserve:
    """`observe`: decide and record, but do not act."""

    async def test_it_says_what_it_would_do_and_does_nothing(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(
            skipping, tmp_path, sticky=True, minimum_available_sessions=2, observe=True, **ALL_READY
        ) as poolwright:
            loop = await begun(poolwright)
            await poolwright.skip(2 * PERIOD_SECONDS)
            assert not poolwright.servers(deleted=True)
            decided = await last_decision(loop)
            assert decided.observed
            assert "**Observed only**" in decided.details
            with poolwright.store.read() as tx:
                (decision,) = scaling.latest_decisions(tx, "demo")
            assert len(decision.plan.actions) == 2


class TestDetails:
    """What an operator reads in the Temporal Web UI."""

    async def test_they_hold_the_reasons_the_figures_and_the_help(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, minimum_available_sessions=2, **ALL_READY) as poolwright:
            loop = await begun(poolwright)
            await poolwright.soon(lambda: in_state(poolwright, ServerState.RUNNING) == 2)
            await poolwright.skip(PERIOD_SECONDS)
            metadata = await loop.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
            with poolwright.store.read() as tx:
                (decision,) = scaling.latest_decisions(tx, "demo")
            assert decision.plan.reasons
            for reason in decision.plan.reasons:
                assert f"- {reason}" in metadata.current_details
            assert "| wanted available sessions | 2 |" in metadata.current_details
            for signal in ("scale_now", "pause", "resume"):
                assert f"`{signal}`" in metadata.current_details


class TestPause:
    """The signals `pause` and `resume`."""

    async def test_a_paused_loop_changes_nothing_until_it_is_resumed(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, minimum_available_sessions=1, **ALL_READY) as poolwright:
            loop = await begun(poolwright)
            await poolwright.soon(lambda: in_state(poolwright, ServerState.RUNNING) == 1)
            await poolwright.signals.pause("demo", "the cloud is being rebuilt")
            await poolwright.soon(lambda: self._pause(poolwright) == "the cloud is being rebuilt")
            await poolwright.request("ada")
            await poolwright.signals.scale_now(["demo"], "somebody took the last server")
            await poolwright.skip(10 * PERIOD_SECONDS)
            assert poolwright.creations() == 1
            assert "**Paused**: the cloud is being rebuilt" in (await last_decision(loop)).details
            await poolwright.signals.resume("demo")
            await poolwright.soon(lambda: in_state(poolwright, ServerState.RUNNING) == 2)
            assert self._pause(poolwright) is None

    async def test_a_pause_outlives_its_loop(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, **ALL_READY) as poolwright:
            loop = await begun(poolwright)
            await poolwright.signals.pause("demo", "the cloud is being rebuilt")
            await poolwright.soon(lambda: self._pause(poolwright) is not None)
            await loop.terminate("somebody pressed the button")
            poolwright.change("autoscale", "demo", minimum_available_sessions=1)
            loop = await begun(poolwright)
            assert (await last_decision(loop)).paused == "the cloud is being rebuilt"
            assert not poolwright.servers()

    async def test_one_without_a_reason_is_shown_as_one_too(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, **ALL_READY) as poolwright:
            await begun(poolwright)
            await poolwright.signals.pause("demo", "")
            await poolwright.soon(lambda: self._pause(poolwright) is not None)
            assert self._pause(poolwright) == "an operator paused it"
            await poolwright.signals.resume("demo")
            await poolwright.soon(lambda: self._pause(poolwright) is None)

    async def test_those_who_wait_meanwhile_are_sent_away_in_time(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, **ALL_READY) as poolwright:
            poolwright.change("pool", "demo", queue_expiry_seconds=60)
            await begun(poolwright)
            await poolwright.signals.pause("demo", "the cloud is being rebuilt")
            await poolwright.soon(lambda: self._pause(poolwright) is not None)
            session = await poolwright.request("ada")
            await poolwright.signals.scale_now(["demo"], "somebody waits")
            await poolwright.until(
                lambda: poolwright.session(session).state is SessionState.ENDED, within_seconds=60 + 2 * PERIOD_SECONDS
            )

    async def test_the_last_wish_counts(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, working=False, **ALL_READY) as poolwright:
            await poolwright.loop()
            await poolwright.signals.pause("demo", "first")
            await poolwright.signals.resume("demo")
            await poolwright.signals.pause("demo", "second")
            poolwright.start_working()
            await poolwright.soon(lambda: self._pause(poolwright) == "second")

    def _pause(self, poolwright: Scene) -> str | None:
        with poolwright.store.read() as tx:
            return scaling.paused_because(tx, "demo")


class TestNewRun:
    """A loop that has decided thousands of times."""

    async def test_it_goes_on_where_it_was(self, short_histories: WorkflowEnvironment, tmp_path: Path) -> None:
        settings: dict[str, Any] = {"minimum_available_sessions": 1, "require_checkin": False}
        async with scene(short_histories, tmp_path, scaling_period_seconds=3600, **settings) as poolwright:
            loop = await begun(poolwright)
            try:
                first = (await loop.describe()).run_id

                async def is_in_another_run() -> bool:
                    await poolwright.signals.scale_now(["demo"], "to make history")
                    return (await loop.describe()).run_id != first

                await poolwright.soon(is_in_another_run)
                await poolwright.signals.pause("demo", "the test is nearly over")

                async def is_paused() -> bool:
                    return await has_decided(loop) and (await last_decision(loop)).paused is not None

                await poolwright.soon(is_paused)
                assert poolwright.creations() == 1
            finally:
                await loop.terminate("the test is over")
