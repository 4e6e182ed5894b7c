import secrets
from datetime import timedelta

import httpx
import pytest

from poolwright.domain.scaling import Action, ActionKind, Plan
from poolwright.domain.states import ServerState
from poolwright.store import scaling
from tests.starter.endpoint.world import AUTOSCALE, POOL, World


def decide(world: World, autoscale: str, wanted: int, *, minutes_ago: int = 0) -> None:
    """Record a plan as the scaling workflow does; its action is a drain, so that nothing is reserved."""
    plan = Plan(
        at=world.store.clock() - timedelta(minutes=minutes_ago),
        numbers={"room": 2, "wanted": wanted},
        actions=(Action(kind=ActionKind.DRAIN, server_id="s-1", reason="It is idle."),),
        reasons=(f"{wanted} wanted.",),
    )
    with world.store.write() as tx:
        scaling.record_plan(tx, scaling.take_snapshot(tx, autoscale, plan.at), plan)


class TestPools:
    async def test_they_are_listed_with_their_counts(self, broker: httpx.AsyncClient, world: World) -> None:
        world.declare("pool", "agents", {"type": "docker_agent", "labels": {"team": "red"}, "description": "Linux"})
        world.server()
        world.server(ServerState.BOOTING)
        world.server(ServerState.DELETED)
        for user in ("ada", "bob", "cleo"):
            world.request(user)
        agents, desk = (await broker.get("/api/pools")).json()["pools"]
        assert agents == {
            "name": "agents",
            "type": "docker_agent",
            "description": "Linux",
            "labels": {"team": "red"},
            "autoscales": [],
            "servers": {},
            "sessions": {},
        }
        assert desk["autoscales"] == [AUTOSCALE]
        assert desk["servers"] == {"running": 1, "booting": 1}
        assert desk["sessions"] == {"assigned": 2, "queued": 1}
        assert (await broker.get(f"/api/pools/{POOL}")).json() == desk

    @pytest.mark.parametrize("path", ["/api/pools/none", "/api/pools/none/explain"])
    async def test_an_unknown_one(self, broker: httpx.AsyncClient, path: str) -> None:
        answer = await broker.get(path)
        assert (answer.status_code, answer.json()) == (404, {"error": "there is no pool 'none'"})


class TestExplain:
    async def test_a_pool_with_one_config(self, broker: httpx.AsyncClient, world: World) -> None:
        decide(world, AUTOSCALE, 3)
        explanation = (await broker.get(f"/api/pools/{POOL}/explain")).json()
        assert explanation["autoscale"] == AUTOSCALE
        assert explanation["numbers"] == {"room": 2, "wanted": 3}
        assert explanation["reasons"] == ["3 wanted."]
        [action] = explanation["actions"]
        assert (action["kind"], action["reason"], action["autoscale"]) == ("drain", "It is idle.", AUTOSCALE)
        [config] = explanation["configs"]
        assert (config["autoscale"], config["at"]) == (AUTOSCALE, explanation["at"])
        assert config["confirmed_at"] == config["at"]

    async def test_a_pool_with_several_configs(self, broker: httpx.AsyncClient, world: World) -> None:
        world.declare_pool("wide", "wide-a", "wide-b", "wide-c")
        decide(world, "wide-a", 1, minutes_ago=5)
        decide(world, "wide-b", 2)
        explanation = (await broker.get("/api/pools/wide/explain")).json()
        assert explanation["autoscale"] is None
        assert explanation["numbers"] == {"wide-a.room": 2, "wide-a.wanted": 1, "wide-b.room": 2, "wide-b.wanted": 2}
        assert explanation["reasons"] == [
            "wide-a: 1 wanted.",
            "wide-b: 2 wanted.",
            "wide-c has made no decision yet.",
        ]
        assert [action["autoscale"] for action in explanation["actions"]] == ["wide-a", "wide-b"]
        assert [config["numbers"]["wanted"] for config in explanation["configs"]] == [1, 2]
        assert explanation["at"] == max(config["at"] for config in explanation["configs"])

    async def test_as_of_an_earlier_time(self, broker: httpx.AsyncClient, world: World) -> None:
        decide(world, AUTOSCALE, 1, minutes_ago=60)
        decide(world, AUTOSCALE, 2)
        earlier = (world.store.clock() - timedelta(minutes=30)).isoformat()
        answer = await broker.get(f"/api/pools/{POOL}/explain", params={"at": earlier})
        assert answer.json()["numbers"]["wanted"] == 1

    async def test_before_the_first_decision(self, broker: httpx.AsyncClient) -> None:
        explanation = (await broker.get(f"/api/pools/{POOL}/explain", params={"at": "2020-01-31T09:00:00"})).json()
        assert (explanation["at"], explanation["numbers"], explanation["actions"]) == (None, {}, [])
        assert explanation["reasons"] == [f"{AUTOSCALE} has made no decision up to 2020-01-31T09:00:00+00:00."]

    async def test_a_pool_without_configs(self, broker: httpx.AsyncClient, world: World) -> None:
        world.declare_pool("bare")
        explanation = (await broker.get("/api/pools/bare/explain")).json()
        assert explanation["reasons"] == [
            "The pool bare has no autoscale config: nothing makes or deletes servers in it."
        ]

    @pytest.mark.parametrize("at", ["yesterday", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", ""])
    async def test_a_time_that_is_none(self, broker: httpx.AsyncClient, at: str) -> None:
        answer = await broker.get(f"/api/pools/{POOL}/explain", params={"at": at})
        assert (answer.status_code, "query.at" in answer.json()["error"]) == (422, True)


class TestServers:
    async def test_they_are_listed(self, broker: httpx.AsyncClient, world: World) -> None:
        world.declare_pool("other", "other-local")
        mine, others = world.server(), world.server(autoscale="other-local")
        world.server(ServerState.DELETED)
        listed = (await broker.get("/api/servers")).json()["servers"]
        assert [server["id"] for server in listed] == [mine, others]
        of_pool = (await broker.get("/api/servers", params={"pool": "other"})).json()["servers"]
        assert [server["id"] for server in of_pool] == [others]

    async def test_a_list_of_an_unknown_pool_is_not_found(self, broker: httpx.AsyncClient) -> None:
        answer = await broker.get("/api/servers", params={"pool": "nowhere"})
        assert (answer.status_code, answer.json()["error"]) == (404, "there is no pool 'nowhere'")

    async def test_one_is_found_by_id_and_by_host_name(self, broker: httpx.AsyncClient, world: World) -> None:
        server = world.server(ServerState.BOOTING)
        by_id = (await broker.get(f"/api/servers/{server}")).json()
        assert by_id == (await broker.get("/api/servers/desk-0001")).json()
        assert (by_id["state"], by_id["address"]) == ("booting", "192.0.2.7")
        assert [entry["to_state"] for entry in by_id["story"]] == ["requested", "preparing", "creating", "booting"]
        assert by_id["story"][0]["reason"] == "a test wants it"

    async def test_an_unknown_one(self, broker: httpx.AsyncClient) -> None:
        answer = await broker.get(f"/api/servers/s{secrets.token_hex(4)}")
        assert (answer.status_code, "there is no server" in answer.json()["error"]) == (404, True)
