"""Paths through the workflows that go round and round: `PoolScaling`, `Sweep` and `Watchdog`."""

from typing import Any
from unittest.mock import patch

from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError

from activities.accounts import Accounts
from activities.contract import BEGIN_SWEEP, DECIDE, SWEEP_ROUND
from activities.lifeline import start_sweep
from poolwright.domain.identities import POOL_SCALING, SWEEP, TASK_QUEUE, WATCHDOG, WATCHDOG_ID, sweep_workflow_id
from poolwright.store import documents
from tests.replay.plays import Handle, Plays, events_left
from tests.workflows.scenes import Scene

SCALING, SWEEPS, WATCHDOGS = Plays(POOL_SCALING), Plays(SWEEP), Plays(WATCHDOG)

PERIOD_SECONDS = 30
ALL_READY: dict[str, Any] = {
    "minimum_available_sessions": 1,
    "require_checkin": False,
    "scaling_period_seconds": PERIOD_SECONDS,
}


@SCALING.play(**ALL_READY)
async def woken_paused_and_resumed(poolwright: Scene) -> Handle:
    loop = await poolwright.loop()
    await until_done(poolwright, loop, DECIDE, 1)
    await poolwright.soon(lambda: [server.state.value for server in poolwright.servers()] == ["running"])
    await poolwright.skip(PERIOD_SECONDS + 1)
    done = await done_so_far(loop, DECIDE)
    await poolwright.signals.pause("demo", "the cloud is being rebuilt")
    await until_done(poolwright, loop, DECIDE, done + 1)
    await poolwright.signals.resume("demo")
    await until_done(poolwright, loop, DECIDE, done + 2)
    await delete_config(poolwright)
    await poolwright.signals.scale_now(["demo"], "the configuration changed")
    await loop.result()
    return loop


@SCALING.play(sim={"interruptible": True}, **ALL_READY)
async def vm_is_taken_away(poolwright: Scene) -> Handle:
    poolwright.change("vm_provider", "sim", facts={"interruptible": True})
    loop = await poolwright.loop()
    await poolwright.soon(lambda: [server.state.value for server in poolwright.servers()] == ["running"])
    poolwright.world.interrupt(poolwright.living()[0].reference, "reclaimed at noon")
    await poolwright.until(lambda: poolwright.creations() == 2, within_seconds=20 * PERIOD_SECONDS)
    await delete_config(poolwright)
    await poolwright.signals.scale_now(["demo"], "the configuration changed")
    await loop.result()
    return loop


@SCALING.play(scaling_period_seconds=PERIOD_SECONDS)
async def config_is_gone(poolwright: Scene) -> Handle:
    loop = await poolwright.loop()
    await until_done(poolwright, loop, DECIDE, 1)
    await delete_config(poolwright)
    await poolwright.skip(PERIOD_SECONDS + 1)
    await loop.result()
    return loop


@SCALING.play(short_histories=True, scaling_period_seconds=3600)
async def goes_on_in_new_run(poolwright: Scene) -> Handle:
    loop = await poolwright.loop()
    await until_done(poolwright, loop, DECIDE, 1)
    return await grow_old(poolwright, loop, "scale_now")


@SWEEPS.play()
async def asked_paused_and_resumed(poolwright: Scene) -> Handle:
    sweep = await begin_sweep(poolwright)
    await until_done(poolwright, sweep, SWEEP_ROUND, 1)
    await poolwright.skip(1000)
    await until_done(poolwright, sweep, SWEEP_ROUND, 2)
    looks = await done_so_far(sweep, BEGIN_SWEEP)
    await poolwright.signals.sweep_now("vm_provider", "sim", "an operator asks for it")
    await until_done(poolwright, sweep, SWEEP_ROUND, 3)
    await poolwright.signals.pause_sweep("vm_provider", "sim", "the cloud is being rebuilt")
    await until_done(poolwright, sweep, BEGIN_SWEEP, looks + 2)
    await poolwright.signals.resume_sweep("vm_provider", "sim")
    await until_done(poolwright, sweep, BEGIN_SWEEP, looks + 3)
    return await end_sweep(poolwright, sweep)


@SWEEPS.play()
async def round_is_given_up(poolwright: Scene) -> Handle:
    """The round ends in an error of its activity, as it does when no worker of the zone takes it up for an hour."""
    gone = ApplicationError("nobody takes it up", non_retryable=True)
    with patch.object(Accounts, "provider", side_effect=gone):
        sweep = await begin_sweep(poolwright)
        await until_done(poolwright, sweep, BEGIN_SWEEP, 2)
    return await end_sweep(poolwright, sweep)


@SWEEPS.play(short_histories=True)
async def goes_on_in_a_new_run(poolwright: Scene) -> Handle:
    sweep = await begin_sweep(poolwright)
    await until_done(poolwright, sweep, SWEEP_ROUND, 1)
    return await grow_old(poolwright, sweep, "settings_changed")


@WATCHDOGS.play(short_histories=True, **ALL_READY)
async def everything_is_missing(poolwright: Scene) -> Handle:
    """Nothing runs of a config with one server."""
    await poolwright.reserve()
    watchdog = await poolwright.client.start_workflow(WATCHDOG, id=WATCHDOG_ID, task_queue=TASK_QUEUE)
    await watchdog.result()
    return watchdog


async def begin_sweep(poolwright: Scene) -> Handle:
    """The sweep loop of the scene's provider, started."""
    await start_sweep(poolwright.client, "vm_provider", "sim")
    return poolwright.client.get_workflow_handle(sweep_workflow_id("vm_provider", "sim"))


async def end_sweep(poolwright: Scene, sweep: Handle) -> Handle:
    """Take the sweep's config away, and see it to its end."""
    with poolwright.store.write() as tx:
        documents.delete_document(tx, "vm_provider", "sim")
    await poolwright.signals.sweep_settings_changed("vm_provider", "sim")
    await sweep.result()
    return sweep


async def delete_config(poolwright: Scene) -> None:
    """Take the autoscale config away."""
    with poolwright.store.write() as tx:
        documents.delete_document(tx, "autoscale", "demo")


async def done_so_far(loop: Handle, step: str) -> int:
    """How many times the newest run of the loop has had an answer from this activity, or waited for it in vain."""
    events = (await loop.fetch_history()).events
    steps = {
        event.event_id for event in events if event.activity_task_scheduled_event_attributes.activity_type.name == step
    }
    ends = {
        EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "activity_task_completed_event_attributes",
        EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
    }
    ended = (getattr(event, ends[event.event_type]) for event in events if event.event_type in ends)
    return sum(one.scheduled_event_id in steps for one in ended)


async def until_done(poolwright: Scene, loop: Handle, step: str, times: int) -> None:
    """Wait until the loop has had so many answers from this activity, and waits for what comes next."""

    async def waits() -> bool:
        events = (await loop.fetch_history()).events
        return events[-1].event_type == EventType.EVENT_TYPE_TIMER_STARTED and await done_so_far(loop, step) >= times

    await poolwright.soon(waits)


async def grow_old(poolwright: Scene, loop: Handle, signal: str) -> Handle:
    """Signal the loop until it has begun a new run. Returns the old one."""
    first = (await loop.describe()).run_id
    await poolwright.stop_working()
    for _ in range(await events_left(loop)):
        await loop.signal(signal)
    poolwright.start_working()

    async def is_in_another() -> bool:
        return (await loop.describe()).run_id != first

    await poolwright.soon(is_in_another)
    return poolwright.client.get_workflow_handle(loop.id, run_id=first)
