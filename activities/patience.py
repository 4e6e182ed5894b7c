"""How long to wait before the next try, and how loudly to say that something does not end."""

from datetime import datetime, timedelta

from temporalio import activity

from poolwright.store.engine import Store
from poolwright.store.servers import lock_server

_FIRST_SECONDS = 2.0
_GROWTH = 1.2
_ALERTS = ((timedelta(hours=24), "ALARM"), (timedelta(hours=1), "ALERT"), (timedelta(minutes=15), "warning"))
"""How loudly a teardown that does not end is reported, by its age."""


def seconds_to_next_try(slowest_seconds: float) -> float:
    """Short at first, then longer from attempt to attempt."""
    return float(min(slowest_seconds, _FIRST_SECONDS * _GROWTH ** min(activity.info().attempt, 30)))


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


def _hours(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
