"""Staged sessions where several autoscale configs, or static servers, could have them."""

from typing import Any

import pytest

from poolwright.domain.servers import SessionState, Size
from poolwright.domain.static_servers import StaticServer
from poolwright.store import scaling
from poolwright.store.engine import Store
from poolwright.store.servers import list_servers
from poolwright.store.static_servers import register
from tests.installations import save
from tests.store.scenes import AGENTS, AUTOSCALE, NOW, agent_pool, request, running
from tests.store.test_staging import NIGHT_SHIFT, configure_agents, ends, stage, staged, tend

SLEEPING = [
    pytest.param({"enabled": False}, "is disabled", id="disabled"),
    pytest.param({"schedules": NIGHT_SHIFT}, "is not active", id="out of hours"),
]


def configure_zeta(store: Store, **settings: Any) -> None:
    """A second autoscale config of the same pool and zone; `demo` comes first."""
    save(store, "autoscale", "zeta", {**AUTOSCALE, **AGENTS, "hostname_pattern": "zeta-{n:03}", **settings})


def register_tower(store: Store) -> str:
    """A static server with room for two desks. Returns its id."""
    size = Size(cores=2, memory_mib=2048)
    static = StaticServer(name="tower", pool="demo", zone="here", address="192.0.2.7", size=size)
    save(store, "static_server", "tower", static.model_dump(mode="json", exclude={"name"}))
    with store.write() as tx:
        register(tx, static, NOW)
        return next(server.id for server in list_servers(tx) if server.hostname == "tower")


def servers_of_staged(store: Store) -> set[str | None]:
    return {one.server_id for one in staged(store)}


class TestWhoMakesRoom:
    """Of all autoscale configs that could, one at most."""

    def test_the_first_by_name_while_several_are_awake(self, store: Store) -> None:
        agent_pool(store)
        configure_zeta(store)
        stage(store)
        assert self.needed_from(store) == ["demo"]

    @pytest.mark.parametrize("asleep", [{"enabled": False}, {"schedules": NIGHT_SHIFT}])
    def test_not_one_that_sleeps_while_another_is_awake(self, store: Store, asleep: dict[str, Any]) -> None:
        agent_pool(store, **asleep)
        configure_zeta(store)
        stage(store)
        assert self.needed_from(store) == ["zeta"]
        (agent,) = running(store, autoscale="zeta")
        assert servers_of_staged(store) == {agent.id}

    def test_nobody_while_all_sleep(self, store: Store) -> None:
        agent_pool(store, enabled=False)
        configure_zeta(store, schedules=NIGHT_SHIFT)
        stage(store)
        assert self.needed_from(store) == []

    def test_nobody_else_while_the_one_that_it_names_sleeps(self, store: Store) -> None:
        agent_pool(store, enabled=False)
        configure_zeta(store)
        stage(store, autoscale="demo")
        assert self.needed_from(store) == []

    def test_not_one_that_only_observes_while_another_acts(self, store: Store) -> None:
        agent_pool(store, observe=True)
        configure_zeta(store)
        stage(store)
        assert self.needed_from(store) == ["zeta"]

    def test_one_that_only_observes_where_none_acts(self, store: Store) -> None:
        agent_pool(store, observe=True)
        configure_zeta(store, enabled=False)
        stage(store)
        assert self.needed_from(store) == ["demo"]

    @staticmethod
    def needed_from(store: Store) -> list[str]:
        """The configs whose decisions see what the staging lacks."""
        with store.read() as tx:
            names = scaling.autoscales_of_pool(tx, "demo")
            return [name for name in names if scaling.take_snapshot(tx, name, NOW).staging]


class TestWhoSleeps:
    """What counts is the autoscale config of the server that a staged session is on."""

    @pytest.mark.parametrize(("asleep", "reason"), SLEEPING)
    def test_it_goes_with_the_config_of_its_server(self, store: Store, asleep: dict[str, Any], reason: str) -> None:
        agent_pool(store)
        configure_zeta(store)
        stage(store)
        (agent,) = running(store, autoscale="zeta")
        assert servers_of_staged(store) == {agent.id}
        configure_zeta(store, **asleep)
        tend(store)
        assert staged(store) == []
        assert [str(one).startswith(f"the autoscale config zeta {reason}") for one in ends(store)] == [True, True]

    @pytest.mark.parametrize(("asleep", "reason"), SLEEPING)
    def test_nobody_gets_one_of_a_server_whose_config_sleeps(
        self, store: Store, asleep: dict[str, Any], reason: str
    ) -> None:
        agent_pool(store)
        configure_zeta(store)
        stage(store, desired=1)
        running(store, autoscale="zeta")
        configure_zeta(store, **asleep)
        assert request(store, workspace="desk").state is SessionState.QUEUED
        assert str(ends(store)[0]).startswith(f"the autoscale config zeta {reason}")

    def test_it_moves_to_a_server_whose_config_is_awake(self, store: Store) -> None:
        agent_pool(store)
        configure_zeta(store)
        stage(store)
        running(store, autoscale="zeta")
        (awake,) = running(store)
        configure_zeta(store, enabled=False)
        tend(store)
        assert servers_of_staged(store) == {awake.id}

    def test_it_stays_while_only_another_config_sleeps(self, store: Store) -> None:
        agent_pool(store)
        configure_zeta(store)
        stage(store)
        running(store, autoscale="zeta")
        before = staged(store)
        configure_agents(store, enabled=False)
        tend(store)
        assert staged(store) == before

    def test_a_static_server_never_sleeps(self, store: Store) -> None:
        agent_pool(store, enabled=False)
        stage(store)
        tower = register_tower(store)
        before = staged(store)
        assert servers_of_staged(store) == {tower}
        tend(store)
        assert staged(store) == before
        assert request(store, workspace="desk").server_id == tower

    def test_a_static_server_has_none_of_a_staging_config_that_names_an_autoscale_config(self, store: Store) -> None:
        agent_pool(store)
        stage(store)
        register_tower(store)
        assert len(staged(store)) == 2
        stage(store, autoscale="demo")
        configure_agents(store, enabled=False)
        tend(store)
        assert staged(store) == []
