"""What decisions leave behind: what was decided, servers, failures, rollouts."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete

from poolwright.domain.planning import plan
from poolwright.domain.scaling import Action, ActionKind, DrainReason, Plan
from poolwright.domain.states import ServerState
from poolwright.store import ledger, scaling
from poolwright.store.engine import Store
from poolwright.store.servers import get_server, history, list_servers, lock_pool, lock_server, transition
from poolwright.store.tables import DecisionRow, PlaceMemoryRow, ScalingRow, ServerRow
from tests.installations import save
from tests.store.scenes import NOW, PROVIDER, at_once, move, request, reserve, running, server_pool, snapshot

MINUTE = timedelta(minutes=1)


def decision(at: datetime = NOW, creations: int = 0, **numbers: int) -> Plan:
    """A plan with these figures."""
    create = Action(kind=ActionKind.CREATE, vm_provider="sim", place="east", reason="1 person waits.")
    return Plan(at=at, numbers=numbers, actions=(create,) * creations, reasons=("a reason",))


def record(store: Store, planned: Plan) -> scaling.Recorded:
    with store.write() as tx:
        ledger.lock_caps(tx, scaling.load_autoscale(tx, "demo"))
        return scaling.record_plan(tx, scaling.take_snapshot(tx, "demo", planned.at), planned)


def decisions(store: Store) -> Sequence[scaling.Decision]:
    with store.read() as tx:
        return scaling.list_decisions(tx, "demo")


def all_ids(store: Store) -> list[str]:
    with store.read() as tx:
        return [server.id for server in list_servers(tx)]


class TestRecording:
    def test_creations_are_reserved_with_their_reason_and_place(self, store: Store) -> None:
        server_pool(store)
        recorded = record(store, decision(creations=2))
        assert len(recorded.reserved) == 2
        with store.read() as tx:
            for server_id in recorded.reserved:
                server = get_server(tx, server_id)
                assert (server.message, server.place) == ("1 person waits.", "east")
                assert server.decision_id == recorded.decision_id
                assert history(tx, server_id)[0].reason == "1 person waits."
            assert set(scaling.requested_servers(tx, "demo")) == set(recorded.reserved)

    def test_no_more_than_the_cap(self, store: Store) -> None:
        server_pool(store, cap=2)
        assert len(record(store, decision(creations=5)).reserved) == 2

    def test_whoever_observes_reserves_nothing(self, store: Store) -> None:
        server_pool(store, observe=True)
        recorded = record(store, decision(creations=2))
        assert (recorded.reserved, recorded.paused, all_ids(store)) == ((), None, [])
        assert decisions(store)[0].plan.actions

    def test_whoever_is_paused_reserves_nothing_until_it_goes_on(self, store: Store) -> None:
        server_pool(store)
        with store.write() as tx:
            scaling.set_paused(tx, "demo", "maintenance")
            assert scaling.take_snapshot(tx, "demo", NOW).paused == "maintenance"
        recorded = record(store, decision(creations=2))
        assert (recorded.reserved, recorded.paused, all_ids(store)) == ((), "maintenance", [])
        with store.write() as tx:
            scaling.set_paused(tx, "demo", None)
            assert scaling.paused_because(tx, "demo") is None
        assert len(record(store, decision(creations=2)).reserved) == 2

    def test_the_same_again_only_renews_its_time(self, store: Store) -> None:
        server_pool(store)
        first = record(store, decision(NOW, waiting=0))
        assert record(store, decision(NOW + MINUTE, waiting=0)).decision_id == first.decision_id
        (kept,) = decisions(store)
        assert (kept.at, kept.confirmed_at) == (NOW, NOW + MINUTE)

    @pytest.mark.parametrize(
        "other", [decision(NOW + MINUTE, waiting=1), decision(NOW + MINUTE, waiting=0, creations=1)]
    )
    def test_anything_else_is_a_new_one(self, store: Store, other: Plan) -> None:
        server_pool(store)
        record(store, decision(NOW, waiting=0))
        assert record(store, other).decision_id == "demo-2"
        assert [one.id for one in decisions(store)] == ["demo-2", "demo-1"]

    def test_two_in_one_transaction_are_two(self, store: Store) -> None:
        server_pool(store)
        with store.write() as tx:
            taken = scaling.take_snapshot(tx, "demo", NOW)
            for number in range(2):
                scaling.record_plan(tx, taken, decision(NOW + number * MINUTE, waiting=number))
        assert [one.id for one in decisions(store)] == ["demo-2", "demo-1"]

    def test_one_may_be_recorded_after_the_transaction_that_looked(self, store: Store) -> None:
        server_pool(store)
        first = record(store, decision(NOW, waiting=0))
        taken = snapshot(store)
        with store.write() as tx:
            assert scaling.record_plan(tx, taken, decision(NOW + MINUTE, waiting=0)).decision_id == first.decision_id

    def test_two_that_create_are_two_even_if_they_say_the_same(self, store: Store) -> None:
        server_pool(store)
        record(store, decision(creations=1))
        record(store, decision(creations=1))
        assert len(all_ids(store)) == 2

    def test_what_the_plan_remembers_is_in_the_next_snapshot(self, store: Store) -> None:
        server_pool(store)
        with store.write() as tx:
            scaling.note_failure(tx, "demo", "the script failed", NOW)
        before = snapshot(store)
        planned = decision().model_copy(update={"failures": before.failures, "downscale_wanted_since": NOW})
        record(store, planned)
        after = snapshot(store)
        assert (after.failures, after.downscale_wanted_since) == (before.failures, NOW)

    def test_a_real_round_follows_its_own_plan(self, store: Store) -> None:
        server_pool(store, minimum_available_sessions=3)
        request(store)
        taken = snapshot(store)
        recorded = record(store, plan(taken, NOW))
        assert len(recorded.reserved) == 4
        with store.read() as tx:
            (latest,) = scaling.latest_decisions(tx, "demo")
        assert latest.plan == plan(taken, NOW)
        assert not record(store, plan(snapshot(store, at=NOW + MINUTE), NOW + MINUTE)).reserved

    def test_a_config_that_is_made_anew_under_its_old_name_counts_on(self, store: Store) -> None:
        server_pool(store)
        for server_id in record(store, decision(creations=2)).reserved:
            move(store, server_id, ServerState.DELETED)
        self.forget_decisions_and_config(store)
        assert [record(store, decision(creations=1)).decision_id for _ in range(10)][-1] == "demo-11"
        assert len(all_ids(store)) == 10
        with store.write() as tx:
            tx.execute(delete(ScalingRow))
        assert record(store, decision(waiting=1)).decision_id == "demo-12"

    @staticmethod
    def forget_decisions_and_config(store: Store) -> None:
        """As after a deletion two weeks ago: only the rows of its servers are left."""
        with store.write() as tx:
            tx.execute(delete(DecisionRow))
            tx.execute(delete(ScalingRow))

    def test_what_two_remember_first_at_once_is_kept(self, store: Store) -> None:
        server_pool(store)

        def pause() -> None:
            with store.write() as tx:
                scaling.set_paused(tx, "demo", "maintenance")

        with ThreadPoolExecutor(1) as operator:
            with store.write() as tx:
                scaling.note_failure(tx, "demo", "the script failed", NOW)
                paused = operator.submit(pause)
                wait([paused], timeout=0.3)
            paused.result(timeout=30)
        found = snapshot(store)
        assert (found.paused, found.failures.reasons) == ("maintenance", ("the script failed",))

    def test_rounds_at_once_make_what_one_would(self, store: Store) -> None:
        server_pool(store, minimum_available_sessions=3)

        def decide(number: int) -> int:
            at = NOW + number * MINUTE
            with store.write() as tx:
                ledger.lock_caps(tx, scaling.load_autoscale(tx, "demo"))
                taken = scaling.take_snapshot(tx, "demo", at)
                return len(scaling.record_plan(tx, taken, plan(taken, at)).reserved)

        assert sum(at_once(6, decide)) == 3


class TestDecisions:
    def test_the_one_in_force_at_a_time(self, store: Store) -> None:
        server_pool(store)
        for number in range(3):
            record(store, decision(NOW + number * MINUTE, waiting=number))
        with store.read() as tx:
            assert scaling.latest_decisions(tx, "demo", NOW - MINUTE) == []
            assert scaling.latest_decisions(tx, "demo", NOW + 1.5 * MINUTE)[0].id == "demo-2"
            assert scaling.latest_decisions(tx, "demo")[0].id == "demo-3"
            assert scaling.latest_decisions(tx, "elsewhere") == []

    def test_of_one_moment_the_last(self, store: Store) -> None:
        server_pool(store)
        for number in range(11):
            record(store, decision(waiting=number))
        with store.read() as tx:
            assert scaling.latest_decisions(tx, "demo")[0].id == "demo-11"
            assert [one.id for one in scaling.list_decisions(tx, "demo", 3)] == ["demo-11", "demo-10", "demo-9"]

    def test_old_ones_and_memories_that_are_over_are_forgotten(self, store: Store) -> None:
        server_pool(store)
        record(store, decision(NOW, waiting=0))
        record(store, decision(NOW + MINUTE, waiting=1))
        record(store, decision(NOW + 2 * MINUTE, waiting=1))
        with store.write() as tx:
            scaling.note_unavailable(tx, "sim", "east", NOW, "no hosts left")
        record(store, decision(NOW + 1.5 * MINUTE + scaling.DECISIONS_KEPT, waiting=2))
        assert sorted(one.id for one in decisions(store)) == ["demo-2", "demo-3"]
        with store.read() as tx:
            assert tx.get(PlaceMemoryRow, ("sim", "east")) is None


class TestFailures:
    def test_they_are_kept_with_their_reasons(self, store: Store) -> None:
        server_pool(store)
        with store.write() as tx:
            scaling.note_failure(tx, "demo", "first", NOW)
            scaling.note_failure(tx, "demo", "second", NOW + MINUTE)
        record_now = snapshot(store).failures
        assert (record_now.failed_at, record_now.reasons) == ((NOW, NOW + MINUTE), ("first", "second"))

    def test_one_that_ended_well_succeeded_when_it_became_ready(self, store: Store) -> None:
        server_pool(store)
        with store.write() as tx:
            scaling.note_failure(tx, "demo", "first", NOW)
            scaling.note_success(tx, "demo", NOW + 2 * MINUTE)
            scaling.note_success(tx, "demo", NOW + MINUTE)
        found = snapshot(store).failures
        assert (found.failed_at, found.last_success_at) == ((NOW,), NOW + 2 * MINUTE)

    def test_one_that_runs_is_a_success_once_it_has_run_for_a_while(self, store: Store) -> None:
        server_pool(store, failure={"success_after_seconds": 300})
        with store.write() as tx:
            scaling.note_failure(tx, "demo", "first", NOW - MINUTE)
        (server,) = running(store)
        assert server.running_at is not None
        with store.read() as tx:
            found = [
                scaling.take_snapshot(tx, "demo", server.running_at + minutes * MINUTE).failures for minutes in (4, 5)
            ]
        assert [one.last_success_at for one in found] == [None, server.running_at]

    def test_one_that_drains_for_an_error_is_none_however_long_people_stay_on_it(self, store: Store) -> None:
        server_pool(store, failure={"success_after_seconds": 300})
        with store.write() as tx:
            scaling.note_failure(tx, "demo", "first", NOW - MINUTE)
        (server,) = running(store)
        request(store)
        with store.write() as tx:
            row = lock_server(tx, server.id)
            transition(tx, row, ServerState.DRAINING, "the server reported an error: no desktop", NOW + MINUTE)
            row.drain_reason = DrainReason.ERROR
        assert snapshot(store, at=NOW + 60 * MINUTE).failures.last_success_at is None

    def test_an_operator_may_forgive_them(self, store: Store) -> None:
        server_pool(store)
        with store.write() as tx:
            scaling.note_failure(tx, "demo", "first", NOW)
            scaling.forgive_failures(tx, "demo")
        assert snapshot(store).failures.failed_at == ()

    def test_as_many_are_kept_as_the_budget_needs_to_be_used_up(self, store: Store) -> None:
        server_pool(store, failure={"budget": 60})
        with store.write() as tx:
            for number in range(60):
                scaling.note_failure(tx, "demo", f"failure {number}", NOW - timedelta(seconds=60 - number))
        assert plan(snapshot(store), NOW).failures.paused_until is not None

    def test_only_the_newest_are_kept(self, store: Store) -> None:
        server_pool(store)
        with store.write() as tx:
            for number in range(60):
                scaling.note_failure(tx, "demo", f"failure {number}", NOW + number * MINUTE)
        kept = snapshot(store).failures
        assert (len(kept.failed_at), len(kept.reasons), kept.reasons[-1]) == (50, 50, "failure 59")

    def test_none_is_lost_among_many_at_once(self, store: Store) -> None:
        server_pool(store)
        with store.write() as tx:
            scaling.note_success(tx, "demo", NOW)

        def fail(number: int) -> None:
            with store.write() as tx:
                scaling.note_failure(tx, "demo", f"failure {number}", NOW)

        at_once(8, fail)
        assert len(snapshot(store).failures.failed_at) == 8

    def test_one_that_comes_while_a_round_decides_is_not_overwritten(self, store: Store) -> None:
        server_pool(store)
        record(store, decision(waiting=0))

        def decide_or_fail(number: int) -> None:
            if number % 2:
                with store.write() as tx:
                    scaling.note_failure(tx, "demo", f"failure {number}", NOW)
                return
            with store.write() as tx:
                ledger.lock_caps(tx, scaling.load_autoscale(tx, "demo"))
                taken = scaling.take_snapshot(tx, "demo", NOW)
                scaling.record_plan(tx, taken, decision().model_copy(update={"failures": taken.failures}))

        at_once(8, decide_or_fail)
        assert len(snapshot(store).failures.failed_at) == 4


class TestRollout:
    def test_older_servers_that_are_not_on_their_way_out_are_marked_once(self, store: Store) -> None:
        server_pool(store)
        old = reserve(store, count=6)
        states = (
            ServerState.REQUESTED,
            ServerState.RUNNING,
            ServerState.DRAINING,
            ServerState.FAILED,
            ServerState.DELETING,
            ServerState.DELETED,
        )
        for server_id, state in zip(old, states, strict=True):
            move(store, server_id, state)
        save(store, "vm_provider", "sim", {**PROVIDER, "max_instances": 20})
        young = reserve(store)[0]
        with store.write() as tx:
            revision = ledger.autoscale_revision(tx, scaling.load_autoscale(tx, "demo"))
            assert scaling.mark_rollout(tx, "demo", revision) == 3
            assert scaling.mark_rollout(tx, "demo", revision) == 0
        with store.read() as tx:
            marked = [server_id for server_id in (*old, young) if tx.get_one(ServerRow, server_id).rollout]
        assert marked == old[:3]
        assert {view.id for view in snapshot(store).servers if view.rollout} == set(marked)

    def test_a_server_that_fails_in_the_same_moment_is_not_in_its_way(self, store: Store) -> None:
        server_pool(store)
        (server,) = running(store)
        with store.write() as tx:
            scaling.note_success(tx, "demo", NOW)

        def fail() -> None:
            with store.write() as tx:
                lock_server(tx, server.id)
                lock_pool(tx, "demo")
                scaling.note_failure(tx, "demo", "the script failed", NOW)

        save(store, "vm_provider", "sim", {**PROVIDER, "max_instances": 20})
        with store.write() as tx, ThreadPoolExecutor(1) as other:
            revision = ledger.autoscale_revision(tx, scaling.load_autoscale(tx, "demo"))
            failing = other.submit(fail)
            wait([failing], timeout=0.3)
            assert scaling.mark_rollout(tx, "demo", revision) == 1
            tx.commit()
            failing.result(timeout=30)
