"""Several configs in one pool: each waiting session is made a server for by exactly one of them."""

from typing import Any

from poolwright.domain.autoscale import Connection, ConnectionType, ServerAutoscale
from poolwright.domain.planning import plan, sibling_of
from poolwright.domain.resources import Zone
from poolwright.domain.scaling import DrainReason, FailureRecord, Plan, ServerView, SiblingConfig, WaitingSession
from poolwright.domain.servers import Size
from poolwright.domain.states import ServerState
from tests.domain.pools import (
    BIG,
    NOW,
    SMALL,
    agent,
    agents,
    ago,
    app,
    coming,
    decide,
    desk,
    desks,
    kinds,
    queue,
    snapshot,
    text,
    waits,
)


def sibling(name: str, free_slots: int = 10, **changes: Any) -> SiblingConfig:
    facts: dict[str, Any] = {"name": name, "zone": "eu", "active": True, "paused": False, "free_slots": free_slots}
    return SiblingConfig(**(facts | changes))


class TestWhoseTurnItIs:
    def test_the_first_by_name_makes_the_servers(self) -> None:
        first = decide(desks(name="alpha"), (), queue(3), siblings=(sibling("beta"),))
        second = decide(desks(name="beta"), (), queue(3), siblings=(sibling("alpha"),))
        assert (kinds(first), kinds(second)) == ({"create": 3}, {})
        assert text(second) == "3 waiting sessions are left to 'alpha', whose turn it is to make servers."

    def test_a_config_without_slots_passes_them_on(self) -> None:
        made = decide(desks(name="beta"), (), queue(3), siblings=(sibling("alpha", free_slots=1),))
        assert kinds(made) == {"create": 2}
        assert made.numbers["waiting_for_other_configs"] == 1

    def test_inactive_and_paused_configs_are_passed_over(self) -> None:
        for absent in (sibling("alpha", active=False), sibling("alpha", paused=True)):
            assert kinds(decide(desks(name="beta"), (), queue(3), siblings=(absent,))) == {"create": 3}

    def test_room_per_server_of_the_other_counts(self) -> None:
        roomy = sibling("alpha", free_slots=2, room_per_server=4)
        assert kinds(decide(desks(name="beta"), (), queue(10), siblings=(roomy,))) == {"create": 2}

    def test_many_apps_of_one_person_are_one_user_there_too(self) -> None:
        rdp = Connection(type=ConnectionType.RDP)
        shape = {"max_sessions_per_server": 5, "max_users_per_server": 1, "connection": rdp}
        seen = sibling_of(
            desks(name="alpha", **shape), NOW, servers=0, provider_slots=1, paused=False, failures=FailureRecord()
        )
        made = decide(desks(name="beta", **shape), (), [app("ann", id=f"w{n}") for n in range(5)], siblings=(seen,))
        assert (kinds(made), made.numbers["waiting_for_other_configs"]) == ({}, 5)

    def test_a_config_on_trial_after_failures_takes_no_more_than_it_may(self) -> None:
        tried = FailureRecord(failed_at=(ago(900),), pauses=1, paused_until=ago(60))
        seen = sibling_of(desks(name="alpha"), NOW, servers=1, provider_slots=50, paused=False, failures=tried)
        on_the_way = coming(desk(1, autoscale="alpha"))
        made = decide(desks(name="beta"), [on_the_way], queue(10), siblings=(seen,))
        assert made.numbers["waiting_for_coming"] == 1
        assert made.numbers["waiting_for_other_configs"] == 2
        assert kinds(made) == {"create": 7}

    def test_an_aggressive_config_takes_one_session_per_server(self) -> None:
        eager = sibling("alpha", free_slots=2, room_per_server=4, aggressive=True)
        assert kinds(decide(desks(name="beta"), (), queue(10), siblings=(eager,))) == {"create": 8}

    def test_standby_is_each_configs_own_affair(self) -> None:
        config = desks(name="beta", minimum_available_sessions=2)
        assert kinds(decide(config, (), queue(3), siblings=(sibling("alpha"),))) == {"create": 2}

    def test_while_paused_the_others_take_over(self) -> None:
        made = decide(desks(name="alpha"), (), queue(1), siblings=(sibling("beta"),), paused="maintenance")
        assert made.numbers["waiting_for_other_configs"] == 1

    def test_while_inactive_the_others_take_over(self) -> None:
        made = decide(desks(name="alpha", enabled=False), (), queue(1), siblings=(sibling("beta"),))
        assert "1 waiting session is left to 'beta'" in text(made)


class TestServersOfOthers:
    def test_their_free_room_serves_first(self) -> None:
        assert (
            decide(desks(name="alpha"), [desk(1, autoscale="beta")], queue(1), siblings=(sibling("beta"),)).actions
            == ()
        )

    def test_what_they_have_on_the_way_serves_next(self) -> None:
        on_the_way = coming(desk(1, autoscale="beta"))
        assert decide(desks(name="alpha"), [on_the_way], queue(1), siblings=(sibling("beta"),)).actions == ()

    def test_what_they_will_take_back_serves_too(self) -> None:
        drained = desk(1, autoscale="beta", state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)
        made = decide(desks(name="alpha"), [drained], queue(1), siblings=(sibling("beta"),))
        assert made.actions == ()
        assert kinds(decide(desks(name="alpha"), [drained], queue(1))) == {"create": 1}

    def test_a_server_of_an_aggressive_config_on_the_way_serves_one(self) -> None:
        on_the_way = coming(desk(1, autoscale="beta", max_sessions=9))
        made = decide(desks(name="alpha"), [on_the_way], queue(2), siblings=(sibling("beta", aggressive=True),))
        assert kinds(made) == {"create": 1}

    def test_agents_of_an_inactive_config_serve_nobody(self) -> None:
        idle = agent(1, autoscale="other")
        wanted = [waits(size=SMALL)]
        assert decide(agents(), [idle], wanted, siblings=(sibling("other"),)).actions == ()
        assert kinds(decide(agents(), [idle], wanted, siblings=(sibling("other", active=False),))) == {"create": 1}

    def test_a_server_that_accepts_no_sessions_serves_nobody(self) -> None:
        closed = desk(1, autoscale="beta", accepts_sessions=False)
        assert kinds(decide(desks(name="alpha"), [closed], queue(1))) == {"create": 1}
        own = desk(1, autoscale="alpha", accepts_sessions=False)
        assert kinds(decide(desks(name="alpha", total_floor=1), [own], queue(1))) == {"create": 1}


class TestHowOthersSeeAConfig:
    def seen(self, config: Any, **changes: Any) -> SiblingConfig:
        facts: dict[str, Any] = {"servers": 2, "provider_slots": 9, "paused": False, "failures": FailureRecord()}
        return sibling_of(config, NOW, **(facts | changes))

    def test_room_is_that_of_one_new_server(self) -> None:
        rdp = Connection(type=ConnectionType.RDP)
        config = desks(max_sessions_per_server=8, max_users_per_server=3, connection=rdp, aggressive=True)
        assert (self.seen(config).room_per_server, self.seen(config).aggressive) == (3, True)
        assert self.seen(agents()).agent_size == BIG

    def test_slots_are_those_of_the_tightest_cap(self) -> None:
        assert self.seen(desks()).free_slots == 9
        assert self.seen(desks(max_instances=5)).free_slots == 3
        assert self.seen(desks(total_ceiling=1)).free_slots == 0

    def test_paused_by_an_operator_or_after_failures(self) -> None:
        assert self.seen(desks(), paused=True).paused
        failed = FailureRecord(failed_at=(ago(3), ago(2), ago(1)))
        assert self.seen(desks(), failures=failed).paused
        assert not self.seen(desks()).paused

    def test_inactive_if_disabled(self) -> None:
        assert self.seen(desks()).active
        assert not self.seen(desks(enabled=False)).active


class TestZones:
    def test_agents_are_made_in_the_persons_zone_first(self) -> None:
        wanted = queue(2, size=SMALL, zone="us")
        made = decide(agents(), (), wanted, siblings=(sibling("us-agents", zone="us", agent_size=BIG),))
        assert made.actions == ()
        assert made.numbers["waiting_for_other_configs"] == 2

    def test_elsewhere_only_when_the_zone_is_full(self) -> None:
        wanted = queue(2, size=BIG, zone="us")
        made = decide(agents(), (), wanted, siblings=(sibling("us-agents", 1, zone="us", agent_size=BIG),))
        assert kinds(made) == {"create": 1}

    def test_and_only_if_the_zone_searches_others(self) -> None:
        made = decide(
            agents(),
            (),
            queue(2, size=BIG, zone="us"),
            siblings=(sibling("us-agents", 1, zone="us", agent_size=BIG),),
            zones={"us": Zone(name="us", search_alternate_zones=False)},
        )
        assert made.actions == ()
        assert made.numbers["waiting_unserved"] == 1
        alone = "1 waiting session stays without room: only 'us-agents' could make agents for it, and makes none now."
        assert alone in text(made)

    def test_of_sessions_that_only_others_could_hold_it_does_not_blame_its_own_cap(self) -> None:
        huge = Size(cores=64, memory_mib=1024)
        full = [sibling(name, 0, agent_size=Size(cores=64, memory_mib=2**18)) for name in ("big", "too-big")]
        made = decide(agents(), (), queue(2, size=huge), siblings=tuple(full))
        assert (kinds(made), made.numbers["waiting_unserved"]) == ({}, 2)
        assert text(made) == (
            "2 waiting sessions stay without room: only 'big' and 'too-big' could make agents for them, "
            "and make none now."
        )

    def test_a_session_too_big_for_ours_is_left_to_whoever_has_big_agents(self) -> None:
        huge = Size(cores=64, memory_mib=1024)
        big_ones = sibling("zz-big", agent_size=Size(cores=64, memory_mib=2**18))
        made = decide(agents(), (), [waits(size=huge)], siblings=(big_ones,))
        assert made.actions == ()
        assert "left to 'zz-big'" in text(made)

    def test_an_agent_of_unknown_size_is_taken_to_serve_one(self) -> None:
        made = decide(agents(), (), queue(3, size=SMALL), siblings=(sibling("a-first", 2),))
        assert made.numbers["waiting_for_other_configs"] == 2


class TestTogether:
    def plans(self, waiting: tuple[WaitingSession, ...], servers: tuple[ServerView, ...] = ()) -> list[Plan]:
        """The plans of three configs of one pool, with 1, 3 and 2 slots of 2 sessions."""
        slots = {"alpha": 1, "beta": 3, "gamma": 2}
        configs: list[ServerAutoscale] = [
            desks(name=name, max_instances=count, max_sessions_per_server=2) for name, count in slots.items()
        ]
        return [
            plan(
                snapshot(
                    config,
                    servers,
                    waiting,
                    siblings=tuple(
                        sibling(other.name, slots[other.name], room_per_server=2)
                        for other in configs
                        if other is not config
                    ),
                ),
                NOW,
            )
            for config in configs
        ]

    def test_every_session_is_served_by_exactly_one(self) -> None:
        for count in range(15):
            plans = self.plans(queue(count))
            assert sum(int(str(one.numbers["waiting_for_new"])) for one in plans) == min(count, 12)
            assert sum(int(str(one.numbers["created"])) for one in plans) == -(-min(count, 12) // 2)
