"""Server lives that go wrong before they serve: nothing is left behind, and the row says why."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import CheckInStatus, Server
from poolwright.domain.states import ServerState
from poolwright.providers.sim.settings import Failure, Operation
from poolwright.store.check_ins import record_check_in
from poolwright.store.scaling import latest_decisions
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow

BOOT_DEADLINE_SECONDS = 600
POLICY = {"boot_deadline_seconds": BOOT_DEADLINE_SECONDS}


def failures_counted(poolwright: Scene) -> int:
    """How many failures count against the budget, by the newest decision."""
    with poolwright.store.read() as tx:
        (decision,) = latest_decisions(tx, "demo")
        return len(decision.plan.failures.failed_at)


class TestCheckIn:
    """A server must say in time that it runs."""

    async def test_silence_until_the_deadline_fails_it_and_deletes_its_vm(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, failure=POLICY) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.skip(BOOT_DEADLINE_SECONDS - 5)
            assert poolwright.server(server).state is ServerState.BOOTING
            reason = await poolwright.ended(server)
            assert reason.startswith("BootDeadline: not running by")
            assert reason.endswith("it never checked in")
            assert poolwright.states(server)[-3:] == ["failed", "deleting", "deleted"]
            assert not poolwright.living()

    async def test_the_reason_holds_its_last_report(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, failure=POLICY) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server, "configuring", "waiting for the disk")
            assert "its last report was configuring: waiting for the disk" in await poolwright.ended(server)

    async def test_an_error_fails_it_at_once_with_its_message(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            before = await poolwright.now()
            await poolwright.check_in(server, "error", "no such package: desktop")
            reason = await poolwright.ended(server)
            assert reason == "StartupScript: its startup script reported an error: no such package: desktop"
            assert poolwright.server(server).failure_reason == reason
            assert (poolwright.story(server)[-1].at - before).total_seconds() < 60
            assert not poolwright.living()

    async def test_what_was_said_in_time_counts_although_nobody_listened(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        # On a real server: the one that skips time cannot always take a signal and a timer that are heard together.
        deadline_seconds = 5
        async with scene(temporal_env, tmp_path, failure={"boot_deadline_seconds": deadline_seconds}) as poolwright:
            server = await poolwright.live()
            await poolwright.until_told(server, ServerState.BOOTING)
            await poolwright.stop_working()
            await poolwright.check_in(server)
            await poolwright.overslept(server, deadline_seconds)
            poolwright.start_working()
            await poolwright.until_state(server, ServerState.RUNNING, ServerState.FAILED, ServerState.DELETED)
            assert poolwright.states(server)[-1] == "running"

    async def test_what_is_stored_counts_although_temporal_was_away_and_could_not_be_told(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, failure=POLICY) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            with poolwright.store.write() as tx:
                record_check_in(tx, server.id, CheckInStatus.RUNNING, "at your service", None, await poolwright.now())
            await poolwright.skip(BOOT_DEADLINE_SECONDS + 60)
            assert poolwright.states(server)[-1] == "running"
            assert len(poolwright.living()) == 1

    async def test_an_error_that_is_stored_is_the_reason_although_nobody_could_be_told(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, failure=POLICY) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            with poolwright.store.write() as tx:
                record_check_in(tx, server.id, CheckInStatus.ERROR, "no disk", None, await poolwright.now())
            assert "its last report was error: no disk" in await poolwright.ended(server)


class TestReplacement:
    """The scaling loop makes up for a failed server."""

    async def test_a_server_that_never_checks_in_is_replaced(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        settings: dict[str, Any] = {
            "minimum_available_sessions": 1,
            "failure": POLICY,
            "provider_cap": 1,
            "scaling_period_seconds": 300,
        }
        async with scene(skipping, tmp_path, sticky=True, **settings) as poolwright:
            await poolwright.loop()
            await poolwright.soon(lambda: len(poolwright.servers()) == 1)
            (first,) = poolwright.servers()
            await poolwright.until(
                lambda: first.id not in {server.id for server in poolwright.servers()},
                within_seconds=900,
                step_seconds=60,
            )
            await poolwright.until(lambda: len(poolwright.servers()) == 1, within_seconds=360, step_seconds=60)
            (second,) = poolwright.servers()
            await poolwright.until_state(second, ServerState.BOOTING)
            assert second.hostname == first.hostname
            assert len(poolwright.living()) == 1
            assert failures_counted(poolwright) == 1
            await poolwright.signals.terminate(second.id, "the test is over")


class TestCreationThatCannotSucceed:
    """No retry mends these: the server fails at once, and nothing is left."""

    @pytest.mark.parametrize(
        ("failure", "name"),
        [
            (Failure.INVALID_SETTINGS, "InvalidSettings"),
            pytest.param(Failure.AUTHENTICATION_FAILED, "AuthenticationFailed", marks=pytest.mark.slow),
            pytest.param(Failure.PERMISSION_DENIED, "PermissionDenied", marks=pytest.mark.slow),
        ],
    )
    async def test_it_fails_with_the_providers_words(
        self, skipping: WorkflowEnvironment, tmp_path: Path, failure: Failure, name: str
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            poolwright.world.fail_next(Operation.CREATE, failure)
            server = await poolwright.live()
            reason = await poolwright.ended(server)
            assert reason.startswith(f"{name}: create was planned to fail")
            assert poolwright.calls(Operation.CREATE) == 1
            assert poolwright.creations() == 0
            assert poolwright.states(server)[-3:] == ["failed", "deleting", "deleted"]

    async def test_a_vm_that_the_provider_gave_up_on_is_deleted(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(
            skipping, tmp_path, sticky=True, sim={"broken_fraction": 1.0, "create_seconds": 5}
        ) as poolwright:
            server = await poolwright.live()
            assert await poolwright.ended(server) == (
                "VMBroken: the provider gave up on the VM: the simulated host failed"
            )
            assert poolwright.creations() == 1
            assert not poolwright.living()

    async def test_a_script_with_a_tag_without_value_is_not_sent(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            poolwright.change("vm_provider", "sim", startup_script="#!/bin/sh\njoin {domain}\n")
            server = await poolwright.live()
            reason = await poolwright.ended(server)
            assert reason.startswith("InvalidSettings: ")
            assert "domain" in reason
            assert poolwright.calls(Operation.CREATE) == 0


class TestBudget:
    """Failures in a row pause creation."""

    async def test_servers_that_say_they_run_and_then_fail_are_not_made_without_end(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(
            skipping, tmp_path, sticky=True, require_checkin=False, minimum_available_sessions=1, failure={"budget": 3}
        ) as poolwright:

            def running() -> list[Server]:
                return [one for one in poolwright.servers() if one.state is ServerState.RUNNING]

            await poolwright.loop()
            for number in range(3):
                await poolwright.until(lambda: len(running()) == 1, within_seconds=120)
                (server,) = running()
                await poolwright.check_in(server, "error", f"no desktop, {number}")
                await poolwright.until_state(server, ServerState.DELETED)
            await poolwright.skip(120)
            assert poolwright.creations() == 3
            assert failures_counted(poolwright) == 3


class TestCapacity:
    """Want of room says nothing about the configuration."""

    async def test_the_place_is_remembered_and_the_next_decision_tries_another(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        knobs = {"places": ["east", "west"], "capacity": {"east": 0}}
        failure = {"budget": 1, "keep_failed_seconds": 3600}
        async with scene(
            skipping, tmp_path, sticky=True, sim=knobs, minimum_available_sessions=1, failure=failure
        ) as poolwright:
            poolwright.change("vm_provider", "sim", facts={"places": ["east", "west"]})
            await poolwright.loop()
            await poolwright.until(lambda: poolwright.creations() == 1, within_seconds=120)
            first, second = poolwright.servers(deleted=True)
            assert (first.place, second.place) == ("east", "west")
            assert str(poolwright.server(first).failure_reason).startswith("CapacityUnavailable: there is no room")
            assert poolwright.living()[0].place == "west"
            assert failures_counted(poolwright) == 0

    async def test_a_place_that_is_found_full_afterwards_is_remembered_too(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        knobs = {"places": ["east", "west"], "full_places": ["east"]}
        async with scene(
            skipping, tmp_path, sticky=True, sim=knobs, minimum_available_sessions=1, failure={"budget": 1}
        ) as poolwright:
            poolwright.change("vm_provider", "sim", facts={"places": ["east", "west"]})
            await poolwright.loop()
            await poolwright.until(lambda: [one.place for one in poolwright.living()] == ["west"], within_seconds=600)
            first = poolwright.servers(deleted=True)[0]
            assert poolwright.server(first).failure_reason == "CapacityUnavailable: its place turned out to be full"
            assert failures_counted(poolwright) == 0

    async def test_what_has_no_vm_is_not_kept_for_diagnosis(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(
            skipping, tmp_path, sticky=True, sim={"capacity": 0}, failure={"keep_failed_seconds": 3600}
        ) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.DELETED)

    async def test_a_quota_is_treated_alike(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, sim={"quota": 0}) as poolwright:
            server = await poolwright.live()
            assert (await poolwright.ended(server)).startswith("QuotaExceeded: the account has its 0 VMs")
            await poolwright.loop()
            await poolwright.until(lambda: bool(_decisions(poolwright)), within_seconds=60)
            assert failures_counted(poolwright) == 0


class TestPassingTrouble:
    """What may mend itself is tried again."""

    async def test_a_lost_answer_makes_no_second_vm(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True) as poolwright:
            poolwright.world.lose_next_response(2)
            server = await poolwright.live()
            await poolwright.until(lambda: poolwright.states(server)[-1] == "booting", within_seconds=60)
            assert poolwright.creations() == 1
            assert poolwright.server(server).provider_reference == poolwright.living()[0].reference

    async def test_a_lost_answer_makes_no_second_vm_although_lists_lag_behind(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, sim={"stale_list_seconds": 300}) as poolwright:
            poolwright.world.lose_next_response()
            server = await poolwright.live()
            await poolwright.until(lambda: poolwright.states(server)[-1] == "booting", within_seconds=60)
            assert poolwright.creations() == 1

    async def test_throttling_slows_down_and_never_fails_a_server(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, failure=POLICY) as poolwright:
            poolwright.world.fail_next(Operation.CREATE, Failure.THROTTLED, 10_000)
            server = await poolwright.live()
            await poolwright.skip(3 * BOOT_DEADLINE_SECONDS)
            assert poolwright.server(server).state is ServerState.CREATING
            assert poolwright.server(server).message.startswith("Throttled: ")
            assert poolwright.calls(Operation.CREATE) < 50
            poolwright.mend_provider()
            await poolwright.until(lambda: poolwright.states(server)[-1] == "booting", within_seconds=120)

    async def test_a_throttled_call_waits_as_long_as_the_provider_says(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        # One call in 20 s, which the two servers take from each other.
        knobs = {"throttle_calls_per_second": 0.05, "throttle_burst": 1}
        async with scene(skipping, tmp_path, sticky=True, sim=knobs, failure=POLICY) as poolwright:
            first, second = await poolwright.live(), await poolwright.live()
            before = await poolwright.now()
            await poolwright.until(lambda: poolwright.creations() == 2, within_seconds=900)
            seconds = (await poolwright.now() - before).total_seconds()
            assert poolwright.calls(Operation.CREATE) < 4 + seconds / 10
            for server in (first, second):
                assert "failed" not in poolwright.states(server)

    async def test_trouble_that_outlasts_the_deadline_ends_the_attempt(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, failure=POLICY) as poolwright:
            poolwright.world.fail_next(Operation.CREATE, Failure.TRANSIENT, 10_000)
            server = await poolwright.live()
            await poolwright.skip(BOOT_DEADLINE_SECONDS - 60)
            assert poolwright.server(server).state is ServerState.CREATING
            reason = await poolwright.ended(server)
            assert reason.startswith(f"Transient: no VM after {BOOT_DEADLINE_SECONDS} s: create was planned to fail")
            assert poolwright.creations() == 0


class TestKeptForDiagnosis:
    """`keep_failed_seconds`: the VM stays for those who want to know why."""

    async def test_the_vm_stays_as_long_as_asked_and_goes_then(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, failure={"keep_failed_seconds": 7200}) as poolwright:
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server, "error", "no disk")
            await poolwright.until_state(server, ServerState.FAILED)
            await poolwright.skip(7100)
            assert poolwright.server(server).state is ServerState.FAILED
            assert len(poolwright.living()) == 1
            await poolwright.skip(200)
            await poolwright.until_state(server, ServerState.DELETED)
            assert not poolwright.living()


def _decisions(poolwright: Scene) -> list[object]:
    with poolwright.store.read() as tx:
        return list(latest_decisions(tx, "demo"))
