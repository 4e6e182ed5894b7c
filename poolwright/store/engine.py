"""The database: SQLite by default, PostgreSQL by URL; transactions that read, and transactions that write."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Engine, Executable, Row, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, sessionmaker

from poolwright.store.sealing import Sealer

_PATIENCE_SECONDS: Final = 30.0
"""How long a connection to SQLite waits for others that write."""


class DatabaseURLError(ValueError):
    """The database URL cannot be used."""


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class Store:
    """The state of record. May be shared by threads.

    Every repository function takes the `Session` of one of the two kinds of transaction below and no more: nothing that
    waits for a network may happen inside.
    """

    def __init__(self, engine: Engine, sealer: Sealer, clock: Callable[[], datetime] = utc_now) -> None:
        self.engine = engine
        self.sealer = sealer
        self.clock = clock
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads; on SQLite it never waits for a writer."""
        with self._sessions() as session:
            session.info["sealer"] = self.sealer
            session.info["connection"] = session.connection()
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that writes: on SQLite it holds the write lock from its first statement on, so that what it
        reads cannot change before it commits; on PostgreSQL callers lock the rows they decide on."""
        with self._sessions() as session:
            session.info["sealer"] = self.sealer
            session.info["connection"] = session.connection(execution_options={"poolwright_write": True})
            yield session
            session.commit()

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def open_store(url: str, sealer: Sealer, clock: Callable[[], datetime] = utc_now) -> Store:
    """Open the database at this SQLAlchemy URL (`sqlite:///FILE` or `postgresql+psycopg://...`). Creates no table.

    Raises `DatabaseURLError`.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseURLError(
            "the database URL cannot be read; write sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        return Store(_sqlite_engine(url), sealer, clock)
    if parsed.get_backend_name() == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, pool_size=10, max_overflow=20, pool_pre_ping=True, hide_parameters=True)
        return Store(engine, sealer, clock)
    raise DatabaseURLError(f"the database {parsed.get_backend_name()!r} is not supported; use sqlite or postgresql")


def writes(session: Session) -> bool:
    """Whether this is a transaction of `Store.write`."""
    return bool(_connection(session).get_execution_options().get("poolwright_write", False))


def writes_alone(session: Session) -> bool:
    """Whether nobody else can change what this transaction reads until it ends: SQLite has one writer at a time."""
    return _connection(session).dialect.name == "sqlite" and writes(session)


def fetch(session: Session, statement: Executable, **values: object) -> Sequence[Row[Any]]:
    """Rows of a statement of columns, without the session's own machinery, which takes longer than the database does.

    Sees what the session has changed so far.
    """
    return execute(session, statement, **values).all()


def execute(session: Session, statement: Executable, **values: object) -> CursorResult[Any]:
    """Run a statement as `fetch` does. What it changes, objects that the session already holds do not show."""
    session.flush()
    return _connection(session).execute(statement, values)


def _connection(session: Session) -> Connection:
    # Kept by the store: to ask the session for it takes as long as a short statement.
    connection: Connection = session.info["connection"]
    return connection


def _sqlite_engine(url: str) -> Engine:
    # Parameters are hidden from error messages: they hold sealed secrets, digests of keys and what people wrote.
    engine = create_engine(
        url, connect_args={"timeout": _PATIENCE_SECONDS, "check_same_thread": False}, pool_size=20, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own transaction control starts transactions late and always deferred; ours decides, see _begin.
        connection.isolation_level = None
        _keep_a_write_ahead_log(connection)
        # A committed intent must survive a power cut, or a VM could exist that no row knows: full, not normal.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("poolwright_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _keep_a_write_ahead_log(connection: sqlite3.Connection) -> None:
    # The switch is kept in the file, so only the first connections ever make it. Those that make it at the same moment
    # are told "locked" at once: here SQLite refuses, rather than waits, where two would wait for each other.
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
