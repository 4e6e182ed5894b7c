"""Where sessions go."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from poolwright.domain.placement import NoRoom, Placement, PlacementRules, assign_queue, place
from poolwright.domain.resources import LoadStrategy, PoolType, Zone
from poolwright.domain.scaling import ServerView, SessionView, WaitingSession
from poolwright.domain.servers import SessionKind, Size
from poolwright.domain.states import ServerState
from tests.domain.pools import BIG, SMALL, agent, ago, app, desk, queue, waits
from tests.domain.work import lines_of

SERVERS = PlacementRules(pool_type=PoolType.SERVER)


def agent_rules(**changes: Any) -> PlacementRules:
    settings: dict[str, Any] = {"name": "eu", "load_strategy": LoadStrategy.MOST_SESSIONS}
    return PlacementRules(pool_type=PoolType.DOCKER_AGENT, zones={"eu": Zone(**(settings | changes))})


def chosen(session: WaitingSession, servers: list[ServerView], rules: PlacementRules = SERVERS) -> str | None:
    found = place(session, servers, rules)
    return found.server_id if isinstance(found, Placement) else None


def refusal(session: WaitingSession, servers: list[ServerView], rules: PlacementRules = SERVERS) -> str:
    found = place(session, servers, rules)
    assert isinstance(found, NoRoom)
    return found.reason


class TestServerPools:
    def test_the_most_room_comes_first(self) -> None:
        servers = [desk(1, "bob", max_sessions=3), desk(2, max_sessions=3), desk(3, "eve", "joe", max_sessions=3)]
        assert chosen(waits(), servers) == "s0002"

    def test_of_equals_the_first_by_host_name(self) -> None:
        assert chosen(waits(), [desk(3), desk(2), desk(4)]) == "s0002"

    def test_of_equals_one_in_the_persons_zone(self) -> None:
        assert chosen(waits(zone="us"), [desk(1), desk(2, zone="us")]) == "s0002"

    def test_sessions_spread_evenly(self) -> None:
        servers = [desk(n, max_sessions=4) for n in range(1, 4)]
        placed = [server for _, server in assign_queue(queue(6), servers, SERVERS).assignments]
        assert sorted(placed) == ["s0001", "s0001", "s0002", "s0002", "s0003", "s0003"]

    def test_room_is_the_lower_of_sessions_left_and_users_left(self) -> None:
        crowded = desk(1, "bob", "eve", max_sessions=9, max_users=3, counts_users=True)
        roomy = desk(2, "joe", max_sessions=4, max_users=9, counts_users=True)
        assert chosen(waits(), [crowded, roomy]) == "s0002"

    def test_users_are_not_counted_where_the_protocol_has_one_screen(self) -> None:
        assert chosen(waits(), [desk(1, "bob", max_sessions=2, max_users=1)]) == "s0001"
        assert chosen(waits(), [desk(1, "bob", max_sessions=2, max_users=1, counts_users=True)]) is None

    def test_a_user_gets_one_desktop_per_server(self) -> None:
        servers = [desk(1, "ann", max_sessions=9), desk(2, "bob", max_sessions=2)]
        assert chosen(waits("ann"), servers) == "s0002"
        assert "already has a desktop" in refusal(waits("ann"), servers[:1])

    def test_remote_apps_stack_beside_a_desktop(self) -> None:
        assert chosen(app("ann"), [desk(1, "ann", max_sessions=9)]) == "s0001"

    def test_two_users_with_ten_apps_each_fit_on_one_server(self) -> None:
        server = desk(1, max_sessions=20, max_users=2, counts_users=True)
        wanted = [app(user, id=f"{user}-{n}") for n in range(10) for user in ("ann", "bob")]
        assert len(assign_queue(wanted, [server], SERVERS).assignments) == 20

    def test_whoever_is_on_a_server_needs_no_further_users_place(self) -> None:
        full_of_users = desk(1, "ann", "bob", max_sessions=9, max_users=2, counts_users=True)
        assert chosen(app("ann"), [full_of_users]) == "s0001"
        assert chosen(app("eve"), [full_of_users]) is None

    @pytest.mark.parametrize("state", [state for state in ServerState if state is not ServerState.RUNNING])
    def test_only_running_servers_take_sessions(self, state: ServerState) -> None:
        assert refusal(waits(), [desk(1, state=state)]) == "No server of the pool is running."

    def test_a_server_that_accepts_none_takes_none(self) -> None:
        assert chosen(waits(), [desk(1, accepts_sessions=False)]) is None

    def test_a_single_use_server_takes_none_after_one_has_ended(self) -> None:
        assert chosen(waits(), [desk(1, reusable=False, served=1)]) is None
        assert chosen(waits(), [desk(1, reusable=True, served=1)]) == "s0001"

    def test_a_single_use_server_fills_up_in_its_first_round(self) -> None:
        filling = desk(1, "bob", "eve", reusable=False, max_sessions=5)
        assert chosen(waits(), [filling]) == "s0001"
        one_has_ended = filling.model_copy(update={"served": 3})
        assert chosen(waits(), [one_has_ended]) is None

    def test_the_server_kept_for_a_user_comes_first(self) -> None:
        servers = [desk(1, max_sessions=9), desk(2, max_sessions=1)]
        found = place(waits("ann"), servers, SERVERS, preferred_server_id="s0002")
        assert found == Placement(server_id="s0002", reason="desk-0002 is kept for this person.")

    def test_a_kept_server_without_room_gives_way_to_another(self) -> None:
        servers = [desk(1, max_sessions=9), desk(2, "bob")]
        found = place(waits("ann"), servers, SERVERS, preferred_server_id="s0002")
        assert isinstance(found, Placement)
        assert found.server_id == "s0001"

    def test_a_kept_server_that_is_gone_gives_way_to_another(self) -> None:
        found = place(waits("ann"), [desk(1)], SERVERS, preferred_server_id="s0099")
        assert isinstance(found, Placement)

    def test_fullness_is_told_with_numbers(self) -> None:
        assert refusal(waits(), [desk(1, "bob")]) == "The only running server is full."
        assert refusal(waits(), [desk(1, "bob"), desk(2, "eve")]) == "All 2 running servers are full."


class TestDockerAgents:
    @pytest.mark.parametrize(
        ("strategy", "expected"),
        [
            (LoadStrategy.LEAST_LOAD, "a0002"),
            (LoadStrategy.MOST_SESSIONS, "a0001"),
            (LoadStrategy.FEWEST_SESSIONS, "a0003"),
        ],
    )
    def test_agents_are_ranked_by_the_zones_strategy(self, strategy: LoadStrategy, expected: str) -> None:
        tiny = Size(cores=0.5, memory_mib=512)
        agents = [
            agent(1, tiny, tiny, tiny, tiny),
            agent(2, tiny, tiny),
            agent(3, Size(cores=4, memory_mib=512)),
        ]
        assert chosen(waits(size=SMALL, zone="eu"), agents, agent_rules(load_strategy=strategy)) == expected

    def test_every_dimension_must_fit(self) -> None:
        wanted = waits(size=Size(cores=1, memory_mib=1024, gpus=1))
        assert chosen(wanted, [agent(1)], agent_rules()) is None
        with_gpu = agent(2, size=Size(cores=8, memory_mib=16_384, gpus=1))
        assert chosen(wanted, [agent(1), with_gpu], agent_rules()) == "a0002"

    def test_the_users_zone_comes_first(self) -> None:
        agents = [agent(1, SMALL, zone="us"), agent(2)]
        assert chosen(waits(size=SMALL, zone="eu"), agents, agent_rules()) == "a0002"

    def test_other_zones_are_searched_only_if_the_zone_allows_it(self) -> None:
        elsewhere = [agent(1, zone="us")]
        wanted = waits(size=SMALL, zone="eu")
        assert chosen(wanted, elsewhere, agent_rules(search_alternate_zones=True)) == "a0001"
        reason = refusal(wanted, elsewhere, agent_rules(search_alternate_zones=False))
        assert reason.startswith("No agent in zone 'eu' is big enough")

    def test_each_sessions_own_zone_decides(self) -> None:
        rules = PlacementRules(
            pool_type=PoolType.DOCKER_AGENT,
            zones={
                "eu": Zone(name="eu", search_alternate_zones=False),
                "us": Zone(name="us", search_alternate_zones=True),
            },
        )
        sessions = [waits("ann", size=SMALL, zone="eu"), waits("bob", size=SMALL, zone="us")]
        result = assign_queue(sessions, [agent(1, zone="asia")], rules)
        assert result.assignments == (("w-bob", "a0001"),)

    def test_static_agents_come_first_if_set(self) -> None:
        agents = [agent(1, SMALL), agent(2, autoscale=None)]
        wanted = waits(size=SMALL, zone="eu")
        assert chosen(wanted, agents, agent_rules(prioritize_static_agents=True)) == "a0002"
        assert chosen(wanted, agents, agent_rules(prioritize_static_agents=False)) == "a0001"

    def test_an_agent_that_has_the_image_is_preferred(self) -> None:
        agents = [agent(1, SMALL), agent(2, images=frozenset({"desktop:1"}))]
        assert chosen(waits(size=SMALL, image="desktop:1", zone="eu"), agents, agent_rules()) == "a0002"

    def test_one_person_may_have_many_containers_on_an_agent(self) -> None:
        sessions = [waits("ann", id=f"n{n}", size=SMALL) for n in range(4)]
        assert len(assign_queue(sessions, [agent(1)], agent_rules()).assignments) == 4

    def test_agents_are_never_spent(self) -> None:
        assert chosen(waits(size=SMALL), [agent(1, served=40, reusable=False)], agent_rules()) == "a0001"

    def test_a_session_bigger_than_any_agent_is_told_so(self) -> None:
        reason = refusal(waits(size=Size(cores=64, memory_mib=1024)), [agent(1)], agent_rules())
        assert reason == "No agent that runs is big enough for 64 cores and 1,024 MiB of memory."

    def test_a_session_that_fits_later_is_told_so(self) -> None:
        assert refusal(waits(size=BIG), [agent(1, SMALL)], agent_rules()) == (
            "No agent has 8 cores and 16,384 MiB of memory free now."
        )


class TestQueue:
    def test_first_come_first_served(self) -> None:
        late, early = waits("late", requested_at=ago(10)), waits("early", requested_at=ago(20))
        result = assign_queue([late, early], [desk(1)], SERVERS)
        assert result.assignments == (("w-early", "s0001"),)
        assert result.unserved == (("w-late", "The only running server is full."),)

    def test_higher_priority_is_served_first(self) -> None:
        first, important = waits("first", requested_at=ago(20)), waits("important", priority=5)
        assert assign_queue([first, important], [desk(1)], SERVERS).assignments == (("w-important", "s0001"),)

    def test_who_finds_no_room_does_not_hold_up_those_behind(self) -> None:
        big, small = waits("big", size=BIG, requested_at=ago(20)), waits("small", size=SMALL)
        result = assign_queue([big, small], [agent(1, SMALL)], agent_rules())
        assert result.assignments == (("w-small", "a0001"),)

    def test_kept_servers_hold_for_the_queue_too(self) -> None:
        result = assign_queue(queue(2), [desk(1), desk(2)], SERVERS, preferred={"user-000": "s0002"})
        assert dict(result.assignments) == {"w-user-000": "s0002", "w-user-001": "s0001"}

    def test_everyone_is_either_served_or_told_why_not(self) -> None:
        result = assign_queue(queue(7), [desk(n) for n in range(3)], SERVERS)
        assert len(result.assignments) == 3
        assert len(result.unserved) == 4
        assert all(reason for _, reason in result.unserved)

    def test_the_order_of_the_servers_does_not_matter(self) -> None:
        servers = [desk(n, max_sessions=n) for n in range(1, 6)]
        there = assign_queue(queue(9), servers, SERVERS)
        assert there == assign_queue(queue(9), list(reversed(servers)), SERVERS)

    def test_nobody_gets_more_than_there_is(self) -> None:
        servers = [desk(n, "bob", max_sessions=3, max_users=2, counts_users=True) for n in range(3)]
        result = assign_queue(queue(50), servers, SERVERS)
        assert len(result.assignments) == 3

    def test_ten_times_the_sessions_and_servers_are_about_ten_times_the_work(self) -> None:
        def lines(count: int) -> int:
            servers = [desk(n, max_sessions=2, max_users=2, counts_users=True) for n in range(count)]
            result, lines = lines_of(partial(assign_queue, queue(count), servers, SERVERS))
            assert len(result.assignments) == count
            return lines

        assert lines(1000) < 12 * lines(100)

    def test_a_person_who_asks_for_many_desktops_costs_no_more(self) -> None:
        def lines(user: Callable[[int], str]) -> int:
            sessions = [waits(user(n), id=f"n{n:04}") for n in range(1000)]
            return lines_of(partial(assign_queue, sessions, [desk(n) for n in range(100)], SERVERS))[1]

        assert lines(lambda _: "ann") < 2 * lines("user-{}".format)

    def test_those_without_room_are_told_so_in_one_pass(self) -> None:
        def lines(count: int) -> int:
            agents = [agent(n, BIG) for n in range(count)]
            result, lines = lines_of(partial(assign_queue, queue(count, size=SMALL), agents, agent_rules()))
            reasons = {reason for _, reason in result.unserved}
            assert reasons == {"No agent has 2 cores and 4,096 MiB of memory free now."}
            assert len(result.unserved) == count
            return lines

        assert lines(1000) < 12 * lines(100)

    def test_each_is_told_the_reason_of_their_moment(self) -> None:
        sessions = [waits("ann", requested_at=ago(3)), *queue(2)]
        result = assign_queue(sessions, [desk(1, "ann", max_sessions=2)], SERVERS)
        assert result.assignments == (("w-user-000", "s0001"),)
        assert result.unserved == (
            ("w-ann", "Each server with room already has a desktop of this person: one person gets one on a server."),
            ("w-user-001", "The only running server is full."),
        )

    def test_a_staged_session_holds_room_like_any_other(self) -> None:
        staged = agent(1, sessions=(SessionView(user="", staged=True, kind=SessionKind.DESKTOP, size=BIG),))
        assert chosen(waits(size=SMALL), [staged], agent_rules()) is None
