"""Paths through `ServerLifecycle`."""

from functools import partial

from activities.lifeline import start_life
from poolwright.dns.errors import Transient
from poolwright.domain.identities import SERVER_LIFECYCLE
from poolwright.domain.servers import CheckInStatus, Server
from poolwright.domain.states import ServerState
from poolwright.providers.sim.settings import Failure, Operation
from poolwright.store.check_ins import record_check_in
from tests.replay.beside import SETTINGS, Directory, Names, configure_beside, working_beside
from tests.replay.plays import Handle, Play, Plays, events_left
from tests.workflows import states
from tests.workflows.scenes import Scene
from tests.workflows.states import STAGES, Stage, go_on

LIVES = Plays(SERVER_LIFECYCLE)


async def end(poolwright: Scene, server: Server) -> Handle:
    """Tear the server down, and see its life to its end."""
    await poolwright.signals.terminate(server.id, "the play is over")
    await poolwright.ended(server)
    return poolwright.life(server)


@LIVES.play()
async def goes_well(poolwright: Scene) -> Handle:
    """Two check-ins, then it is drained."""
    server = await states.configuring(poolwright)
    await poolwright.check_in(server)
    await poolwright.until_told(server, ServerState.RUNNING)
    await poolwright.signals.drain(server.id, "the image is old")
    await poolwright.ended(server)
    return poolwright.life(server)


@LIVES.play(require_checkin=False)
async def need_not_check_in(poolwright: Scene) -> Handle:
    server = await poolwright.live()
    await poolwright.until_told(server, ServerState.RUNNING)
    return await end(poolwright, server)


@LIVES.play(sim={"create_seconds": 120, "address_delay_seconds": 45})
async def late_address(poolwright: Scene) -> Handle:
    server = await poolwright.live()
    await poolwright.until_told(server, ServerState.BOOTING)
    await poolwright.until(lambda: poolwright.server(server).address is not None, within_seconds=220)
    await poolwright.check_in(server)
    await poolwright.until_told(server, ServerState.RUNNING)
    return await end(poolwright, server)


@LIVES.play(sim={"runs_script_in_guest": True, "boot_seconds": 90})
async def script_runs_in_guest(poolwright: Scene) -> Handle:
    poolwright.change("vm_provider", "sim", facts={"runs_script_in_guest": True})
    server = await poolwright.live()
    await poolwright.until_told(server, ServerState.BOOTING)
    await poolwright.until(lambda: poolwright.calls(Operation.RUN_STARTUP_SCRIPT) > 3, within_seconds=120)
    await poolwright.check_in(server)
    await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=180)
    return await end(poolwright, server)


@LIVES.play(sim={"password_seconds": 60})
async def provider_makes_the_password(poolwright: Scene) -> Handle:
    poolwright.change("vm_provider", "sim", facts={"retrieves_password": True})
    server = await states.booting(poolwright)
    await poolwright.check_in(server)
    await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=180)
    return await end(poolwright, server)


@LIVES.play(failure={"boot_deadline_seconds": 600})
async def boot_deadline_missed(poolwright: Scene) -> Handle:
    server = await states.booting(poolwright)
    await poolwright.ended(server)
    return poolwright.life(server)


@LIVES.play(failure={"boot_deadline_seconds": 600})
async def boot_deadline_missed_by_the_row_too(poolwright: Scene) -> Handle:
    """As the one before, of lives that look at their row before they give up."""
    server = await states.booting(poolwright)
    await poolwright.ended(server)
    return poolwright.life(server)


@LIVES.play(failure={"boot_deadline_seconds": 600})
async def running_in_time_and_only_stored(poolwright: Scene) -> Handle:
    """It checks in before its boot deadline, while Temporal is away."""
    server = await states.booting(poolwright)
    with poolwright.store.write() as tx:
        record_check_in(tx, server.id, CheckInStatus.RUNNING, "", None, await poolwright.now())
    await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=800)
    return await end(poolwright, server)


@LIVES.play(failure={"boot_deadline_seconds": 600}, sim={"address_delay_seconds": 660})
async def running_in_time_and_heard_late(poolwright: Scene) -> Handle:
    """It checks in before its boot deadline; what is still missing comes shortly after."""
    server = await states.booting(poolwright)
    await poolwright.check_in(server)
    await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=800)
    return await end(poolwright, server)


@LIVES.play()
async def startup_script_error(poolwright: Scene) -> Handle:
    server = await states.booting(poolwright)
    await poolwright.check_in(server, "error", "no such package: desktop")
    await poolwright.ended(server)
    return poolwright.life(server)


@LIVES.play()
async def creation_refused(poolwright: Scene) -> Handle:
    poolwright.world.fail_next(Operation.CREATE, Failure.INVALID_SETTINGS)
    server = await poolwright.live()
    await poolwright.ended(server)
    return poolwright.life(server)


@LIVES.play(failure={"keep_failed_seconds": 7200})
async def kept_for_diagnosis(poolwright: Scene) -> Handle:
    server = await states.kept(poolwright)
    await poolwright.ended(server)
    return poolwright.life(server)


@LIVES.play(failure={"keep_failed_seconds": 7200})
async def kept_and_terminated(poolwright: Scene) -> Handle:
    return await end(poolwright, await states.kept(poolwright))


@LIVES.play()
async def terminated_while_creating(poolwright: Scene) -> Handle:
    server = await states.creating(poolwright)
    return await end(poolwright, server)


@LIVES.play()
async def terminated_while_booting(poolwright: Scene) -> Handle:
    return await end(poolwright, await states.booting(poolwright))


@LIVES.play()
async def terminated_with_a_session(poolwright: Scene) -> Handle:
    return await end(poolwright, await states.serving(poolwright))


@LIVES.play()
async def deleted_while_booting(poolwright: Scene) -> Handle:
    server = await states.booting(poolwright)
    await poolwright.signals.delete(server.id, "it is not wanted")
    await poolwright.ended(server)
    return poolwright.life(server)


@LIVES.play()
async def deleted_with_a_session(poolwright: Scene) -> Handle:
    server = await states.serving(poolwright)
    await poolwright.signals.delete(server.id, "it is not wanted")
    await poolwright.until_told(server, ServerState.DRAINING)
    await poolwright.end(poolwright.session_on(server))
    await poolwright.ended(server)
    return poolwright.life(server)


@LIVES.play()
async def cancelled_while_booting(poolwright: Scene) -> Handle:
    server = await states.booting(poolwright)
    await poolwright.life(server).cancel()
    await poolwright.ended_by_cancellation(server)
    return poolwright.life(server)


@LIVES.play()
async def cancelled_with_a_session(poolwright: Scene) -> Handle:
    server = await states.serving(poolwright)
    await poolwright.life(server).cancel()
    await poolwright.until_told(server, ServerState.DRAINING)
    await poolwright.end(poolwright.session_on(server))
    await poolwright.ended_by_cancellation(server)
    return poolwright.life(server)


@LIVES.play()
async def drained_undrained_drained(poolwright: Scene) -> Handle:
    server = await states.draining(poolwright)
    await poolwright.signals.undrain(server.id, "the image is good enough")
    await poolwright.until_told(server, ServerState.RUNNING)
    await poolwright.signals.drain(server.id, "it is not, after all")
    await poolwright.until_told(server, ServerState.DRAINING)
    await poolwright.end(poolwright.session_on(server))
    await poolwright.ended(server)
    return poolwright.life(server)


@LIVES.play(working=False, **SETTINGS)
async def has_computer_record_and_dns(poolwright: Scene) -> Handle:
    server = await running_beside(poolwright, Names())
    return await end(poolwright, server)


@LIVES.play(working=False, **SETTINGS)
async def dns_is_removed_late(poolwright: Scene) -> Handle:
    """The DNS server answers only when the rest is undone already."""
    names = Names()
    server = await running_beside(poolwright, names)
    names.errors.extend([Transient("the DNS server does not answer")] * 9)
    return await end(poolwright, server)


@LIVES.play(short_histories=True)
async def new_run_while_running(poolwright: Scene) -> Handle:
    return await grow_old(poolwright, await states.serving(poolwright))


@LIVES.play(short_histories=True)
async def new_run_while_draining(poolwright: Scene) -> Handle:
    return await grow_old(poolwright, await states.draining(poolwright))


async def running_beside(poolwright: Scene, names: Names) -> Server:
    """A server that runs, and has a computer record and a DNS name."""
    configure_beside(poolwright.store)
    with working_beside(Directory(), names):
        poolwright.start_working()
    return await poolwright.running()


async def grow_old(poolwright: Scene, server: Server) -> Handle:
    """Signal it until its life has begun a new run. Returns the old one."""
    first = (await poolwright.life(server).describe()).run_id
    await poolwright.stop_working()
    for _ in range(await events_left(poolwright.life(server))):
        await poolwright.signals.sessions_changed(server.id)
    poolwright.start_working()

    async def is_in_another() -> bool:
        return (await poolwright.life(server).describe()).run_id != first

    await poolwright.soon(is_in_another)
    await poolwright.signals.terminate(server.id, "the play is over")
    await poolwright.until_state(server, ServerState.DELETED)
    return poolwright.client.get_workflow_handle(poolwright.life(server).id, run_id=first)


async def begun_again(stage: Stage, poolwright: Scene) -> Handle:
    """Somebody pressed *Terminate* in the Temporal Web UI; the watchdog begins the life again from its row."""
    server = await stage.reach(poolwright)
    state = poolwright.server(server).state
    await poolwright.life(server).terminate("somebody pressed the button")
    await go_on(poolwright, server, stage)
    await start_life(poolwright.client, poolwright.server(server))
    if state not in (ServerState.FAILED, ServerState.DELETING):
        await poolwright.until_told(server, ServerState.BOOTING if state is ServerState.CREATING else state)
    if state is ServerState.DRAINING:
        await poolwright.end(poolwright.session_on(server))
        await poolwright.ended(server)
        return poolwright.life(server)
    if state in (ServerState.BOOTING, ServerState.CONFIGURING):
        await poolwright.check_in(server)
        await poolwright.until_told(server, ServerState.RUNNING)
    return await end(poolwright, server)


_SAME_AS_ANOTHER = frozenset({"requested", "preparing", "creating_unheard", "serving"})
"""Stages in which a life that begins again takes a path that is played anyway."""

LIVES.extend(
    Play(
        SERVER_LIFECYCLE,
        f"begun_again_while_{stage.name}",
        partial(begun_again, stage),
        {"working": stage.working, **stage.settings},
    )
    for stage in STAGES
    if stage.name not in _SAME_AS_ANOTHER
)
