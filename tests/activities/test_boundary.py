"""What leaves an activity while the database is away."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.boundary import boundary
from activities.contract import INTERNAL_ERROR
from poolwright.providers.errors import AuthenticationFailed
from poolwright.store.engine import Store, open_store
from poolwright.store.sealing import Sealer, new_key


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Store]:
    """A store whose database cannot be reached: nobody knows what is secret."""
    store = open_store(f"sqlite:///{tmp_path / 'missing' / 'poolwright.db'}", Sealer([new_key()]))
    yield store
    store.close()


def raised(store: Store, error: Exception | None = None) -> ApplicationError:
    """What the boundary makes of this error, or of the database's own."""

    def step() -> None:
        with boundary(store):
            if error is not None:
                raise error
            with store.read():
                raise AssertionError("the database is there")

    with pytest.raises(ApplicationError) as failed:
        ActivityEnvironment().run(step)
    return failed.value


class TestWithoutTheDatabase:
    def test_its_absence_is_a_failure_like_any_that_was_not_expected(
        self, away: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        failed = raised(away)
        assert (failed.type, failed.non_retryable) == (INTERNAL_ERROR, False)
        assert "unable to open database file" in caplog.text
        assert "SELECT" not in failed.message

    def test_an_error_keeps_its_type_and_says_nothing_that_may_be_secret(self, away: Store) -> None:
        failed = raised(away, AuthenticationFailed("the key hunter2 is refused"))
        assert (failed.type, failed.non_retryable) == ("AuthenticationFailed", not AuthenticationFailed.retryable)
        assert "hunter2" not in failed.message
        assert "the database that knows the secrets" in failed.message

    def test_neither_does_the_log(self, away: Store, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            raised(away, RuntimeError("hunter2"))
        assert "RuntimeError" in caplog.text
        assert "hunter2" not in caplog.text
