"""The sessions that people ask for in a simulation."""

from datetime import datetime
from typing import NamedTuple

from poolwright.domain.servers import SessionKind


class DemandSession(NamedTuple):
    """One session that somebody will ask for. Millions of them pass through, hence no model."""

    start: datetime
    """When it is asked for, with a time zone."""
    user: str
    length_seconds: float
    """How long it is used, counted from when it gets its server."""
    pool: str | None = None
    """None: the only pool that there is."""
    workspace: str | None = None
    """Docker agents: what runs, and so how much room it takes. None: the only workspace that there is."""
    kind: SessionKind = SessionKind.DESKTOP
    zone: str | None = None
    priority: int = 0
