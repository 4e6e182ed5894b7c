"""How long to wait before the next try, for how long to try, and how loudly to say that something does not end."""

import itertools
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from temporalio import activity

from activities.boundary import CONFIGURATION_ERRORS, OUTSIDE_ERRORS, failure
from poolwright.store.engine import Store
from poolwright.store.servers import lock_server

_FIRST_SECONDS = 2.0
_GROWTH = 1.2
_SLOWEST_POLL_SECONDS = 30.0
_SLOWEST_UNDO_SECONDS = 30.0
_ALERTS = ((timedelta(hours=24), "ALARM"), (timedelta(hours=1), "ALERT"), (timedelta(minutes=15), "warning"))
"""How loudly a teardown that does not end is reported, by its age."""


def seconds_to_next_try(slowest_seconds: float) -> float:
    """Short at first, then longer from attempt to attempt."""
    return _pause_seconds(slowest_seconds, activity.info().attempt)


def not_yet(message: str) -> Exception:
    """The answer of an activity that asks once: what it waits for has not come, so that it is to ask again."""
    return failure(
        message,
        "NotYet",
        retryable=True,
        retry_in_seconds=seconds_to_next_try(_SLOWEST_POLL_SECONDS),
        expected=True,
    )


def until_undone(undo: Callable[[], bool]) -> None:
    """Undo what this activity made for a life that has ended meanwhile: again and again, until `undo` says that nothing
    is left of it.

    For as long as the activity may take, counted from now, and not longer than its worker runs; then raises what the
    last try raised.
    """
    # Not by failing, for Temporal to repeat the activity: a life ends without its answer only when its workflow was
    # terminated or Temporal took the activity for dead, and in either case nobody waits for it or repeats it any more.
    allowed = activity.info().start_to_close_timeout or timedelta()
    gives_up_at = time.monotonic() + allowed.total_seconds()
    for tries in itertools.count(1):
        problem: Exception | None = None
        try:
            if undo():
                return
        except (*OUTSIDE_ERRORS, *CONFIGURATION_ERRORS, SQLAlchemyError) as error:
            problem = error
        seconds = _pause_seconds(_SLOWEST_UNDO_SECONDS, tries)
        if time.monotonic() + seconds < gives_up_at:
            activity.wait_for_worker_shutdown_sync(seconds)
            if not activity.is_worker_shutdown():
                continue
        if problem is not None:
            raise problem
        return


def report_stuck(store: Store, server_id: str, problem: str, now: datetime) -> None:
    """Once a server has been `deleting` for a while, let its message say so, and the log the louder the longer."""
    with store.write() as tx:
        row = lock_server(tx, server_id)
        age = now - row.state_since
        level = next((name for threshold, name in _ALERTS if age >= threshold), None)
        if level is None:
            return
        row.message = f"{level}: not deleted after {_hours(age)}: {problem}"
        message = row.message
    if level != "warning":
        activity.logger.error("server %s: %s", server_id, message)


def _pause_seconds(slowest_seconds: float, tries: int) -> float:
    return float(min(slowest_seconds, _FIRST_SECONDS * _GROWTH ** min(tries, 30)))


def _hours(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
