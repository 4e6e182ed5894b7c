"""What startup scripts report, and how much of it is kept."""

from datetime import timedelta

import pytest

from poolwright.domain.servers import CheckInStatus
from poolwright.store.check_ins import (
    LogLine,
    append_logs,
    latest_check_in,
    logs,
    prune_logs,
    record_check_in,
    reported_images,
)
from poolwright.store.engine import Store
from poolwright.store.servers import get_server
from tests.store.scenes import NOW, at_once, reserve, server_pool


@pytest.fixture
def server_id(store: Store) -> str:
    """A server that has not reported yet."""
    server_pool(store)
    (found,) = reserve(store)
    return found


def line(number: int) -> LogLine:
    return LogLine(at=f"second {number}", application="setup", level="INFO", message=f"line {number}")


class TestCheckIns:
    def test_the_newest_replaces_the_one_before(self, store: Store, server_id: str) -> None:
        with store.write() as tx:
            assert latest_check_in(tx, server_id) is None
            assert record_check_in(tx, server_id, CheckInStatus.STARTING, "hello", None, NOW) is None
        later = NOW + timedelta(minutes=1)
        with store.write() as tx:
            before = record_check_in(tx, server_id, CheckInStatus.CONFIGURING, "packages", 30, later)
        assert before is CheckInStatus.STARTING
        with store.read() as tx:
            assert latest_check_in(tx, server_id) == (CheckInStatus.CONFIGURING, "packages")
            server = get_server(tx, server_id)
        assert (server.progress, server.last_reported_at) == (30, later)

    def test_images_stay_known_when_a_later_report_names_none(self, store: Store, server_id: str) -> None:
        for images in (["desktop:1"], ["desktop:2", "office:1"], []):
            with store.write() as tx:
                record_check_in(tx, server_id, CheckInStatus.RUNNING, "", None, NOW, images=images)
        with store.read() as tx:
            assert reported_images(tx, server_id) == ["desktop:2", "office:1"]

    def test_reports_that_come_at_once_are_all_taken(self, store: Store, server_id: str) -> None:
        def report(number: int) -> CheckInStatus | None:
            with store.write() as tx:
                return record_check_in(tx, server_id, CheckInStatus.RUNNING, f"report {number}", None, NOW)

        # Two first reports may both find none before them: each is news then, and news that is told twice does no harm.
        assert {None} <= set(at_once(6, report)) <= {None, CheckInStatus.RUNNING}
        with store.read() as tx:
            latest = latest_check_in(tx, server_id)
        assert latest is not None
        assert latest in {(CheckInStatus.RUNNING, f"report {number}") for number in range(6)}


class TestLogs:
    def test_they_stay_in_the_order_of_arrival(self, store: Store, server_id: str) -> None:
        for numbers in ((1, 2), (3,), ()):
            with store.write() as tx:
                append_logs(tx, server_id, [line(number) for number in numbers], NOW)
        with store.read() as tx:
            assert logs(tx, server_id) == [line(1), line(2), line(3)]

    @pytest.mark.parametrize(("keep", "left"), [(0, []), (2, [4, 5]), (5, [1, 2, 3, 4, 5]), (9, [1, 2, 3, 4, 5])])
    def test_the_newest_are_kept(self, store: Store, server_id: str, keep: int, left: list[int]) -> None:
        (other,) = reserve(store)
        with store.write() as tx:
            for number in range(1, 6):
                append_logs(tx, server_id, [line(number)], NOW)
                append_logs(tx, other, [line(number)], NOW)
        for _ in range(2):
            with store.write() as tx:
                prune_logs(tx, server_id, keep)
        with store.read() as tx:
            assert logs(tx, server_id) == [line(number) for number in left]
            assert len(logs(tx, other)) == 5
