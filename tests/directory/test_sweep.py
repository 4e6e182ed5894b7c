"""Records that outlived their servers are found and deleted as the sweep's rule says."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from poolwright.directory.active_directory import ComputerDirectory
from poolwright.directory.records import OwnedComputer
from poolwright.directory.sweep import WHAT, as_owned, delete_orphans
from poolwright.domain.identities import OwnerMark
from poolwright.domain.sweep import Owned, SweepMode, SweepPlan, SweepRules, orphans
from tests.directory.conftest import CONTROLLER, Site

pytestmark = pytest.mark.slow

LATER = timedelta(hours=2)
DELETE = SweepRules(mode=SweepMode.DELETE, grace_seconds=3600, cap=3)


def planned(records: Sequence[OwnedComputer], live: set[str], rules: SweepRules = DELETE) -> SweepPlan:
    return orphans(as_owned(records), live, CONTROLLER, rules, datetime.now(UTC) + LATER)


@pytest.fixture
def records(
    site: Site, directory: ComputerDirectory, new_mark: Callable[[], OwnerMark], hostname: str
) -> Sequence[OwnedComputer]:
    """Four records, each with an object below it."""
    marks = [new_mark() for _ in range(4)]
    for number, mark in enumerate(marks):
        record = directory.create_or_reset(mark, f"{hostname}-{number}", site.ou)
        site.administrator.add_child(record.dn, "SCP")
    return [computer for computer in directory.list_owned([site.ou]) if computer.mark in marks]


class TestSweeping:
    def test_orphans_go_up_to_the_cap_and_the_living_stay(
        self, site: Site, directory: ComputerDirectory, records: Sequence[OwnedComputer]
    ) -> None:
        living = records[1]
        swept = delete_orphans(directory, planned(records, {living.mark.server_id}))
        assert swept.not_deleted == ()
        assert len(swept.deleted) == 3
        assert [each.dn for each in records if site.administrator.exists(each.dn)] == [living.dn]

    def test_a_report_deletes_nothing(
        self, site: Site, directory: ComputerDirectory, records: Sequence[OwnedComputer]
    ) -> None:
        swept = delete_orphans(directory, planned(records, set(), DELETE.model_copy(update={"mode": SweepMode.REPORT})))
        assert swept.deleted == ()
        assert all(site.administrator.exists(each.dn) for each in records)

    def test_the_cap_leaves_the_rest_for_the_next_round(
        self, site: Site, directory: ComputerDirectory, records: Sequence[OwnedComputer]
    ) -> None:
        for left in (1, 0):
            delete_orphans(directory, planned([each for each in records if site.administrator.exists(each.dn)], set()))
            assert sum(site.administrator.exists(each.dn) for each in records) == left

    def test_what_is_gone_meanwhile_is_no_failure(
        self, directory: ComputerDirectory, records: Sequence[OwnedComputer]
    ) -> None:
        plan = planned(records, set())
        assert delete_orphans(directory, plan) == delete_orphans(directory, plan)

    def test_one_that_cannot_be_deleted_does_not_keep_the_others(
        self,
        site: Site,
        directory: ComputerDirectory,
        mark: OwnerMark,
        hostname: str,
        records: Sequence[OwnedComputer],
    ) -> None:
        site.administrator.add_computer(f"{hostname}-X".upper(), site.other_ou, description=mark.text())
        forbidden = directory.find(mark)
        assert forbidden is not None
        swept = delete_orphans(directory, planned([forbidden, *records[:2]], set()))
        assert {each.mark for each in swept.deleted} == {each.mark for each in records[:2]}
        (kept,) = swept.not_deleted
        assert kept.owned.mark == mark
        assert "insufficientAccessRights" in kept.reason

    def test_what_is_no_computer_record_is_not_looked_at(
        self, site: Site, directory: ComputerDirectory, records: Sequence[OwnedComputer]
    ) -> None:
        others: list[Owned] = [each.model_copy(update={"what": "VM"}) for each in as_owned(records)]
        plan = orphans(others, set(), CONTROLLER, DELETE, datetime.now(UTC) + LATER)
        assert {verdict.owned.what for verdict in plan.delete} == {"VM"} != {WHAT}
        assert delete_orphans(directory, plan).deleted == ()
        assert all(site.administrator.exists(each.dn) for each in records)
