"""Deadlines of a server, computed from its row."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from poolwright.store import scaling
from poolwright.store.tables import ServerRow


def boot_deadline(tx: Session, row: ServerRow) -> datetime | None:
    """When the server must have checked in, or None while its VM does not exist."""
    if row.booting_at is None or row.autoscale is None:
        return None
    policy = scaling.load_autoscale(tx, row.autoscale).failure
    return row.booting_at + timedelta(seconds=policy.boot_deadline_seconds)
