"""What startup scripts report: the newest check-in per server, and their log lines."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from poolwright.domain.base import Model
from poolwright.domain.servers import CheckInStatus
from poolwright.store.tables import CheckInRow, ComponentLogRow

LOG_LINES_KEPT: Final = 5_000
"""Of each server, the newest."""


class LogLine(Model):
    """One line of a startup log."""

    at: str
    application: str
    level: str
    message: str


def record_check_in(
    session: Session,
    server_id: str,
    status: CheckInStatus,
    message: str,
    progress: int | None,
    now: datetime,
    *,
    images: Sequence[str] = (),
) -> CheckInStatus | None:
    """Keep this as the newest report. Returns the status before it. `images` that were reported stay known."""
    row = session.get(CheckInRow, server_id)
    before = CheckInStatus(row.status) if row else None
    if row is None:
        row = CheckInRow(server_id=server_id)
        session.add(row)
    row.status, row.message, row.progress, row.at = status, message, progress, now
    if images:
        row.images = list(images)
    return before


def latest_check_in(session: Session, server_id: str) -> tuple[CheckInStatus, str] | None:
    """Status and message of the newest report, if there is one."""
    row = session.get(CheckInRow, server_id)
    return None if row is None else (CheckInStatus(row.status), row.message)


def reported_images(session: Session, server_id: str) -> list[str]:
    """The container images that a docker agent says it has."""
    row = session.get(CheckInRow, server_id)
    return list(row.images) if row else []


def append_logs(session: Session, server_id: str, lines: Sequence[LogLine], now: datetime) -> None:
    """Keep these log lines."""
    session.add_all(
        ComponentLogRow(
            server_id=server_id,
            received_at=now,
            at=line.at,
            application=line.application,
            level=line.level,
            message=line.message,
        )
        for line in lines
    )


def prune_logs(session: Session, server_id: str, keep: int) -> None:
    """Forget the server's oldest log lines beyond the newest `keep`."""
    lines = select(ComponentLogRow.id).where(ComponentLogRow.server_id == server_id)
    newest_to_go = session.scalar(lines.order_by(ComponentLogRow.id.desc()).offset(keep).limit(1))
    if newest_to_go is not None:
        older = (ComponentLogRow.server_id == server_id, ComponentLogRow.id <= newest_to_go)
        session.execute(delete(ComponentLogRow).where(*older))


def logs(session: Session, server_id: str) -> list[LogLine]:
    """The server's log lines in the order of arrival."""
    query = select(ComponentLogRow).where(ComponentLogRow.server_id == server_id).order_by(ComponentLogRow.id)
    return [
        LogLine(at=row.at, application=row.application, level=row.level, message=row.message)
        for row in session.scalars(query)
    ]
