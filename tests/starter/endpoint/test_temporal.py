"""The endpoint with real workflows behind it."""

import asyncio
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.servers import CheckInStatus
from poolwright.domain.states import ServerState
from poolwright.store.api_keys import Role, create_key
from poolwright.store.check_in_tokens import controller_id, mint, signing_key
from starter.connection import TemporalUnreachable
from starter.endpoint.app import create_app
from starter.endpoint.temporal_link import TemporalLink
from tests.installations import AWAIT_SECONDS, Installation, installation


class TestLink:
    async def test_before_there_is_a_connection_every_signal_says_so(self) -> None:
        link = TemporalLink(_unreachable)
        assert not await link.reachable()
        for signal in (
            link.check_in("s", CheckInStatus.RUNNING, ""),
            link.scale_now(["a"], "why"),
            link.sessions_changed("s"),
        ):
            with pytest.raises(RPCError) as caught:
                await signal
            assert caught.value.status is RPCStatusCode.UNAVAILABLE

    @pytest.mark.slow
    async def test_it_connects_as_soon_as_it_can(self, temporal_env: WorkflowEnvironment) -> None:
        tries = 0

        async def second_time() -> Client:
            nonlocal tries
            tries += 1
            return await _unreachable() if tries == 1 else temporal_env.client

        link = TemporalLink(second_time, again_after_seconds=0)
        async with asyncio.timeout(AWAIT_SECONDS):
            await link.make()
        assert await link.reachable()
        assert not await link.check_in("unknown", CheckInStatus.RUNNING, "")
        await link.scale_now(["unknown"], "why")
        assert not await link.sessions_changed("unknown")


@pytest.mark.slow
class TestLives:
    async def test_a_check_in_over_http_makes_a_server_run_and_serves_who_waits(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path
    ) -> None:
        async with installation(temporal_env, tmp_path) as poolwright:
            link = TemporalLink(lambda: asyncio.sleep(0, temporal_env.client))
            await link.make()
            app = create_app(poolwright.store, link)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://endpoint") as http:
                server = await poolwright.live()
                await poolwright.until_state(server, ServerState.BOOTING)
                headers = {"X-API-Key": api_key(poolwright)}
                body = {"pool": "demo", "user": "ada"}
                waiting = asyncio.create_task(
                    http.post(f"/api/sessions?wait_seconds={AWAIT_SECONDS}", json=body, headers=headers)
                )
                token = check_in_token(poolwright, server.id)
                for status in ("configuring", "running", "running"):
                    answer = await http.post(f"/api/set_server_status?token={token}", json={"status": status})
                    assert answer.status_code == 202
                session = (await waiting).json()
                assert (session["state"], session["server"]["id"]) == ("assigned", server.id)

                await poolwright.signals.drain(server.id, "the test is over")
                await poolwright.until_state(server, ServerState.DRAINING)
                await http.delete(f"/api/sessions/{session['id']}", headers=headers)
                await poolwright.until_state(server, ServerState.DELETED)
                answer = await http.post(f"/api/set_server_status?token={token}", json={"status": "running"})
                assert answer.status_code == 410
            await app.state.sessions.finish()


def check_in_token(poolwright: Installation, server_id: str) -> str:
    with poolwright.store.read() as tx:
        key, controller = signing_key(tx), controller_id(tx)
    return mint(key, controller, server_id, 1, poolwright.store.clock()).get_secret_value()


def api_key(poolwright: Installation) -> str:
    with poolwright.store.write() as tx:
        return create_key(tx, "test", Role.BROKER, poolwright.store.clock())[1].get_secret_value()


async def _unreachable() -> Client:
    raise TemporalUnreachable("nobody is there")
