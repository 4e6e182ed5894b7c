"""A small world in which everything goes wrong, and what has to be true of it all the same."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from activities.contract import Ensured
from poolwright.domain.identities import TASK_QUEUE, WATCHDOG, scaling_workflow_id
from poolwright.domain.servers import Server, Session, SessionState
from poolwright.domain.states import GOING, ServerState
from poolwright.providers.sim.settings import Failure, Operation
from poolwright.store import sessions
from poolwright.store.identifiers import new_id
from poolwright.store.scaling import load_autoscale
from poolwright.store.servers import get_server, list_servers
from tests.workflows.scenes import Scene

Handle = WorkflowHandle[Any, Any]

REST_SECONDS = 90
"""Everything is gone by then. What a worker was given just as it stopped is noticed after ten seconds."""

FAULTS: dict[Operation, tuple[Failure, ...]] = {
    Operation.FIND: (Failure.TRANSIENT, Failure.THROTTLED),
    Operation.CREATE: (
        Failure.TRANSIENT,
        Failure.THROTTLED,
        Failure.CAPACITY_UNAVAILABLE,
        Failure.QUOTA_EXCEEDED,
        Failure.INVALID_SETTINGS,
        Failure.AUTHENTICATION_FAILED,
    ),
    Operation.GET: (Failure.TRANSIENT, Failure.THROTTLED, Failure.NOT_FOUND, Failure.PERMISSION_DENIED),
    # "Not found" is the one answer that would be a lie about a VM that exists.
    Operation.DELETE: (Failure.TRANSIENT, Failure.THROTTLED, Failure.CONFLICT, Failure.AUTHENTICATION_FAILED),
}
"""What each call may answer instead of doing its work."""


class Chaos:
    """Plays people, scripts, operators and a bad provider, all from one seed."""

    def __init__(self, poolwright: Scene, seed: int) -> None:
        self._poolwright = poolwright
        self._random = random.Random(seed)
        self._users = 0
        self._ended_by_people: set[str] = set()
        self._terminated: set[str] = set()
        self.log: list[str] = []
        """What was done, for whoever has to find out why something is not true."""

    async def step(self) -> None:
        """Do one thing, and let some time pass in which scripts come to their check-in."""
        acts: dict[Callable[[], Awaitable[str]], int] = {
            self._somebody_comes: 9,
            self._somebody_goes: 6,
            self._another_wish: 1,
            self._the_provider_fails: 4,
            self._an_answer_is_lost: 2,
            self._room_comes_and_goes: 2,
            self._a_vm_vanishes: 1,
            self._workers_restart: 1,
            self._a_life_is_lost: 3,
            self._the_loop_is_lost: 1,
            self._an_operator_pauses_or_resumes: 1,
            self._an_operator_terminates: 1,
            self._an_operator_cancels: 1,
            self._an_operator_drains: 2,
            self._an_operator_undrains: 2,
            self._the_watchdog_looks: 3,
        }
        (act,) = self._random.choices(list(acts), list(acts.values()))
        self.log.append(await act())
        await asyncio.sleep(self._random.choice((0, 0.3, 1.2)))
        await self._check_in()

    async def come_to_rest(self) -> None:
        """Nobody wants anything any more, and nothing is broken: see everything go."""
        self._poolwright.mend_provider()
        self._poolwright.world.restore()
        self._poolwright.change("autoscale", "demo", enabled=False, minimum_available_sessions=0)
        for session in self._live():
            await self._end(session)
        await self._the_watchdog_looks()
        await self._poolwright.signals.resume("demo")

        async def nothing_is_left() -> bool:
            await self._check_in()
            if self._random.random() < 0.2:
                await self._the_watchdog_looks()
            self.check()
            return not self._poolwright.servers() and not self._poolwright.living()

        async with asyncio.timeout(REST_SECONDS):
            while not await nothing_is_left():
                await asyncio.sleep(0.1)

    def check(self) -> None:
        """What is true at every moment."""
        living = self._poolwright.living()
        with self._poolwright.store.read() as tx:
            cap = load_autoscale(tx, "demo").max_instances
            rows = list_servers(tx)
            everything = sessions.list_sessions(tx, pool="demo", ended=True)
        known = {server.id: server for server in rows}
        owners = Counter(vm.mark.server_id for vm in living if vm.mark)
        assert cap is not None
        assert len(rows) <= cap, "more servers than the cap"
        assert self._poolwright.world.highest_alive() <= cap, "more VMs than the cap"
        assert all(count == 1 for count in owners.values()), f"two VMs for one server: {owners}"
        # What lived a moment ago may be gone with its row by now; what still lives must have one.
        still = {vm.mark.server_id for vm in self._poolwright.living() if vm.mark}
        assert set(owners) & still <= set(known), f"VMs without a server: {set(owners) & still - set(known)}"
        assert len({server.hostname for server in rows}) == len(rows), "two servers of one name"
        self._check_sessions(everything, known)

    def _check_sessions(self, everything: list[Session], known: dict[str, Server]) -> None:
        live = [session for session in everything if session.state is SessionState.ASSIGNED]
        places = Counter(session.server_id for session in live)
        assert all(count == 1 for count in places.values()), f"two people on a server for one: {places}"
        for session in live:
            assert session.server_id in known, f"{session.id} is on a server that is deleted"
            assert known[session.server_id].state not in GOING, f"{session.id} is on a server that goes"
        thrown_out = [
            session
            for session in everything
            if session.state is SessionState.ENDED
            and session.server_id is not None
            and session.id not in self._ended_by_people
            and session.server_id not in self._terminated
        ]
        assert not thrown_out, f"thrown out although no operator asked for it: {thrown_out}"

    async def _check_in(self) -> None:
        for check_in in self._poolwright.world.due_check_ins():
            assert check_in.vm.mark is not None
            with self._poolwright.store.read() as tx:
                server = get_server(tx, check_in.vm.mark.server_id)
            status = self._random.choices(("running", "error", None), (90, 5, 5))[0]
            if status is not None:
                await self._poolwright.check_in(server, status)

    async def _somebody_comes(self) -> str:
        self._users += 1
        session = await self._poolwright.request(f"user{self._users}")
        return f"user{self._users} comes: {session.id} on {session.server_id}"

    async def _somebody_goes(self) -> str:
        live = self._live()
        if not live:
            return "nobody is there to go"
        session = self._random.choice(live)
        await self._end(session)
        return f"{session.user} goes: {session.id} from {session.server_id}"

    async def _another_wish(self) -> str:
        wanted = self._random.randint(0, 3)
        self._poolwright.change("autoscale", "demo", minimum_available_sessions=wanted)
        return f"room for {wanted} is wanted"

    async def _the_provider_fails(self) -> str:
        operation = self._random.choice(list(FAULTS))
        failure, times = self._random.choice(FAULTS[operation]), self._random.randint(1, 2)
        self._poolwright.world.fail_next(operation, failure, times)
        return f"{operation} fails {times} times with {failure}"

    async def _an_answer_is_lost(self) -> str:
        self._poolwright.world.lose_next_response()
        return "the answer to a creation is lost"

    async def _room_comes_and_goes(self) -> str:
        room = self._random.choice(({"east": 0}, {"east": 1, "west": 1}, None))
        self._poolwright.world.change(capacity=room)
        return f"room: {room}"

    async def _a_vm_vanishes(self) -> str:
        booted = {server.id for server in self._poolwright.servers() if server.state is ServerState.RUNNING}
        vms = [vm for vm in self._poolwright.living() if vm.mark and vm.mark.server_id in booted]
        if not vms:
            return "no VM is there to vanish"
        vm = self._random.choice(vms)
        self._poolwright.world.vanish(vm.reference)
        return f"{vm.reference} vanishes"

    async def _workers_restart(self) -> str:
        await self._poolwright.stop_working()
        said = await self._somebody_comes() if self._random.random() < 0.5 else "nothing"
        self._poolwright.start_working()
        return f"workers restart, and meanwhile {said}"

    async def _a_life_is_lost(self) -> str:
        server = self._any_server()
        if server is None or not await self._is_running(self._poolwright.life(server)):
            return "no life is there to be lost"
        await self._poolwright.life(server).terminate("somebody pressed the button")
        return f"the life of {server.id}, {server.state}, is lost"

    async def _the_loop_is_lost(self) -> str:
        if not await self._is_running(self._loop()):
            return "the loop was lost already"
        await self._loop().terminate("somebody pressed the button")
        return "the loop is lost"

    async def _an_operator_pauses_or_resumes(self) -> str:
        if self._random.random() < 0.3:
            await self._poolwright.signals.pause("demo", "an operator is in doubt")
            return "the loop is paused"
        await self._poolwright.signals.resume("demo")
        return "the loop is resumed"

    async def _an_operator_terminates(self) -> str:
        server = self._any_server()
        if server is None:
            return "no server is there to terminate"
        self._terminated.add(server.id)
        await self._poolwright.signals.terminate(server.id, "an operator wants it gone")
        return f"{server.id}, {server.state}, is terminated"

    async def _an_operator_cancels(self) -> str:
        server = self._any_server(in_use=True)
        if server is None or not await self._is_running(self._poolwright.life(server)):
            return "no life is there to cancel"
        await self._poolwright.life(server).cancel()
        return f"{server.id}, {server.state}, is cancelled"

    async def _an_operator_drains(self) -> str:
        server = self._any_server(in_use=True)
        if server is None:
            return "no server is there to drain"
        await self._poolwright.signals.drain(server.id, "an operator wants it empty")
        return f"{server.id}, {server.state}, is drained"

    async def _an_operator_undrains(self) -> str:
        server = self._any_server()
        if server is None:
            return "no server is there to undrain"
        await self._poolwright.signals.undrain(server.id, "an operator wants it back")
        return f"{server.id}, {server.state}, is undrained"

    async def _the_watchdog_looks(self) -> str:
        mended = await self._poolwright.client.execute_workflow(
            WATCHDOG, id=new_id("watchdog-"), task_queue=TASK_QUEUE, result_type=Ensured
        )
        return f"the watchdog looks: {mended}"

    async def _is_running(self, handle: Handle) -> bool:
        try:
            return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        except RPCError:
            return False

    async def _end(self, session: Session) -> None:
        self._ended_by_people.add(session.id)
        await self._poolwright.end(session)

    def _loop(self) -> Handle:
        return self._poolwright.client.get_workflow_handle(scaling_workflow_id("demo"))

    def _live(self) -> list[Session]:
        with self._poolwright.store.read() as tx:
            return sessions.list_sessions(tx, pool="demo")

    def _any_server(self, *, in_use: bool = False) -> Server | None:
        """Any at all; with `in_use` one that somebody is on, if there is such."""
        servers = self._poolwright.servers()
        used = {session.server_id for session in self._live()}
        preferred = [server for server in servers if server.id in used] if in_use else []
        return self._random.choice(preferred or servers) if servers else None
