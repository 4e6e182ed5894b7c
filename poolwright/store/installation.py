"""Bringing a database up to date, and what makes an installation itself."""

import secrets
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from poolwright.store.check_in_tokens import ensure_signing_key
from poolwright.store.engine import Store
from poolwright.store.tables import InstallationRow

REVISION: Final = "0003"
"""Newest revision of the migrations, which are numbered in four digits. Named here so that commands which only compare
need not load Alembic."""

_ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(7066801)")
"""PostgreSQL: held while migrations run, so that processes that start together do not run them twice."""


class DatabaseOutdated(Exception):
    """The database is at another revision than this program."""


def upgrade(store: Store) -> None:
    """Create or migrate the tables and make what an installation needs. Repeatable, and safe to run at the same time
    from several processes. Raises `DatabaseOutdated` when the database is newer than this program."""
    with store.engine.connect().execution_options(poolwright_write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(_ADVISORY_LOCK)
        current = _current(connection)
        if current is not None and current > REVISION:
            raise _outdated(current)
        if current != REVISION:
            _migrate(connection)
    with store.write() as session:
        if store.engine.dialect.name == "postgresql":
            session.execute(_ADVISORY_LOCK)
        now = store.clock()
        if session.get(InstallationRow, 1) is None:
            session.add(InstallationRow(id=1, controller_id=secrets.token_hex(8), created_at=now, revision=0))
            session.flush()
        ensure_signing_key(session, now)


def check_revision(store: Store) -> None:
    """Raise `DatabaseOutdated` unless the database is at this program's revision."""
    with store.engine.connect() as connection:
        current = _current(connection)
    if current != REVISION:
        raise _outdated(current)


def migrations() -> Path:
    """Alembic's directory."""
    return Path(__file__).parent / "migrations"


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _outdated(current: str | None) -> DatabaseOutdated:
    remedy = "run `poolwright database upgrade`"
    if current is not None and current > REVISION:
        remedy = "a newer Poolwright has upgraded it, run that version or restore an older copy of the database"
    return DatabaseOutdated(f"the database is at revision {current or 'none'}, this program needs {REVISION}: {remedy}")


def _migrate(connection: Connection) -> None:
    import logging

    from alembic import command
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(migrations()))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
