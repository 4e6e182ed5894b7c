"""What a life gets from inside its VM, and what its provider says of the VM's future."""

from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import SessionState
from poolwright.domain.states import ServerState
from poolwright.store.check_ins import logs
from poolwright.store.session_accounts import session_connection
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow

HALF_AN_HOUR = 1800


async def password_for(poolwright: Scene, user: str) -> str | None:
    """The password that this person's new session tells."""
    session = await poolwright.request(user)
    with poolwright.store.read() as tx:
        connection = session_connection(tx, session)
    assert connection is not None
    return connection.password.get_secret_value() if connection.password else None


class TestPassword:
    """Where the config leaves the password blank and the provider makes one, people get that one."""

    async def test_a_server_runs_once_its_password_is_known(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(skipping, tmp_path, sticky=True, sim={"password_seconds": 240}) as poolwright:
            poolwright.change("vm_provider", "sim", facts={"retrieves_password": True})
            server = await poolwright.live()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server)
            await poolwright.skip(100)
            assert poolwright.server(server).state is ServerState.BOOTING
            await poolwright.until(lambda: poolwright.states(server)[-1] == "running", within_seconds=300)
            assert await password_for(poolwright, "ada") == f"password of {poolwright.living()[0].reference}"

    async def test_one_that_the_config_gives_is_not_asked_for(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        connection = {"username": "pool", "password": "given"}
        async with scene(
            skipping, tmp_path, sticky=True, sim={"password_seconds": 0}, connection=connection
        ) as poolwright:
            poolwright.change("vm_provider", "sim", facts={"retrieves_password": True})
            await poolwright.running()
            assert await password_for(poolwright, "ada") == "given"


class TestScriptInTheGuest:
    async def test_its_end_is_kept_with_the_logs(self, skipping: WorkflowEnvironment, tmp_path: Path) -> None:
        async with scene(skipping, tmp_path, sticky=True, sim={"runs_script_in_guest": True}) as poolwright:
            poolwright.change("vm_provider", "sim", facts={"runs_script_in_guest": True})
            server = await poolwright.running()
            with poolwright.store.read() as tx:
                (line,) = logs(tx, server.id)
            assert (line.application, line.message) == ("startup script", "ended with exit code 0")


class TestNumbers:
    async def test_a_number_that_is_somebody_else_s_is_left_and_another_is_taken(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        knobs = {"numbers": [100, 199], "taken_numbers": [100, 101]}
        async with scene(skipping, tmp_path, sticky=True, sim=knobs) as poolwright:
            poolwright.change("vm_provider", "sim", facts={"numbers": [100, 199]})
            server = await poolwright.live()
            await poolwright.until(lambda: poolwright.creations() == 1, within_seconds=60)
            told = [reason for reason in poolwright.reasons(server) if reason.startswith("takes number")]
            assert [reason.split(":")[0] for reason in told] == ["takes number 101", "takes number 102"]


class TestInterruption:
    """A spot VM that the provider will take away is drained, and its place is taken before it is gone."""

    async def test_people_on_it_stay_and_another_server_is_made(
        self, skipping: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with scene(
            skipping, tmp_path, sticky=True, minimum_available_sessions=1, sim={"interruptible": True}
        ) as poolwright:
            poolwright.change("vm_provider", "sim", facts={"interruptible": True})
            await poolwright.loop()
            await poolwright.until(lambda: len(poolwright.servers()) == 1, within_seconds=60)
            (server,) = poolwright.servers()
            await poolwright.until_state(server, ServerState.BOOTING)
            await poolwright.check_in(server)
            await poolwright.until_state(server, ServerState.RUNNING)
            session = await poolwright.request("ada")
            poolwright.world.interrupt(poolwright.living()[0].reference, "reclaimed at noon")
            await poolwright.until(
                lambda: poolwright.server(server).state is ServerState.DRAINING, within_seconds=HALF_AN_HOUR
            )
            assert "the provider takes it away: reclaimed at noon" in poolwright.server(server).message
            assert poolwright.session(session).state is SessionState.ASSIGNED
            await poolwright.until(lambda: poolwright.creations() == 2, within_seconds=HALF_AN_HOUR)
