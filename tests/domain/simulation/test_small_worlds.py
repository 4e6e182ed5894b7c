"""Worlds so small that everything that happens in them can be worked out by hand."""

from datetime import time

from poolwright.domain.autoscale import Connection, ConnectionType, FailurePolicy, Rotation
from poolwright.domain.resources import Pool, PoolType, Workspace
from poolwright.domain.schedules import Schedule, ScheduleTargets
from poolwright.domain.servers import Size
from poolwright.domain.simulation import BootFailures, Conditions
from poolwright.domain.simulation.durations import Fixed
from poolwright.domain.static_servers import StaticServer
from tests.domain.simulation.worlds import (
    APP,
    BOOT,
    agents,
    asks,
    configuration,
    counts,
    desks,
    play,
    scenario,
    times,
    watched,
)


def desk_pool(**changes: object) -> tuple[Pool, ...]:
    return (Pool(name="desk", type=PoolType.SERVER, **changes),)  # type: ignore[arg-type]


class TestWaiting:
    def test_without_standby_a_person_waits_for_one_boot(self) -> None:
        outcome, happened = watched(scenario(configuration(desks())), [asks(100)])
        assert times(happened, "created") == [100]
        assert times(happened, "assigned") == [160]
        assert outcome.total.waiting.p50_seconds == outcome.total.waiting.max_seconds == 60

    def test_with_one_in_standby_nobody_waits(self) -> None:
        outcome = play(scenario(configuration(desks(minimum_available_sessions=1))), [asks(100)])
        assert (outcome.total.served_at_once, outcome.total.waiting.max_seconds) == (1, 0)

    def test_two_who_come_within_one_boot_find_a_standby_of_one_too_small(self) -> None:
        outcome = play(
            scenario(configuration(desks(minimum_available_sessions=1))), [asks(100, "ann"), asks(110, "bob")]
        )
        # The server that was made for the standby when ann took hers is ready at 160.
        assert outcome.total.served_at_once == 1
        assert outcome.total.waiting.max_seconds == 50

    def test_at_the_cap_the_second_person_waits_for_the_first_one_to_go(self) -> None:
        config = configuration(desks(reusable=True), cap=1)
        _, happened = watched(scenario(config), [asks(0, "ann", lasts=1000), asks(10, "bob")])
        assert times(happened, "assigned") == [60, 1060]
        assert counts(happened)["created"] == 1

    def test_a_server_that_is_used_once_has_to_be_deleted_and_made_again(self) -> None:
        _, happened = watched(scenario(configuration(desks(), cap=1)), [asks(0, "ann", lasts=1000), asks(10, "bob")])
        # Ann leaves at 1060, the deletion takes 30 seconds, the boot 60.
        assert times(happened, "assigned") == [60, 1150]

    def test_who_has_waited_as_long_as_the_pool_lets_them_is_refused(self) -> None:
        config = configuration(desks(), cap=1, pools=desk_pool(queue_expiry_seconds=300))
        outcome, happened = watched(scenario(config), [asks(0, "ann", lasts=5000), asks(10, "bob")])
        assert times(happened, "refused") == [310]
        assert (outcome.total.served, outcome.total.refused) == (1, 1)

    def test_the_queue_is_served_by_priority_and_then_in_order(self) -> None:
        config = configuration(desks(reusable=True), cap=1)
        demand = [asks(0, "ann"), asks(1, "bob"), asks(2, "cid"), asks(100, "dee", priority=1)]
        _, happened = watched(scenario(config), demand)
        assert [one.session for one in happened if one.what == "assigned"] == [1, 4, 2, 3]

    def test_a_pool_without_any_config_refuses_everybody(self) -> None:
        outcome = play(scenario(configuration(pools=desk_pool())), [asks(0, "ann"), asks(5, "bob")])
        assert outcome.total.refused == 2


class TestServers:
    def test_several_share_a_server_as_far_as_its_sessions_go(self) -> None:
        config = configuration(desks(max_sessions_per_server=2))
        outcome = play(scenario(config), [asks(0, "ann"), asks(1, "bob"), asks(2, "cid")])
        assert outcome.total.created == 2

    def test_an_aggressive_config_makes_one_for_each_who_waits(self) -> None:
        config = configuration(desks(max_sessions_per_server=2, aggressive=True))
        demand = [asks(0, "ann"), asks(10, "bob"), asks(20, "cid")]
        outcome = play(scenario(config), demand)
        assert outcome.total.created == 3

    def test_one_person_gets_one_desktop_on_a_server_and_their_apps_stack(self) -> None:
        config = configuration(desks(max_sessions_per_server=3, minimum_available_sessions=1, reusable=True))
        demand = [asks(100, "ann"), asks(200, "ann", kind=APP), asks(300, "ann")]
        _, happened = watched(scenario(config), demand)
        first, second, third = (one.server for one in happened if one.what == "assigned")
        assert first == second != third

    def test_users_count_on_servers_that_are_reached_by_rdp(self) -> None:
        rdp = Connection(type=ConnectionType.RDP)
        config = configuration(desks(max_sessions_per_server=5, max_users_per_server=1, connection=rdp))
        outcome = play(scenario(config), [asks(0, "ann"), asks(1, "bob")])
        assert outcome.total.created == 2

    def test_a_server_that_is_kept_for_somebody_is_given_to_them_again(self) -> None:
        config = configuration(desks(total_floor=2, reusable=True), pools=desk_pool(server_assignment_enabled=True))
        demand = [asks(100, "ann", lasts=10), asks(200, "bob", lasts=10), asks(300, "bob", lasts=10)]
        _, happened = watched(scenario(config), demand)
        ann, bob, bob_again = (one.server for one in happened if one.what == "assigned")
        assert ann == bob == bob_again
        demand = [asks(100, "ann", lasts=500), asks(200, "bob", lasts=10), asks(700, "bob", lasts=10)]
        _, happened = watched(scenario(config), demand)
        ann, bob, bob_again = (one.server for one in happened if one.what == "assigned")
        assert ann != bob == bob_again

    def test_servers_that_were_registered_by_hand_serve_and_cost_nothing(self) -> None:
        static = StaticServer(name="old-pc", pool="desk", zone="eu", address="10.0.0.9")
        config = configuration(desks(), static_servers=(static,))
        outcome, happened = watched(scenario(config), [asks(100, "ann"), asks(110, "bob")])
        assert [one.server for one in happened if one.what == "assigned"] == ["static-old-pc", "s000000001"]
        assert outcome.total.vm_hours.total == outcome.vm_providers[0].vm_hours > 0
        assert outcome.total.created == outcome.total.peak_servers == 1

    def test_one_that_was_registered_by_hand_and_is_disabled_serves_nobody(self) -> None:
        static = StaticServer(name="old-pc", pool="desk", zone="eu", address="10.0.0.9", enabled=False)
        outcome = play(scenario(configuration(desks(), static_servers=(static,))), [asks(100)])
        assert outcome.total.served_at_once == 0

    def test_containers_share_an_agent_by_their_size(self) -> None:
        workspaces = (Workspace(name="big", image="big", cores=5, memory_mib=1024),)
        config = configuration(agents(), workspaces=workspaces)
        outcome = play(scenario(config), [asks(0, "ann"), asks(1, "bob")])
        assert outcome.total.created == 2
        small = configuration(agents())
        assert play(scenario(small), [asks(0, "ann"), asks(1, "bob")]).total.created == 1

    def test_an_agent_that_was_registered_by_hand_is_filled_first(self) -> None:
        static = StaticServer(
            name="old-agent", pool="desk", zone="eu", address="10.0.0.9", size=Size(cores=2, memory_mib=8192)
        )
        config = configuration(agents(standby_cores=2), static_servers=(static,))
        _, happened = watched(scenario(config), [asks(100, "ann"), asks(110, "bob")])
        assert [one.server for one in happened if one.what == "assigned"] == ["static-old-agent", "s000000001"]


class TestShrinking:
    def test_an_idle_server_goes_when_the_wish_has_lasted_for_the_backoff(self) -> None:
        config = configuration(desks(reusable=True, downscale_backoff_seconds=200))
        _, happened = watched(scenario(config), [asks(0, "ann", lasts=1000)])
        assert times(happened, "ended") == [1060]
        assert times(happened, "draining") == [1260]
        assert times(happened, "deleted") == [1290]

    def test_a_server_stays_for_its_minimum_life(self) -> None:
        config = configuration(desks(reusable=True, minimum_life_seconds=900))
        _, happened = watched(scenario(config), [asks(0, "ann", lasts=100)])
        assert times(happened, "draining") == [960]

    def test_a_soft_age_replaces_a_server_before_it_goes(self) -> None:
        config = configuration(desks(minimum_available_sessions=1, rotation=Rotation(soft_age_seconds=1800)))
        _, happened = watched(scenario(config, hours=0.75), [])
        assert times(happened, "created") == [0, 1800]
        assert times(happened, "draining") == [1860]

    def test_a_hard_age_cuts_sessions_short(self) -> None:
        config = configuration(desks(rotation=Rotation(hard_age_seconds=1800)))
        outcome, happened = watched(scenario(config), [asks(0, "ann", lasts=5000)])
        assert times(happened, "ended") == times(happened, "deleting") == [1800]
        assert outcome.total.cut_short == 1


class TestSchedules:
    def test_the_numbers_of_a_schedule_hold_while_it_is_active(self) -> None:
        morning = Schedule(
            days=("monday",),  # type: ignore[arg-type]
            start=time(8, 30),
            end=time(9),
            timezone="UTC",
            targets=ScheduleTargets(minimum_available_sessions=3),
        )
        _, happened = watched(scenario(configuration(desks(schedules=(morning,)))), [])
        assert times(happened, "created") == [1800] * 3
        assert times(happened, "draining") == [3600] * 3

    def test_nobody_is_served_before_the_window_opens(self) -> None:
        later = Schedule(days=("monday",), start=time(8, 20), end=time(18), timezone="UTC")  # type: ignore[arg-type]
        _, happened = watched(scenario(configuration(desks(schedules=(later,)))), [asks(60)])
        assert times(happened, "created") == [1200]


class TestFailures:
    def test_a_boot_that_takes_longer_than_the_deadline_fails_at_the_deadline(self) -> None:
        policy = FailurePolicy(boot_deadline_seconds=50, budget=100)
        config = configuration(desks(failure=policy), pools=desk_pool(queue_expiry_seconds=120))
        _, happened = watched(scenario(config), [asks(0)])
        assert times(happened, "failed") == [50, 100, 150]

    def test_failures_pause_creation_and_are_kept_for_diagnosis(self) -> None:
        policy = FailurePolicy(budget=2, pause_seconds=600, keep_failed_seconds=100)
        conditions = Conditions(boot=BOOT, failures=BootFailures(share=1, after_seconds=20))
        config = configuration(desks(failure=policy))
        _, happened = watched(scenario(config, conditions=conditions), [asks(0)])
        assert times(happened, "created")[:3] == [0, 20, 640]
        assert times(happened, "deleted")[:2] == [150, 170]

    def test_a_boot_that_never_checks_in_holds_its_slot_until_the_deadline(self) -> None:
        conditions = Conditions(boot=BOOT, failures=BootFailures(share=1))
        config = configuration(desks(failure=FailurePolicy(boot_deadline_seconds=900)), cap=1)
        outcome, happened = watched(scenario(config, conditions=conditions), [asks(0)])
        assert times(happened, "failed")[0] == 900
        assert outcome.total.peak_servers == 1


class TestSharedCaps:
    def test_two_pools_on_one_provider_config_never_pass_its_cap_together(self) -> None:
        config = configuration(
            desks(minimum_available_sessions=4), desks(name="lab", pool="lab", minimum_available_sessions=4), cap=5
        )
        outcome = play(scenario(config), [])
        assert outcome.vm_providers[0].peak_servers == outcome.total.peak_servers == 5
        assert sorted(pool.figures.peak_servers for pool in outcome.pools) == [1, 4]

    def test_a_fallback_is_used_when_the_first_provider_config_is_full(self) -> None:
        config = configuration(desks(minimum_available_sessions=3, fallback_vm_providers=("reserve",)), cap=2)
        outcome = play(scenario(config), [])
        assert {one.vm_provider: one.peak_servers for one in outcome.vm_providers} == {"cloud": 2, "reserve": 1}


class TestWakes:
    def test_requests_soon_after_a_wake_share_the_next_one(self) -> None:
        conditions = Conditions(boot=BOOT, wake_pause_seconds=5)
        demand = [asks(100, "ann"), asks(101, "bob"), asks(104, "cid"), asks(120, "dee")]
        _, happened = watched(scenario(configuration(desks()), conditions=conditions), demand)
        assert times(happened, "created") == [100, 105, 105, 120]

    def test_a_slot_that_becomes_free_is_used_at_once_for_those_who_wait_and_else_at_the_next_regular_decision(
        self,
    ) -> None:
        config = configuration(desks(scaling_period_seconds=100, minimum_available_sessions=1), cap=1)
        _, happened = watched(scenario(config), [asks(100, "ann", lasts=10)])
        assert times(happened, "deleted")[0] == 140
        assert times(happened, "created")[:2] == [0, 200]
        _, happened = watched(scenario(config), [asks(100, "ann", lasts=10), asks(105, "bob")])
        assert times(happened, "created")[:2] == [0, 140]

    def test_boots_may_differ_by_provider_config(self) -> None:
        conditions = Conditions(boot=BOOT, boot_by_provider={"cloud": Fixed(seconds=5)})
        outcome = play(scenario(configuration(desks()), conditions=conditions), [asks(0)])
        assert outcome.total.waiting.max_seconds == 5
