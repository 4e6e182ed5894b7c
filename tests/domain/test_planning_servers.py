"""How a server pool grows: room, demand, standby, caps and places."""

import re
from typing import Any

import pytest

from poolwright.domain.autoscale import Connection, ConnectionType
from poolwright.domain.planning import plan
from poolwright.domain.scaling import ActionKind, DrainReason
from poolwright.domain.states import COMING, ServerState
from tests.domain.pools import (
    NOW,
    agents,
    app,
    cloud,
    coming,
    decide,
    desk,
    desks,
    kinds,
    later,
    of_kind,
    queue,
    snapshot,
    targets,
    text,
    waits,
)

RDP = Connection(type=ConnectionType.RDP)


class TestStandby:
    def test_room_is_made_until_the_minimum_is_available(self) -> None:
        assert kinds(decide(desks(minimum_available_sessions=3))) == {"create": 3}

    def test_a_server_gives_room_for_all_its_sessions(self) -> None:
        config = desks(minimum_available_sessions=5, max_sessions_per_server=2)
        assert kinds(decide(config)) == {"create": 3}

    @pytest.mark.parametrize(
        ("connection", "per_server"),
        [
            (RDP, 2),
            (Connection(type=ConnectionType.SSH), 2),
            (Connection(), 5),
            (Connection(type=ConnectionType.VNC), 5),
        ],
    )
    def test_room_per_server_is_the_lower_of_sessions_and_users(self, connection: Connection, per_server: int) -> None:
        config = desks(
            minimum_available_sessions=10,
            max_sessions_per_server=5,
            max_users_per_server=2,
            connection=connection,
        )
        assert kinds(decide(config)) == {"create": 10 // per_server}

    def test_room_left_is_the_lower_of_sessions_left_and_users_left(self) -> None:
        crowded = desk(1, "bob", "eve", max_sessions=10, max_users=3, counts_users=True)
        made = decide(desks(minimum_available_sessions=1), [crowded])
        assert made.numbers["ready_sessions"] == 1
        assert made.actions == ()

    def test_busy_servers_do_not_count_as_available(self) -> None:
        assert kinds(decide(desks(minimum_available_sessions=1), [desk(1, "bob")])) == {"create": 1}

    @pytest.mark.parametrize("state", sorted(COMING))
    def test_servers_on_the_way_count_in_full(self, state: ServerState) -> None:
        made = decide(desks(minimum_available_sessions=2), [coming(desk(1), state), desk(2)])
        assert made.actions == ()
        assert (made.numbers["ready_sessions"], made.numbers["coming_sessions"]) == (1, 1)
        assert made.reasons == (
            "Ready: room for 1 session; on the way: room for 1 session; wanted: room for 2 sessions. Nothing to do.",
        )

    @pytest.mark.parametrize("state", [ServerState.DRAINING, ServerState.FAILED, ServerState.DELETING])
    def test_servers_on_the_way_out_are_no_room(self, state: ServerState) -> None:
        assert kinds(decide(desks(minimum_available_sessions=1), [desk(1, state=state)])) == {"create": 1}

    def test_standby_is_this_configs_own(self) -> None:
        others = [desk(1, autoscale=None), desk(2, autoscale="lean")]
        assert kinds(decide(desks(minimum_available_sessions=1), others)) == {"create": 1}

    def test_enough_room_means_nothing_to_do_and_says_so(self) -> None:
        made = decide(desks(minimum_available_sessions=2), [desk(1), desk(2)])
        assert made.actions == ()
        assert made.reasons == ("Ready: room for 2 sessions; wanted: room for 2 sessions. Nothing to do.",)

    def test_no_standby_and_nobody_waiting_means_no_servers(self) -> None:
        assert decide(desks()).reasons == ("Ready: room for 0 sessions; wanted: room for 0 sessions. Nothing to do.",)

    def test_a_single_use_server_that_was_used_is_no_room(self) -> None:
        used = desk(1, "bob", max_sessions=5, reusable=False, served=2)
        made = decide(desks(minimum_available_sessions=1, reusable=False), [used])
        assert made.numbers["ready_sessions"] == 0
        assert kinds(made) == {"create": 1}


class TestWaitingSessions:
    def test_each_gets_room_beside_the_standby(self) -> None:
        made = decide(desks(minimum_available_sessions=2), (), queue(3))
        assert kinds(made) == {"create": 5}
        assert made.numbers["waiting_for_new"] == 3

    def test_servers_are_filled_up_rather_than_multiplied(self) -> None:
        assert kinds(decide(desks(max_sessions_per_server=4), (), queue(10))) == {"create": 3}

    def test_what_is_free_serves_them_first(self) -> None:
        made = decide(desks(), [desk(1)], [waits()])
        assert made.actions == ()
        assert text(made) == "1 waiting session fits on servers that run."

    def test_what_is_on_the_way_serves_them_next(self) -> None:
        made = decide(desks(), [coming(desk(1))], [waits()])
        assert made.actions == ()
        assert text(made) == "1 waiting session will be served by servers that are on the way."

    def test_room_that_they_will_take_is_no_standby(self) -> None:
        made = decide(desks(minimum_available_sessions=1), [coming(desk(1))], [waits()])
        assert kinds(made) == {"create": 1}
        assert made.numbers["coming_sessions"] == 0

    def test_static_servers_serve_them_too(self) -> None:
        assert decide(desks(), [desk(1, autoscale=None)], [waits()]).actions == ()

    def test_who_has_a_desktop_on_the_only_server_gets_another(self) -> None:
        config = desks(max_sessions_per_server=4)
        assert kinds(decide(config, [desk(1, "ann", max_sessions=4)], [waits("ann")])) == {"create": 1}
        assert decide(config, [desk(1, "ann", max_sessions=4)], [app("ann")]).actions == ()

    def test_two_desktops_of_one_person_need_two_servers(self) -> None:
        wanted = [waits("ann", id="n1"), waits("ann", id="n2")]
        assert kinds(decide(desks(max_sessions_per_server=4), (), wanted)) == {"create": 2}

    def test_many_apps_of_few_people_share_a_server(self) -> None:
        config = desks(max_sessions_per_server=20, max_users_per_server=2, connection=RDP)
        wanted = [app(user, id=f"{user}{n}") for user in ("ann", "bob") for n in range(10)]
        assert kinds(decide(config, (), wanted)) == {"create": 1}

    def test_people_come_before_standby_when_slots_are_short(self) -> None:
        made = decide(desks(minimum_available_sessions=5), (), queue(3), providers=(cloud(4),))
        reasons = [action.reason for action in made.actions]
        assert reasons[:3] == ["3 waiting sessions find no room on what there is."] * 3
        assert reasons[3].startswith("Ready: room for 0 sessions")
        assert "4 more servers are wanted to be ready and cannot be made" in text(made)


class TestAggressiveScaling:
    def test_each_waiting_person_gets_a_server(self) -> None:
        config = desks(max_sessions_per_server=10, aggressive=True)
        assert kinds(decide(config, (), queue(4))) == {"create": 4}

    def test_a_server_on_the_way_is_there_for_one_of_them(self) -> None:
        config = desks(max_sessions_per_server=10, aggressive=True)
        on_the_way = [coming(desk(n, max_sessions=10)) for n in range(3)]
        made = decide(config, on_the_way, queue(4))
        assert kinds(made) == {"create": 1}
        assert made.numbers["waiting_for_coming"] == 3

    def test_room_on_running_servers_is_filled_all_the_same(self) -> None:
        config = desks(max_sessions_per_server=10, aggressive=True)
        assert decide(config, [desk(1, max_sessions=10)], queue(4)).actions == ()

    def test_the_room_beside_them_is_standby(self) -> None:
        config = desks(max_sessions_per_server=10, aggressive=True, minimum_available_sessions=30)
        assert kinds(decide(config, (), queue(4))) == {"create": 4}

    def test_no_cap_is_passed(self) -> None:
        config = desks(aggressive=True, max_instances=3)
        made = decide(config, (), queue(10))
        assert kinds(made) == {"create": 3}
        assert "7 waiting sessions stay without room: the cap of this autoscale config is 3 and 0 are in use." in text(
            made
        )


class TestCaps:
    def test_the_provider_configs_cap_holds_whatever_the_demand(self) -> None:
        made = decide(desks(), (), queue(50), providers=(cloud(10, in_use=8),))
        assert kinds(made) == {"create": 2}
        assert "48 waiting sessions stay without room: the cap of 'cloud' is 10 and 8 are in use." in text(made)

    def test_the_configs_own_cap_counts_every_server_that_is_not_deleted(self) -> None:
        servers = [
            desk(1, "bob"),
            coming(desk(2)),
            desk(3, state=ServerState.DRAINING),
            desk(4, state=ServerState.FAILED),
            desk(5, state=ServerState.DELETING),
        ]
        made = decide(desks(max_instances=6), servers, queue(5))
        assert made.numbers["cap_left"] == 1
        assert kinds(made) == {"create": 1}

    def test_static_servers_are_no_part_of_a_cap(self) -> None:
        static = [desk(n, "bob", autoscale=None) for n in range(5)]
        assert kinds(decide(desks(max_instances=2), static, queue(9))) == {"create": 2}

    def test_the_ceiling_holds_too(self) -> None:
        assert kinds(decide(desks(total_ceiling=2, minimum_available_sessions=9))) == {"create": 2}

    def test_an_overfull_provider_config_makes_none(self) -> None:
        made = decide(desks(minimum_available_sessions=1), providers=(cloud(3, in_use=7),))
        assert made.actions == ()
        assert made.numbers["cap_left"] == 0

    def test_the_floor_is_kept_without_any_demand(self) -> None:
        made = decide(desks(total_floor=3), [desk(1, "bob"), coming(desk(2))])
        assert kinds(made) == {"create": 1}
        assert "At least 3 servers in all are wanted." in text(made)

    def test_servers_made_for_standby_count_towards_the_floor(self) -> None:
        assert kinds(decide(desks(total_floor=3, minimum_available_sessions=2))) == {"create": 3}

    def test_servers_on_the_way_out_do_not_count_towards_the_floor(self) -> None:
        servers = [desk(1, state=ServerState.DRAINING), desk(2, state=ServerState.FAILED)]
        assert kinds(decide(desks(total_floor=2), servers)) == {"create": 2}


class TestPlaces:
    def places(self, *caps: Any) -> list[tuple[str | None, str | None]]:
        made = decide(desks(minimum_available_sessions=3), providers=caps)
        return [(action.vm_provider, action.place) for action in of_kind(made, ActionKind.CREATE)]

    def test_the_first_place_is_used(self) -> None:
        assert self.places(cloud(places=("a", "b"))) == [("cloud", "a")] * 3

    def test_a_place_without_capacity_is_passed_over(self) -> None:
        assert self.places(cloud(places=("a", "b"), unavailable_until={"a": later(60)})) == [("cloud", "b")] * 3

    def test_a_place_is_tried_again_when_its_memory_ends(self) -> None:
        assert self.places(cloud(places=("a", "b"), unavailable_until={"a": later(0)})) == [("cloud", "a")] * 3

    def test_fallback_provider_configs_come_in_order(self) -> None:
        spare = cloud(vm_provider="spare", places=("x",))
        assert self.places(cloud(1), spare) == [("cloud", None), ("spare", "x"), ("spare", "x")]

    def test_a_provider_config_without_capacity_is_passed_over(self) -> None:
        spare = cloud(vm_provider="spare")
        assert self.places(cloud(unavailable_until={"": later(60)}), spare) == [("spare", None)] * 3
        every_place = {"a": later(60), "b": later(60)}
        assert self.places(cloud(places=("a", "b"), unavailable_until=every_place), spare) == [("spare", None)] * 3

    def test_without_capacity_anywhere_it_says_when_it_goes_on(self) -> None:
        made = decide(desks(), (), [waits()], providers=(cloud(unavailable_until={"": later(60)}),))
        assert made.actions == ()
        assert text(made) == (
            "1 waiting session stays without room: "
            "'cloud' had no capacity and is tried again at 2026-03-02 12:01:00 UTC."
        )
        assert made.next_decision_at == later(60)

    def test_a_cap_is_named_as_such_although_another_place_had_no_capacity(self) -> None:
        for places, closed in ((("a", "b"), "a"), ((), "a place of before")):
            spare = cloud(3, places=places, unavailable_until={closed: later(60)})
            made = decide(desks(minimum_available_sessions=4), providers=(spare,))
            assert "1 more server is wanted to be ready and cannot be made: the cap of 'cloud' is 3" in text(made)

    def test_places_open_no_earlier_than_their_provider_config(self) -> None:
        for places in ({"a": later(60)}, {"a": later(60), "b": later(90)}):
            closed = cloud(places=("a", "b"), unavailable_until={**places, "": later(600)})
            made = decide(desks(), (), [waits()], providers=(closed,))
            assert "is tried again at 2026-03-02 12:10:00 UTC" in text(made)


class TestTakingBack:
    def test_a_server_drained_as_too_many_is_taken_back_before_one_is_made(self) -> None:
        drained = desk(1, state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)
        made = decide(desks(minimum_available_sessions=2), [drained])
        assert targets(made, ActionKind.UNDRAIN) == ["s0001"]
        assert kinds(made) == {"undrain": 1, "create": 1}

    def test_it_serves_those_who_wait(self) -> None:
        drained = desk(1, state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)
        made = decide(desks(), [drained], [waits()])
        assert kinds(made) == {"undrain": 1}
        assert made.numbers["waiting_for_undrained"] == 1

    def test_it_needs_no_free_slot(self) -> None:
        drained = desk(1, state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)
        assert kinds(decide(desks(max_instances=1), [drained], [waits()])) == {"undrain": 1}

    @pytest.mark.parametrize("reason", [None, *(reason for reason in DrainReason if reason != DrainReason.SCALE_DOWN)])
    def test_what_was_drained_for_another_reason_stays_drained(self, reason: DrainReason | None) -> None:
        drained = desk(1, state=ServerState.DRAINING, drain_reason=reason)
        assert kinds(decide(desks(), [drained], [waits()])) == {"create": 1}

    @pytest.mark.parametrize(
        "fault",
        [{"rollout": True}, {"reusable": False, "served": 1}, {"state": ServerState.DELETING}, {"autoscale": "gone"}],
    )
    def test_what_has_another_fault_by_now_stays_drained(self, fault: dict[str, Any]) -> None:
        drained = desk(1, **({"state": ServerState.DRAINING, "drain_reason": DrainReason.SCALE_DOWN} | fault))
        assert kinds(decide(desks(), [drained], [waits()])) == {"create": 1}

    def test_no_more_than_needed_are_taken_back_the_roomiest_first(self) -> None:
        def drained(number: int, *users: str) -> Any:
            return desk(number, *users, max_sessions=3, state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)

        made = decide(desks(minimum_available_sessions=3), [drained(1, "bob"), drained(2), drained(3, "eve")])
        assert targets(made, ActionKind.UNDRAIN) == ["s0002"]

    def test_not_above_the_ceiling(self) -> None:
        drained = desk(1, state=ServerState.DRAINING, drain_reason=DrainReason.SCALE_DOWN)
        made = decide(desks(total_ceiling=1, minimum_available_sessions=1), [drained, desk(2, "bob")])
        assert made.actions == ()


class TestEveryDecision:
    def test_a_snapshot_always_gives_the_same_plan(self) -> None:
        given = desks(minimum_available_sessions=2, max_sessions_per_server=2)
        servers = [desk(n, "bob", max_sessions=2) for n in range(4)]
        assert decide(given, servers, queue(9)) == decide(given, servers, queue(9))

    def test_the_order_of_the_servers_does_not_matter(self) -> None:
        servers = [desk(n, max_sessions=n + 1, created_at=later(-n)) for n in range(6)]
        made = decide(desks(minimum_available_sessions=9), servers)
        assert decide(desks(minimum_available_sessions=9), list(reversed(servers))) == made

    def test_observe_mode_plans_as_usual_and_says_that_it_only_looks(self) -> None:
        made = decide(desks(observe=True, minimum_available_sessions=1))
        assert kinds(made) == {"create": 1}
        assert made.reasons[0] == "Only observed: this is what would be done, and none of it is."

    def test_a_paused_config_does_nothing_and_says_why(self) -> None:
        made = decide(
            desks(minimum_available_sessions=5), [desk(1, reusable=False, served=1)], queue(2), paused="moving racks"
        )
        assert made.actions == ()
        assert made.reasons == (
            "Paused by an operator: moving racks. Nothing is created or removed until it is resumed.",
            "2 waiting sessions get only room that is there or that other configs make.",
        )

    def test_the_same_situation_is_put_in_the_same_words_later(self) -> None:
        seen = snapshot(desks(minimum_available_sessions=1), [desk(1)])
        assert plan(seen, NOW).reasons == plan(seen, later(3600)).reasons

    def test_numbers_are_flat_and_complete(self) -> None:
        numbers = decide(desks(minimum_available_sessions=2), [desk(1, "bob")], queue(3)).numbers
        assert all(isinstance(value, bool | int | float | str | None) for value in numbers.values())
        waiting = [
            numbers[f"waiting_{name}"]
            for name in ("for_ready", "for_coming", "for_undrained", "for_new", "for_other_configs", "unserved")
        ]
        assert sum(value for value in waiting if isinstance(value, int)) == numbers["waiting_sessions"] == 3

    def test_every_number_is_described(self) -> None:
        described = plan.__doc__ or ""
        for made in (decide(desks()), decide(agents())):
            for name in made.numbers:
                family = re.sub(r"^(ready|coming)_(memory_mib|gpus)$", r"\1_cores", name)
                family = "servers_draining" if family in {"servers_failed", "servers_deleting"} else family
                assert f"`{family}`" in described
