"""What startup scripts report: the newest check-in per server, and their log lines."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from poolwright.domain.base import Model
from poolwright.domain.servers import CheckInStatus
from poolwright.store.engine import execute, fetch
from poolwright.store.inserting import insert_into
from poolwright.store.tables import CheckInRow, ComponentLogRow

LOG_LINES_KEPT: Final = 5_000
"""Of each server, the newest."""
_STATUS: Final = select(CheckInRow.status).where(CheckInRow.server_id == bindparam("server"))


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
    before = fetch(session, _STATUS, server=server_id)
    reported: dict[str, object] = {"status": status, "message": message, "progress": progress, "at": now}
    if images:
        reported["images"] = list(images)
    # Without objects, see `engine.fetch`: many servers that boot at once report many times each.
    insert = insert_into(session, CheckInRow).values(server_id=server_id, **reported)
    execute(session, insert.on_conflict_do_update(index_elements=["server_id"], set_=reported))
    return CheckInStatus(before[0].status) if before else None


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
