"""The watchdog and its schedule, on the real server: what should run and does not is started."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities.contract import Ensured
from poolwright.domain.identities import TASK_QUEUE, WATCHDOG, WATCHDOG_ID, scaling_workflow_id, sweep_workflow_id
from poolwright.domain.servers import SessionState
from poolwright.domain.states import ServerState
from poolwright.store import sessions
from poolwright.store.identifiers import new_id
from poolwright.store.servers import lock_server, transition
from starter.preparation import keep_prepared, prepare_namespace
from tests.installations import AWAIT_SECONDS, save
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow


@asynccontextmanager
async def tidy_scene(environment: WorkflowEnvironment, directory: Path) -> AsyncIterator[Scene]:
    """A scene without workers that leaves no running workflow behind on a server which other tests use too."""
    async with scene(environment, directory, working=False, scaling_period_seconds=3600) as poolwright:
        try:
            yield poolwright
        finally:
            async for execution in poolwright.client.list_workflows("ExecutionStatus = 'Running'"):
                await _terminate(poolwright.client, execution.id)


async def _terminate(client: Client, workflow_id: str) -> None:
    try:
        await client.get_workflow_handle(workflow_id).terminate("the test is over")
    except RPCError:
        return


async def one_round(poolwright: Scene) -> Ensured:
    """What the schedule starts each minute."""
    answer = await poolwright.client.execute_workflow(
        WATCHDOG, id=new_id("watchdog-"), task_queue=TASK_QUEUE, result_type=Ensured
    )
    assert isinstance(answer, Ensured)
    return answer


async def until_settled(poolwright: Scene) -> None:
    """Rounds until there is nothing left to mend: the list of what runs lags a little behind."""

    async def nothing_to_mend() -> bool:
        ensured = await one_round(poolwright)
        return not ensured.loops_started and not ensured.lives_started

    await poolwright.soon(nothing_to_mend)


async def _settled(poolwright: Scene) -> bool:
    return not (await one_round(poolwright)).sweeps_started


class TestRound:
    """One round."""

    async def test_a_sweep_of_every_config_is_started_once(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with tidy_scene(temporal_env, tmp_path) as poolwright:
            poolwright.start_working(zone=False)
            assert (await one_round(poolwright)).sweeps_started == (sweep_workflow_id("vm_provider", "sim"),)
            sweep = poolwright.client.get_workflow_handle(sweep_workflow_id("vm_provider", "sim"))
            first = (await sweep.describe()).run_id
            await poolwright.soon(lambda: _settled(poolwright))
            assert (await sweep.describe()).run_id == first

    async def test_it_starts_the_loops_and_lives_that_are_missing(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with tidy_scene(temporal_env, tmp_path) as poolwright:
            servers = [await poolwright.reserve() for _ in range(3)]
            poolwright.start_working()
            ensured = await one_round(poolwright)
            assert ensured.loops_started == ("demo",)
            assert set(ensured.lives_started) <= {server.id for server in servers}
            for server in servers:
                await poolwright.until_state(server, ServerState.BOOTING)
            loop = await poolwright.client.get_workflow_handle(scaling_workflow_id("demo")).describe()
            assert loop.status is WorkflowExecutionStatus.RUNNING

    async def test_repeating_it_is_harmless(self, temporal_env: WorkflowEnvironment, tmp_path: Path) -> None:
        async with tidy_scene(temporal_env, tmp_path) as poolwright:
            server = await poolwright.reserve()
            poolwright.start_working()
            await one_round(poolwright)
            await poolwright.until_state(server, ServerState.BOOTING)
            run = (await poolwright.life(server).describe()).run_id
            for _ in range(3):
                await one_round(poolwright)
            assert (await poolwright.life(server).describe()).run_id == run
            assert poolwright.creations() == 1

    async def test_it_finds_a_life_again_that_an_operator_terminated(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with tidy_scene(temporal_env, tmp_path) as poolwright:
            server = await poolwright.reserve()
            poolwright.start_working()
            await one_round(poolwright)
            await poolwright.until_state(server, ServerState.BOOTING)
            await until_settled(poolwright)
            await poolwright.life(server).terminate("somebody pressed the button")

            async def is_found_again() -> bool:
                return (await one_round(poolwright)).lives_started == (server.id,)

            await poolwright.soon(is_found_again)
            await poolwright.check_in(server)
            await poolwright.until_state(server, ServerState.RUNNING)
            assert poolwright.creations() == 1

    async def test_it_leaves_what_is_over_alone(self, temporal_env: WorkflowEnvironment, tmp_path: Path) -> None:
        async with tidy_scene(temporal_env, tmp_path) as poolwright:
            poolwright.start_working()
            server = await poolwright.running()
            await poolwright.signals.terminate(server.id, "the test is over")
            await poolwright.until_state(server, ServerState.DELETED)
            await poolwright.life(server).result()
            assert server.id not in (await one_round(poolwright)).lives_started

    @pytest.mark.parametrize("state", [ServerState.DRAINING, ServerState.DELETING])
    async def test_a_life_learns_what_a_step_wrote_that_was_too_late_to_be_heard(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path, state: ServerState
    ) -> None:
        async with tidy_scene(temporal_env, tmp_path) as poolwright:
            poolwright.start_working()
            server = await poolwright.running()
            some_time_ago = await poolwright.now() - timedelta(minutes=6)
            with poolwright.store.write() as tx:
                transition(tx, lock_server(tx, server.id), state, "a worker stood still meanwhile", some_time_ago)

            async def has_gone() -> bool:
                await one_round(poolwright)
                return poolwright.server(server).state is ServerState.DELETED

            await poolwright.soon(has_gone)
            assert not poolwright.living()

    async def test_a_life_learns_what_a_database_says_that_was_restored(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with tidy_scene(temporal_env, tmp_path) as poolwright:
            poolwright.start_working()
            server = await poolwright.running()
            with poolwright.store.write() as tx:
                row = lock_server(tx, server.id)
                row.state, row.state_since = ServerState.BOOTING, await poolwright.now() - timedelta(minutes=6)

            async def runs_again() -> bool:
                await one_round(poolwright)
                return poolwright.server(server).state is ServerState.RUNNING

            await poolwright.soon(runs_again)
            assert poolwright.creations() == 1

    async def test_people_who_wait_where_no_config_decides_are_sent_away_in_time(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with tidy_scene(temporal_env, tmp_path) as poolwright:
            poolwright.start_working(zone=False)
            save(poolwright.store, "pool", "by-hand", {"type": "server", "queue_expiry_seconds": 3600})
            now = await poolwright.now()
            with poolwright.store.write() as tx:
                request = sessions.SessionRequest(pool="by-hand", user="ada")
                late = sessions.request_session(tx, request, now)
                early = sessions.request_session(tx, request, now - timedelta(seconds=3600))
            await one_round(poolwright)
            assert poolwright.session(late).state is SessionState.QUEUED
            ended = poolwright.session(early)
            assert ended.state is SessionState.ENDED
            assert "the pool's limit" in str(ended.end_reason)


class TestSchedule:
    """The schedule that starts a round each minute."""

    @pytest.fixture(autouse=True)
    async def without_a_schedule(self, temporal_env: WorkflowEnvironment) -> AsyncIterator[None]:
        """Whatever other tests made of it is gone, and so is what this one makes."""
        await self._delete(temporal_env.client)
        yield
        await self._delete(temporal_env.client)

    async def test_it_is_made_once_and_starts_at_once(self, temporal_env: WorkflowEnvironment, tmp_path: Path) -> None:
        async with tidy_scene(temporal_env, tmp_path) as poolwright:
            server = await poolwright.reserve()
            poolwright.start_working()
            for _ in range(3):
                await prepare_namespace(poolwright.client)
            await poolwright.until_state(server, ServerState.BOOTING)

            async def is_listed_once() -> bool:
                listed = [schedule.id async for schedule in await poolwright.client.list_schedules()]
                return listed == [WATCHDOG_ID]

            await poolwright.soon(is_listed_once)

    async def test_one_that_an_operator_paused_stays_paused(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with tidy_scene(temporal_env, tmp_path) as poolwright:
            await prepare_namespace(poolwright.client)
            schedule = poolwright.client.get_schedule_handle(WATCHDOG_ID)
            await schedule.pause(note="the cloud is being rebuilt")

            # A busy server describes for a moment what was before it was asked.
            async def is_paused() -> bool:
                return (await schedule.describe()).schedule.state.paused

            async def starts() -> int:
                info = (await schedule.describe()).info
                return info.num_actions + info.num_actions_skipped_overlap

            async def was_started_again() -> bool:
                return await starts() > before

            await poolwright.soon(is_paused)
            before = await starts()
            await prepare_namespace(poolwright.client)
            await poolwright.soon(was_started_again)
            state = (await schedule.describe()).schedule.state
            assert (state.paused, state.note) == (True, "the cloud is being rebuilt")

    async def test_one_that_is_lost_is_made_again_by_workers_that_run(self, temporal_env: WorkflowEnvironment) -> None:
        client = temporal_env.client
        prepare = partial(prepare_namespace, client)
        await prepare()
        await self._delete(client)
        assert not await self._is_there(client)
        keeping = asyncio.create_task(keep_prepared(client, prepare, every_seconds=0.05))
        try:
            async with asyncio.timeout(AWAIT_SECONDS):
                while not await self._is_there(client):
                    await asyncio.sleep(0.05)
        finally:
            keeping.cancel()

    async def _is_there(self, client: Client) -> bool:
        try:
            await client.get_schedule_handle(WATCHDOG_ID).describe()
        except RPCError:
            return False
        return True

    async def _delete(self, client: Client) -> None:
        try:
            await client.get_schedule_handle(WATCHDOG_ID).delete()
        except RPCError:
            return
