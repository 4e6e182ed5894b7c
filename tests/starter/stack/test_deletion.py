"""Deleting every server before the stack stops: who does not hear of it is told again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.service import RPCError, RPCStatusCode

from poolwright.domain.states import ServerState
from poolwright.store import scaling
from poolwright.store.engine import Store
from poolwright.store.servers import live_server_ids, lock_server, transition
from starter.stack.deletion import ServersLeft, delete_servers, resume_pools
from tests.installations import new_store
from tests.starter.endpoint.world import AUTOSCALE, World

REASON = "all servers are being deleted"


class Lives:
    """The lives of all servers: each goes as soon as it takes the signal."""

    def __init__(self, store: Store) -> None:
        self.asked: list[str] = []
        self.asleep: dict[str, int] = {}
        """Server -> how often it does not hear the signal, as its life does not run."""
        self.away = 0
        """How many signals Temporal does not answer."""
        self.lasting: set[str] = set()
        """Servers that take the signal and are not gone for long."""
        self.paused: set[str | None] = set()
        """Why the config was paused, whenever somebody was asked."""
        self._store = store

    async def terminate(self, server_id: str, reason: str) -> bool:
        self.asked.append(server_id)
        if self.away:
            self.away -= 1
            raise RPCError("nobody is there", RPCStatusCode.UNAVAILABLE, b"")
        if self.asleep.get(server_id, 0):
            self.asleep[server_id] -= 1
            return False
        with self._store.write() as tx:
            self.paused.add(scaling.paused_because(tx, AUTOSCALE))
            row = lock_server(tx, server_id)
            transition(tx, row, ServerState.DELETING, reason, self._store.clock())
            if server_id not in self.lasting:
                transition(tx, row, ServerState.DELETED, reason, self._store.clock())
        return True


class TestDeletingServers:
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        """An installation of its own."""
        store = new_store(f"sqlite:///{tmp_path / 'poolwright.db'}")
        yield World.new(store)
        store.close()

    @pytest.fixture
    def lives(self, world: World) -> Lives:
        """The lives of its servers."""
        return Lives(world.store)

    async def test_all_of_them_go_while_their_pool_is_paused(self, world: World, lives: Lives) -> None:
        servers = [world.server(state) for state in (ServerState.RUNNING, ServerState.BOOTING, ServerState.CREATING)]
        assert await delete_servers(world.store, lives) == 3
        assert sorted(lives.asked) == sorted(servers)
        assert lives.paused == {REASON}

    async def test_their_pool_is_paused_until_nothing_runs_that_could_make_others(
        self, world: World, lives: Lives
    ) -> None:
        world.server()
        await delete_servers(world.store, lives)
        assert self.pause(world) == REASON
        resume_pools(world.store)
        assert self.pause(world) is None

    async def test_a_life_that_did_not_run_is_asked_again(self, world: World, lives: Lives) -> None:
        heard, slept = world.server(), world.server()
        lives.asleep[slept] = 2
        assert await delete_servers(world.store, lives) == 2
        assert (lives.asked.count(heard), lives.asked.count(slept)) == (1, 3)

    async def test_while_temporal_does_not_answer_it_is_asked_again(self, world: World, lives: Lives) -> None:
        world.server()
        lives.away = 2
        assert await delete_servers(world.store, lives) == 1

    async def test_those_that_are_not_gone_in_time_are_told_apart(self, world: World, lives: Lives) -> None:
        lasting, asleep = world.server(), world.server()
        lives.lasting.add(lasting)
        lives.asleep[asleep] = 1
        with pytest.raises(ServersLeft) as left:
            await delete_servers(world.store, lives, patience_seconds=0)
        said = str(left.value)
        assert "2 server(s) are not gone after 0 seconds" in said
        assert f"They go on going: {lasting}." in said
        assert f"No workflow of theirs took the signal, so they do not go: {asleep}." in said
        assert "Pools stay paused" in said
        assert self.pause(world) == REASON

    async def test_what_a_run_before_has_paused_is_resumed_as_well(self, world: World, lives: Lives) -> None:
        lives.asleep[world.server()] = 1
        with pytest.raises(ServersLeft):
            await delete_servers(world.store, lives, patience_seconds=0)
        assert await delete_servers(world.store, lives) == 1
        resume_pools(world.store)
        assert self.pause(world) is None

    @pytest.mark.parametrize("reason", ["maintenance", ""])
    async def test_the_pause_of_an_operator_stays(self, world: World, lives: Lives, reason: str) -> None:
        world.server()
        with world.store.write() as tx:
            scaling.set_paused(tx, AUTOSCALE, reason)
        await delete_servers(world.store, lives)
        resume_pools(world.store)
        with world.store.read() as tx:
            assert not live_server_ids(tx)
        assert self.pause(world) == reason

    @staticmethod
    def pause(world: World) -> str | None:
        """Why the config is paused."""
        with world.store.read() as tx:
            return scaling.paused_because(tx, AUTOSCALE)
