"""Which orphans a sweep may delete, and that it says why of each thing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from poolwright.domain.identities import OwnerMark
from poolwright.domain.resources import SweepMode, SweepSettings
from poolwright.domain.sweep import Owned, Reason, SweepPlan, Verdict, orphans
from poolwright.domain.sweep_round import round_of

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
OURS = "controller-1"
DELETING = SweepSettings(mode=SweepMode.DELETE, grace_seconds=3600, cap=2)
FEW = settings(max_examples=60)


def owned(server_id: str, hours: float = 2, controller_id: str = OURS, reference: str = "") -> Owned:
    """A record that has had no server for so many hours."""
    return Owned(
        what="DNS record",
        reference=reference or f"{server_id}.vdi.example",
        mark=OwnerMark(controller_id=controller_id, server_id=server_id),
        first_seen_at=NOW - timedelta(hours=hours),
    )


def plan(*found: Owned, live: frozenset[str] = frozenset(), rules: SweepSettings = DELETING) -> SweepPlan:
    return orphans(found, live, OURS, rules, NOW)


def only(verdicts: Sequence[Verdict]) -> Verdict:
    (verdict,) = verdicts
    return verdict


class TestOneThing:
    def test_an_orphan_beyond_the_grace_period_is_deleted(self) -> None:
        verdict = only(plan(owned("a")).delete)
        assert verdict.reason is Reason.ORPHAN
        assert verdict.sentence == (
            "The DNS record a.vdi.example of server a has had no living server since 2026-05-04 10:00:00 UTC, "
            "longer than the grace period of 1 hour: it is deleted."
        )

    def test_what_has_a_living_server_is_kept(self) -> None:
        verdict = only(plan(owned("a", hours=1000), live=frozenset({"a"})).kept)
        assert verdict.reason is Reason.LIVE
        assert verdict.sentence == "The DNS record a.vdi.example of server a stays: server a lives."

    def test_a_new_orphan_is_kept_until_a_time_that_is_told(self) -> None:
        verdict = only(plan(owned("a", hours=0.5)).kept)
        assert verdict.reason is Reason.GRACE
        assert verdict.sentence == (
            "The DNS record a.vdi.example of server a has had no living server since 2026-05-04 11:30:00 UTC; "
            "the grace period of 1 hour keeps it until 2026-05-04 12:30:00 UTC."
        )

    def test_the_grace_period_ends_on_the_second(self) -> None:
        assert plan(owned("a", hours=1)).delete
        assert plan(owned("a", hours=3599 / 3600)).kept

    def test_what_seems_to_be_of_the_future_is_kept(self) -> None:
        assert only(plan(owned("a", hours=-5)).kept).reason is Reason.GRACE

    def test_another_controllers_is_left_alone(self) -> None:
        verdict = only(plan(owned("a", controller_id="controller-2")).kept)
        assert verdict.reason is Reason.FOREIGN
        assert "controller-2 owns it" in verdict.sentence


class TestRound:
    def test_the_longest_orphaned_go_first_and_the_others_wait_for_the_cap(self) -> None:
        round_ = plan(owned("a", 2), owned("b", 4), owned("c", 3))
        assert [verdict.owned.mark.server_id for verdict in round_.delete] == ["b", "c"]
        assert only(round_.kept).reason is Reason.CAP
        assert "one round deletes at most 2" in only(round_.kept).sentence

    def test_what_could_not_be_deleted_before_lets_the_others_go_first(self) -> None:
        things = [owned("a", 5), owned("b", 4), owned("c", 3)]
        round_ = orphans(things, frozenset(), OURS, DELETING, NOW, (things[0].key, things[1].key))
        assert [verdict.owned.mark.server_id for verdict in round_.delete] == ["c", "a"]
        assert only(round_.kept).owned == things[1]

    def test_however_many_cannot_be_deleted_each_of_the_others_has_its_turn(self) -> None:
        things, tried = [owned(f"s{number}", 20 - number) for number in range(9)], list[str]()
        failed: tuple[str, ...] = ()
        for _ in range(9):
            round_ = orphans(things, frozenset(), OURS, DELETING, NOW, failed)
            problems = {verdict.owned.key: "no" for verdict in round_.delete}
            tried += problems
            failed = round_of(NOW, DELETING.mode, round_, problems, failed_before=failed).failed
        assert tried == 2 * [one.key for one in things]

    def test_report_mode_says_what_it_would_delete_and_deletes_nothing(self) -> None:
        round_ = plan(*map(owned, "abc"), rules=SweepSettings(grace_seconds=3600, cap=2))
        assert not round_.delete
        assert [verdict.reason for verdict in round_.kept] == [Reason.CAP, Reason.REPORT_ONLY, Reason.REPORT_ONLY]
        assert "would be deleted" in round_.kept[-1].sentence

    def test_reporting_is_what_it_does_unless_told_otherwise(self) -> None:
        assert SweepSettings().mode is SweepMode.REPORT

    def test_two_things_of_one_server_are_two(self) -> None:
        assert len(plan(owned("a"), owned("a", reference="other.vdi.example")).delete) == 2

    def test_one_thing_that_is_listed_twice_is_one_and_as_young_as_its_younger_entry(self) -> None:
        for entries in ((owned("a", 5), owned("a", 0.5)), (owned("a", 0.5), owned("a", 5))):
            assert only(plan(*entries).kept).reason is Reason.GRACE

    def test_the_summary_counts(self) -> None:
        round_ = plan(*map(owned, "abc"), owned("d", 0.5), owned("e"), live=frozenset({"e"}))
        assert round_.summary() == "2 orphans to delete, 1 in the grace period, 1 over the cap, 1 with a living server"
        assert plan().summary() == "0 orphans to delete"

    def test_orphans_are_remembered_and_nothing_else(self) -> None:
        round_ = plan(*map(owned, "abc"), owned("d", 0.5), owned("e"), owned("f", 2, "other"), live=frozenset({"e"}))
        remembered = [owned(server_id).key for server_id in "abc"] + [owned("d").key]
        assert sorted(round_.first_seen()) == sorted(remembered)

    def test_a_time_without_a_zone_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="first_seen_at"):
            Owned(what="VM", reference="r", mark=owned("a").mark, first_seen_at=datetime(2026, 5, 4))  # noqa: DTZ001


things = st.builds(
    owned,
    st.sampled_from("abcdefgh"),
    st.sampled_from([-1, 0, 0.5, 1, 2, 3, 100]),
    st.sampled_from([OURS, OURS, OURS, "controller-2"]),
    st.sampled_from(["r1", "r2", "r3"]),
)
founds = st.lists(things, max_size=12)
lives = st.frozensets(st.sampled_from("abcdefgh"))
rule_sets = st.builds(
    SweepSettings, mode=st.sampled_from(SweepMode), grace_seconds=st.sampled_from([0, 1, 3600]), cap=st.integers(0, 10)
)


class TestAlways:
    @FEW
    @given(founds, lives, rule_sets)
    def test_each_thing_gets_one_verdict_with_a_sentence(
        self, found: list[Owned], live: frozenset[str], rules: SweepSettings
    ) -> None:
        round_ = orphans(found, live, OURS, rules, NOW)
        verdicts = [*round_.delete, *round_.kept]
        assert sorted(verdict.owned.key for verdict in verdicts) == sorted({one.key for one in found})
        assert all(verdict.owned.reference in verdict.sentence for verdict in verdicts)

    @FEW
    @given(founds, lives, rule_sets)
    def test_only_old_orphans_of_ours_are_deleted_and_never_more_than_the_cap(
        self, found: list[Owned], live: frozenset[str], rules: SweepSettings
    ) -> None:
        round_ = orphans(found, live, OURS, rules, NOW)
        assert len(round_.delete) <= (rules.cap if rules.mode is SweepMode.DELETE else 0)
        for verdict in round_.delete:
            one = verdict.owned
            assert one.mark.controller_id == OURS
            assert one.mark.server_id not in live
            assert all(
                NOW - other.first_seen_at >= timedelta(seconds=rules.grace_seconds)
                for other in found
                if other.key == one.key
            )

    @FEW
    @given(founds, lives, rule_sets, st.randoms())
    def test_the_order_of_the_listing_does_not_matter(
        self, found: list[Owned], live: frozenset[str], rules: SweepSettings, random: Random
    ) -> None:
        shuffled = list(found)
        random.shuffle(shuffled)
        assert orphans(shuffled, live, OURS, rules, NOW) == orphans(found, live, OURS, rules, NOW)

    @FEW
    @given(founds, lives, st.integers(1, 5))
    def test_rounds_with_a_memory_leave_no_orphan_and_touch_nothing_else(
        self, found: list[Owned], live: frozenset[str], cap: int
    ) -> None:
        rules = SweepSettings(mode=SweepMode.DELETE, grace_seconds=3600, cap=cap)
        there = {one.key: one for one in found}
        memory: Mapping[str, datetime] = {}
        for hour in range(len(found) + 2):
            now = NOW + timedelta(hours=hour)
            seen = [one.model_copy(update={"first_seen_at": now}).remembered(memory) for one in there.values()]
            round_ = orphans(seen, live, OURS, rules, now)
            memory = round_.first_seen()
            there = {key: one for key, one in there.items() if key not in {v.owned.key for v in round_.delete}}
        stays = {one.key for one in found if one.mark.server_id in live or one.mark.controller_id != OURS}
        assert set(there) == stays
