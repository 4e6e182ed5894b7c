"""`ServerLifecycle`: the life of one server, from its committed row until every part of it is proven gone."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from workflows.reasons import in_words
from workflows.steps import Steps
from workflows.story import Story
from workflows.undoing import undo_all

with workflow.unsafe.imports_passed_through():
    from activities.contract import DrainRequest, Life, LifeInput, Machine
    from poolwright.domain.identities import SERVER_LIFECYCLE
    from poolwright.domain.scaling import DrainReason
    from poolwright.domain.servers import CheckInStatus
    from poolwright.domain.states import ServerState

Result = TypeVar("Result")

_EMPTY_CHECK = timedelta(minutes=10)
"""While draining: look again this often, should the signal of a session's end have been lost."""
_HEARD_LATE = timedelta(minutes=5)
"""A server that checked in as running in time is waited for so much longer: perhaps no worker was there to hear it."""
_LAST_WORDS = timedelta(seconds=1)


@workflow.defn(name=SERVER_LIFECYCLE)
class ServerLifecycle:
    """One server's life. Its row says where it stands, so a life that was lost goes on where it was.

    Cancelling means: drain, then tear down cleanly; the signal `delete` means the same. `terminate` does not wait for
    sessions.
    """

    @workflow.init
    def __init__(self, life: LifeInput) -> None:
        self._steps = Steps(life.server_id)
        self._story = Story(life.server_id)
        self._checked_in: CheckInStatus | None = None
        self._checked_in_message = ""
        self._drain: DrainRequest | None = None
        self._undrain: str | None = None
        self._delete: str | None = None
        self._terminate: str | None = None
        self._forced = False
        self._cancelled = False
        self._booted = False
        self._sessions_changed = False
        self._look_again = False

    @workflow.signal(description="The startup script reports its status")
    def check_in(self, status: object = None, message: object = "", *_surplus: object) -> None:
        """The startup script reported. Repeatable; an unknown status is ignored."""
        if status in list(CheckInStatus):
            self._checked_in, self._checked_in_message = CheckInStatus(str(status)), in_words(message, "")

    @workflow.signal(description="Take no new session; go when empty. The input is the reason")
    def drain(self, reason: object = None, kind: object = None, *_surplus: object) -> None:
        """Take no new session, and go when the last one has ended."""
        self._ask_to_drain(
            in_words(reason, "an operator asked for it"),
            DrainReason(str(kind)) if kind in list(DrainReason) else DrainReason.OPERATOR,
        )

    @workflow.signal(description="Take sessions again")
    def undrain(self, reason: object = None, *_surplus: object) -> None:
        """Take sessions again, unless it is too late."""
        self._undrain, self._drain = in_words(reason, "an operator asked for it"), None

    @workflow.signal(description="Tear the server down; one that serves is drained before. The input is the reason")
    def delete(self, reason: object = None, *_surplus: object) -> None:
        """Tear down, now if nobody can be on it, else once the last session has ended."""
        # Whether somebody may be on it is known only once the life has begun.
        self._delete = in_words(reason, "an operator deleted it")

    @workflow.signal(description="Tear the server down now; sessions on it end. The input is the reason")
    def terminate(self, reason: object = None, *_surplus: object) -> None:
        """Tear down now, whatever the state. Sessions that are left end with this reason."""
        self._terminate, self._forced = self._terminate or in_words(reason, "an operator ended it"), True

    @workflow.signal(description="A session on this server ended")
    def sessions_changed(self, *_surplus: object) -> None:
        """A session ended: an empty draining server may go."""
        self._sessions_changed = True

    @workflow.signal(description="The row says what this life does not know")
    def look_again(self, *_surplus: object) -> None:
        """Go on from the row: a step that came too late to be heard has changed it."""
        self._look_again = True

    @workflow.query(description="The server's story in Markdown")
    def story(self) -> str:
        """State, story with times, what it waits for and what an operator can do."""
        return self._story.markdown()

    @workflow.run
    async def run(self, _life: LifeInput) -> str:
        """Live, then tear down. Returns how it ended."""
        while True:
            begun = await self._until_done(self._steps.begin())
            self._story.begin(begun)
            if begun.state is ServerState.DELETED:
                return "it is deleted"
            if begun.state is ServerState.FAILED:
                reason = await self._failed(begun.failure_reason or "it failed")
            else:
                reason = await self._live_until_ended(begun)
            if reason is not None and await self._until_done(self._tear_down(reason)):
                break
        if self._cancelled:
            raise asyncio.CancelledError(reason)
        return reason

    async def _live_until_ended(self, begun: Life) -> str | None:
        """Run the part of life that can be interrupted. Returns why it ended, or None: it is to go on from its row."""
        living = asyncio.create_task(self._live(begun))
        if self._cancelled:
            self._cancel()
        while not living.done() and self._terminate is None:
            if self._delete is not None:
                reason, self._delete = self._delete, None
                self._go_without_ending_sessions(reason)
                continue
            try:
                await workflow.wait_condition(
                    lambda: living.done() or self._terminate is not None or self._delete is not None
                )
            except asyncio.CancelledError:
                self._cancel()
        living.cancel()
        try:
            return await self._until_done(living)
        except asyncio.CancelledError:
            return self._terminate or "it was cancelled"
        except FailureError as error:
            return self._terminate or await self._failed(_cause(error))

    def _cancel(self) -> None:
        """Cancelling never ends sessions."""
        self._cancelled = True
        self._go_without_ending_sessions("the workflow was cancelled")

    def _go_without_ending_sessions(self, reason: str) -> None:
        """A server that serves is drained, any other is torn down."""
        # A server that has booted may have been given to somebody before its life hears so.
        if self._booted or self._story.state in (ServerState.RUNNING, ServerState.DRAINING):
            self._ask_to_drain(reason, DrainReason.OPERATOR)
        else:
            self._terminate = reason

    async def _live(self, begun: Life) -> str:
        """From wherever the row stands to the end of service. Raises `FailureError` when the server is no good."""
        state = begun.state
        if state is ServerState.DELETING:
            return begun.failure_reason or "its teardown goes on"
        if begun.checked_in is not None and self._checked_in is None:
            self._checked_in, self._checked_in_message = CheckInStatus(begun.checked_in), begun.checked_in_message
        if state in (ServerState.PREPARING, ServerState.CREATING, ServerState.BOOTING, ServerState.CONFIGURING):
            await self._boot(begun)
            state = ServerState.RUNNING
        if state is ServerState.DRAINING and self._drain is None:
            # An undrain that has come meanwhile stands.
            self._drain = self._drain_request("its draining goes on", begun.drain_reason)
        return await self._serve()

    async def _boot(self, begun: Life) -> None:
        if begun.state is ServerState.PREPARING and begun.computer_record:
            self._story.wait_for("its computer record")
            hostname = await self._steps.create_computer_record(begun.zone)
            self._story.say(f"its computer record {hostname} is there")
            self._stop_if_terminated()
        if begun.state in (ServerState.PREPARING, ServerState.CREATING):
            self._story.enter(ServerState.CREATING, "asks the provider for a VM")
            machine = await self._steps.create_machine(begun.zone)
            self._stop_if_terminated()
        else:
            assert begun.boot_deadline is not None
            machine = Machine(ready=False, boot_deadline=begun.boot_deadline)
        if begun.state is ServerState.CONFIGURING:
            self._story.enter(ServerState.CONFIGURING, "its startup script works")
        else:
            self._story.enter(
                ServerState.BOOTING, f"the VM exists; it must check in by {machine.boot_deadline:%H:%M:%S} UTC"
            )
        booting = asyncio.create_task(self._become_ready(begun, machine))
        try:
            in_time = await self._done_in_time(booting, machine)
        # Not `finally`: it would also run when a worker forgets this workflow, where nothing can be waited for.
        except asyncio.CancelledError:
            await self._stopped(booting)
            raise
        await self._stopped(booting)
        if not in_time:
            raise ApplicationError(self._missed_deadline(machine), type="BootDeadline", non_retryable=True)
        reason = booting.result()
        self._booted = True
        serving = await self._steps.mark_running(reason)
        if serving.state is not ServerState.RUNNING:
            raise ApplicationError(f"its row says {serving.state} already", type="LifeIsBehind", non_retryable=True)
        self._story.enter(serving.state, f"{reason}; {serving.sessions} session(s) on it")

    async def _stopped(self, booting: asyncio.Task[str]) -> None:
        """Stop it and wait until it has: what it writes outside now could else come to be after it was removed."""
        booting.cancel()
        await workflow.wait_condition(booting.done)

    def _stop_if_terminated(self) -> None:
        """After a step whose answer is waited for although its cancellation was asked."""
        if self._terminate is not None:
            raise asyncio.CancelledError

    async def _done_in_time(self, booting: asyncio.Task[str], machine: Machine) -> bool:
        """Wait for the boot deadline at most, a little longer for a server that has checked in as running."""
        for remaining in (machine.boot_deadline - workflow.now(), _HEARD_LATE):
            try:
                await workflow.wait_condition(
                    booting.done, timeout=max(remaining, timedelta(0)), timeout_summary="boot deadline"
                )
            except TimeoutError:
                if not await self._says_it_runs():
                    return False
            else:
                return True
        return False

    async def _says_it_runs(self) -> bool:
        """Whether its startup script has checked in as running, as far as this life has heard or the row knows."""
        if self._checked_in is not CheckInStatus.RUNNING and workflow.patched("the row knows what nobody was told"):
            # While Temporal is away, what a startup script reports is stored and cannot be told.
            heard, known = self._checked_in, await self._steps.look_again()
            if known.checked_in is not None and self._checked_in is heard:
                self._checked_in, self._checked_in_message = CheckInStatus(known.checked_in), known.checked_in_message
        return self._checked_in is CheckInStatus.RUNNING

    async def _become_ready(self, begun: Life, machine: Machine) -> str:
        """Until the VM runs and, where it is required, its startup script says so. Returns the reason in words."""
        if not machine.ready:
            machine = await self._steps.await_machine(begun.zone)
            self._story.say(f"the VM runs at {machine.address}")
        if begun.dns:
            self._story.say(f"{await self._steps.write_dns(begun.zone)} resolves to it")
        if begun.runs_script_in_guest:
            await self._steps.run_startup_script(begun.zone)
        if begun.retrieves_password:
            self._story.wait_for("the password that its provider makes")
            await self._steps.retrieve_password(begun.zone)
        if not begun.require_checkin:
            return "the VM runs, and no check-in is required"
        self._story.wait_for("its startup script to check in as running")
        await workflow.wait_condition(lambda: self._checked_in is not None)
        if self._checked_in not in (CheckInStatus.RUNNING, CheckInStatus.ERROR):
            if begun.state is not ServerState.CONFIGURING:
                await self._steps.note_configuring()
            self._story.enter(ServerState.CONFIGURING, self._checked_in_message or "its startup script works")
            await workflow.wait_condition(lambda: self._checked_in in (CheckInStatus.RUNNING, CheckInStatus.ERROR))
        if self._checked_in is CheckInStatus.ERROR:
            message = self._checked_in_message or "no message"
            raise ApplicationError(
                f"its startup script reported an error: {message}", type="StartupScript", non_retryable=True
            )
        return "its startup script checked in as running"

    async def _serve(self) -> str:
        """Until the server has drained. Returns why it goes."""
        while True:
            self._story.wait_for("nothing: it serves sessions until it is drained")
            await workflow.wait_condition(
                lambda: (
                    self._drain is not None
                    or self._reported_error()
                    or self._look_again
                    or workflow.info().is_continue_as_new_suggested()
                )
            )
            if self._drain is None and self._reported_error():
                # Taken once: whoever undrains the server afterwards knows of the error.
                self._checked_in = None
                self._ask_to_drain(
                    f"the server reported an error: {self._checked_in_message or 'no message'}", DrainReason.ERROR
                )
            if self._drain is None:
                self._undrain = None
                await self._continue_as_new()
            elif (drained_because := await self._drained()) is not None:
                return drained_because

    async def _continue_as_new(self) -> None:
        """Go on in a new run, which learns everything from the row. Returns when something else was asked meanwhile."""
        # A cancellation is heard only after what came with it has been dealt with: a moment later.
        await workflow.sleep(_LAST_WORDS, summary="before a new run")
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._drain is None and self._undrain is None and self._delete is None:
            workflow.continue_as_new(LifeInput(server_id=self._steps.server_id))

    async def _drained(self) -> str | None:
        """Drain as asked. Returns the reason when the server is empty, or None when it serves again."""
        assert self._drain is not None
        request, self._drain, self._sessions_changed = self._drain, None, False
        serving = await self._steps.drain(request)
        while serving.state is ServerState.DRAINING:
            self._story.enter(ServerState.DRAINING, request.reason)
            self._story.wait_for(f"{serving.sessions} session(s) to end")
            await self._wait_for_change()
            if self._undrain is None and workflow.info().is_continue_as_new_suggested():
                self._drain = None
                await self._continue_as_new()
            if self._undrain is not None:
                undrain_because, self._undrain = self._undrain, None
                serving = await self._steps.undrain(undrain_because)
            else:
                self._sessions_changed = False
                serving = await self._steps.retire_if_empty()
        self._undrain = None
        if serving.state is ServerState.RUNNING:
            self._story.enter(ServerState.RUNNING, serving.message)
            return None
        return request.reason

    async def _wait_for_change(self) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._sessions_changed or self._undrain is not None,
                timeout=_EMPTY_CHECK,
                timeout_summary="look again for sessions",
            )
        except TimeoutError:
            return

    async def _failed(self, reason: str) -> str | None:
        """Record the failure and keep the server for diagnosis as long as its config says. None: it serves people."""
        failed = await self._until_done(self._steps.fail(reason))
        if failed.serves:
            return None
        self._story.enter(ServerState.FAILED, reason)
        if failed.keep_until is not None:
            self._story.wait_for(f"{failed.keep_until:%Y-%m-%d %H:%M:%S} UTC: it is kept for diagnosis until then")
            await self._until_terminated(failed.keep_until)
        return reason

    async def _until_terminated(self, at: datetime) -> None:
        try:
            await workflow.wait_condition(
                lambda: self._terminate is not None or self._delete is not None or self._cancelled,
                timeout=max(at - workflow.now(), timedelta(0)),
                timeout_summary="kept for diagnosis",
            )
        except TimeoutError:
            return
        except asyncio.CancelledError:
            self._cancelled = True

    async def _tear_down(self, reason: str) -> bool:
        """Undo everything. False: nothing, since its row says that it serves, and nobody ends the sessions on it."""
        teardown = await self._steps.begin_deleting(reason, unless_serving=not self._forced)
        if teardown.state in (ServerState.RUNNING, ServerState.DRAINING):
            self._delete = reason
            if not self._forced:
                self._terminate = None
            return False
        self._story.enter(ServerState.DELETING, reason)
        if teardown.state is not ServerState.DELETED:
            await undo_all(self._steps, self._story, teardown)
            await self._steps.mark_deleted()
        self._story.enter(ServerState.DELETED, "every part of it is gone")
        return True

    async def _until_done(self, work: Awaitable[Result]) -> Result:
        """Wait for the work to its end, whoever cancels in between."""
        task = asyncio.ensure_future(work)
        while True:
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.cancelled():
                    raise
                self._cancelled = True

    def _reported_error(self) -> bool:
        return self._checked_in is CheckInStatus.ERROR

    def _ask_to_drain(self, reason: str, kind: DrainReason) -> None:
        """Drain, whatever was asked before."""
        self._drain, self._undrain = self._drain_request(reason, kind), None

    def _drain_request(self, reason: str, kind: DrainReason | None) -> DrainRequest:
        return DrainRequest(server_id=self._steps.server_id, reason=reason, kind=kind or DrainReason.OPERATOR)

    def _missed_deadline(self, machine: Machine) -> str:
        said = "it never checked in"
        if self._checked_in is not None:
            said = f"its last report was {self._checked_in}: {self._checked_in_message or 'no message'}"
        return f"not running by {machine.boot_deadline:%Y-%m-%d %H:%M:%S} UTC, its boot deadline; {said}"


def _cause(error: FailureError) -> str:
    """The failure in words, with its type in front."""
    while isinstance(error, ActivityError) and isinstance(error.cause, FailureError):
        error = error.cause
    kind = error.type if isinstance(error, ApplicationError) and error.type else type(error).__name__
    return f"{kind}: {error.message}"
