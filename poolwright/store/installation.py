"""Bringing a database up to date, and what makes an installation itself."""

import secrets
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from poolwright.store.check_in_tokens import ensure_signing_key
from poolwright.store.engine import Store
from poolwright.store.tables import InstallationRow

_ADVISORY_LOCK = 7_066_801
"""PostgreSQL: held while migrations run, so that processes that start together do not run them twice."""


class DatabaseOutdated(Exception):
    """The database is at another revision than this program."""


def upgrade(store: Store) -> None:
    """Create or migrate the tables and make what an installation needs. Repeatable, and safe to run at the same time
    from several processes."""
    with store.engine.connect().execution_options(poolwright_write=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        if _current(connection) != _head():
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    with store.write() as session:
        now = store.clock()
        if session.get(InstallationRow, 1) is None:
            session.add(InstallationRow(id=1, controller_id=secrets.token_hex(8), created_at=now, revision=0))
            session.flush()
        ensure_signing_key(session, now)


def check_revision(store: Store) -> None:
    """Raise `DatabaseOutdated` unless the database is at this program's revision."""
    with store.engine.connect() as connection:
        current = _current(connection)
    if current != _head():
        raise DatabaseOutdated(
            f"the database is at revision {current or 'none'}, this program needs {_head()}: "
            "run `poolwright database upgrade`"
        )


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _head() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
