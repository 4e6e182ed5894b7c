"""Records that outlived their servers are found wherever they are, and deleted as the sweep's rule says."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from activities.swept_things import Thing, computer_records
from poolwright.directory.active_directory import ComputerDirectory
from poolwright.directory.errors import HasChildren, PermissionDenied
from poolwright.domain.identities import OwnerMark
from poolwright.domain.resources import SweepMode, SweepSettings
from poolwright.domain.sweep import SweepPlan, orphans
from tests.directory.conftest import CONTROLLER, Site
from tests.servers.samba import BASE_DN

pytestmark = pytest.mark.slow

SEEN_AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
LATER = SEEN_AT + timedelta(hours=2)
DELETE = SweepSettings(mode=SweepMode.DELETE, grace_seconds=3600, cap=3)


def things(directory: ComputerDirectory, marks: Sequence[OwnerMark], *, recursive: bool = True) -> Sequence[Thing]:
    found = computer_records(directory, BASE_DN, recursive, SEEN_AT)
    return [thing for thing in found if thing.owned.mark in marks]


def planned(found: Sequence[Thing], live: set[str], settings: SweepSettings = DELETE) -> SweepPlan:
    return orphans([thing.owned for thing in found], live, CONTROLLER, settings, LATER)


def carry_out(plan: SweepPlan, found: Sequence[Thing]) -> None:
    by_key = {thing.owned.key: thing for thing in found}
    for verdict in plan.delete:
        assert by_key[verdict.owned.key].delete()


@pytest.fixture
def marks(
    site: Site, directory: ComputerDirectory, new_mark: Callable[[], OwnerMark], hostname: str
) -> Iterator[Sequence[OwnerMark]]:
    """Marks of four records, each with an object below it, one of them moved to another OU. None is left behind."""
    marks = [new_mark() for _ in range(4)]
    for number, mark in enumerate(marks):
        record = directory.create_or_reset(mark, f"{hostname}-{number}", site.ou)
        site.administrator.add_child(record.dn, "SCP")
        if number == 3:
            site.administrator.move(record.dn, site.difficult_ou)
    yield marks
    for mark in marks:
        directory.delete(mark, None, recursive=True)


class TestSweeping:
    def test_orphans_go_up_to_the_cap_and_the_living_stay(
        self, directory: ComputerDirectory, marks: Sequence[OwnerMark]
    ) -> None:
        living = marks[1]
        found = things(directory, marks)
        assert len(found) == 4
        carry_out(planned(found, {living.server_id}), found)
        assert [thing.owned.mark for thing in things(directory, marks)] == [living]

    def test_a_report_deletes_nothing_and_names_each(
        self, directory: ComputerDirectory, marks: Sequence[OwnerMark]
    ) -> None:
        found = things(directory, marks)
        plan = planned(found, set(), DELETE.model_copy(update={"mode": SweepMode.REPORT}))
        assert plan.delete == ()
        for thing in found:
            assert sum(f"The computer record {thing.owned.name} of" in one.sentence for one in plan.kept) == 1

    def test_what_is_gone_meanwhile_is_no_failure(
        self, directory: ComputerDirectory, marks: Sequence[OwnerMark]
    ) -> None:
        found = things(directory, marks)
        for _ in range(2):
            carry_out(planned(found, set()), found)

    def test_objects_below_go_only_where_the_configuration_says_so(
        self, directory: ComputerDirectory, marks: Sequence[OwnerMark]
    ) -> None:
        with pytest.raises(HasChildren):
            things(directory, marks, recursive=False)[0].delete()
        assert len(things(directory, marks)) == 4

    def test_one_that_may_not_be_deleted_says_so(
        self, site: Site, directory: ComputerDirectory, mark: OwnerMark, hostname: str
    ) -> None:
        site.administrator.add_computer(f"{hostname}-X".upper(), site.other_ou, description=mark.text())
        (forbidden,) = things(directory, [mark])
        with pytest.raises(PermissionDenied, match="insufficientAccessRights"):
            forbidden.delete()
