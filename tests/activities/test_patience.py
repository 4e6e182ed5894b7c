"""Undoing, from inside an activity, what nobody else would undo."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError
from temporalio.testing import ActivityEnvironment

from activities import patience
from activities.patience import until_undone
from poolwright.dns.errors import PermissionDenied, Transient


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> ActivityEnvironment:
    """An activity that may take ten minutes, with no pauses between its tries."""
    monkeypatch.setattr(patience, "_FIRST_SECONDS", 0.0)
    return activity_that_may_take(timedelta(minutes=10))


def activity_that_may_take(duration: timedelta) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, start_to_close_timeout=duration)
    return environment


class Undoing:
    """Something that is undone once it has failed so."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.tries = 0

    def __call__(self) -> bool:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        return True


class TestUntilUndone:
    def test_it_is_tried_until_it_is_done(self, environment: ActivityEnvironment) -> None:
        undoing = Undoing(Transient("no answer"), PermissionDenied("not yet allowed"), Transient("no answer"))
        environment.run(until_undone, undoing)
        assert undoing.tries == 4

    def test_a_database_that_is_away_for_a_moment_does_not_end_it(self, environment: ActivityEnvironment) -> None:
        undoing = Undoing(OperationalError("SELECT", {}, Exception("the server closed the connection")))
        environment.run(until_undone, undoing)
        assert undoing.tries == 2

    def test_what_the_last_try_raised_is_told_when_the_activitys_time_is_over(self) -> None:
        undoing = Undoing(Transient("no answer"), Transient("still none"))
        with pytest.raises(Transient, match="no answer"):
            activity_that_may_take(timedelta()).run(until_undone, undoing)
        assert undoing.tries == 1

    def test_it_does_not_keep_a_worker_that_stops(self) -> None:
        environment = activity_that_may_take(timedelta(minutes=10))
        environment.worker_shutdown()
        undoing = Undoing(Transient("no answer"), Transient("still none"))
        with pytest.raises(Transient, match="no answer"):
            environment.run(until_undone, undoing)
        assert undoing.tries == 1
