"""The state of a world in SQLite: in memory for one process, or in a file for several."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from poolwright.domain.identities import OwnerMark
from poolwright.providers.sim.records import SimulatedVM
from poolwright.providers.sim.settings import Failure, Operation

_BUSY_SECONDS: Final = 10.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS vm (
    serial INTEGER PRIMARY KEY AUTOINCREMENT,
    controller_id TEXT,
    server_id TEXT,
    token TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    hostname TEXT NOT NULL,
    place TEXT,
    startup_script TEXT NOT NULL,
    accepted_at REAL NOT NULL,
    running_at REAL NOT NULL,
    address_at REAL NOT NULL,
    boot_seconds REAL,
    script_started_at REAL,
    broken_at REAL,
    problem TEXT,
    stopped_at REAL,
    delete_asked_at REAL,
    gone_at REAL NOT NULL DEFAULT 9e999,
    checked_in INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS vm_token ON vm (token);
CREATE INDEX IF NOT EXISTS vm_mark ON vm (controller_id, server_id);
CREATE INDEX IF NOT EXISTS vm_gone ON vm (gone_at, place);
CREATE INDEX IF NOT EXISTS vm_due ON vm (script_started_at) WHERE checked_in = 0;
CREATE TABLE IF NOT EXISTS call (operation TEXT PRIMARY KEY, times INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS planned_failure (
    position INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, failure TEXT NOT NULL, times INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_ALIVE: Final = "gone_at > :now"


class Database:
    """Opened by the first transaction. Every method but `transaction` and `close` is for use within one."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Alone among all threads and processes; undone when the body raises. Raises sqlite3.Error."""
        with self._lock:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def close(self) -> None:
        """Close it; what is only in memory is gone."""
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None

    def add(self, vm: Mapping[str, Any]) -> SimulatedVM:
        """Insert a VM of these columns and give it a serial number."""
        columns = ", ".join(vm)
        values = ", ".join(f":{column}" for column in vm)
        serial = self._run(f"INSERT INTO vm ({columns}) VALUES ({values})", vm).lastrowid  # noqa: S608 (our own names)
        return self._read("serial = :serial", serial=serial)[0]

    def change(self, serial: int, **values: float | str) -> None:
        """Set columns of a VM."""
        columns = ", ".join(f"{column} = :{column}" for column in values)
        sql = f"UPDATE vm SET {columns} WHERE serial = :serial"  # noqa: S608 (our own names)
        self._run(sql, {"serial": serial, **values})

    def vm(self, serial: int) -> SimulatedVM | None:
        """The VM with this serial number, living or gone."""
        return next(iter(self._read("serial = :serial", serial=serial)), None)

    def with_token(self, token: str) -> SimulatedVM | None:
        """The VM that this token made, living or gone."""
        return next(iter(self._read("token = :token", token=token)), None)

    def living(self, controller_id: str, now: float, server_id: str | None = None) -> Sequence[SimulatedVM]:
        """VMs that exist and bear a mark of this controller, and of this server if one is given. Oldest first."""
        condition = f"controller_id = :controller_id AND {_ALIVE}"
        if server_id is not None:
            condition += " AND server_id = :server_id"
        return self._read(condition, controller_id=controller_id, server_id=server_id, now=now)

    def all(self) -> Sequence[SimulatedVM]:
        """Every VM that there ever was, oldest first."""
        return self._read("TRUE")

    def count_living(self, now: float, place: str | None = None) -> int:
        """How many VMs exist, whoever owns them, in all places or in one."""
        condition = _ALIVE if place is None else f"{_ALIVE} AND place = :place"
        sql = f"SELECT count(*) FROM vm WHERE {condition}"  # noqa: S608 (our own condition)
        return int(self._run(sql, {"now": now, "place": place}).fetchone()[0])

    def take_due_check_ins(self, now: float) -> Sequence[SimulatedVM]:
        """VMs whose startup scripts are due to check in, each given once."""
        due = self._read(
            "checked_in = 0 AND script_started_at + boot_seconds <= :now AND delete_asked_at IS NULL"
            f" AND stopped_at IS NULL AND (broken_at IS NULL OR broken_at > :now) AND {_ALIVE}",
            now=now,
        )
        for vm in due:
            self.change(vm.serial, checked_in=1)
        return due

    def count_call(self, operation: Operation) -> None:
        """One more call of this operation."""
        sql = "INSERT INTO call VALUES (:operation, 1) ON CONFLICT DO UPDATE SET times = times + 1"
        self._run(sql, {"operation": operation})

    def calls(self) -> Mapping[Operation, int]:
        """Calls so far."""
        return {Operation(operation): times for operation, times in self._run("SELECT * FROM call", {})}

    def plan_failure(self, operation: Operation, failure: Failure, times: int) -> None:
        """Let the operation's next calls fail, after those already planned."""
        sql = "INSERT INTO planned_failure (operation, failure, times) VALUES (:operation, :failure, :times)"
        self._run(sql, {"operation": operation, "failure": failure, "times": times})

    def take_failure(self, operation: Operation) -> Failure | None:
        """What this call is to fail with; that failure is then used up."""
        sql = "SELECT position, failure FROM planned_failure WHERE operation = :operation AND times > 0 ORDER BY 1"
        row = self._run(sql, {"operation": operation}).fetchone()
        if row is None:
            return None
        self._run("UPDATE planned_failure SET times = times - 1 WHERE position = :position", {"position": row[0]})
        return Failure(row[1])

    def drop_failures(self) -> None:
        """Let nothing fail that was planned to."""
        self._run("DELETE FROM planned_failure", {})

    def fact(self, name: str) -> Any:
        """A JSON value by name, or None."""
        row = self._run("SELECT value FROM fact WHERE name = :name", {"name": name}).fetchone()
        return None if row is None else json.loads(row[0])

    def set_fact(self, name: str, value: Any) -> None:
        """Remember a JSON value."""
        self._run("INSERT OR REPLACE INTO fact VALUES (:name, :value)", {"name": name, "value": json.dumps(value)})

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # Autocommit, as transactions are begun by hand; guarded by the lock, hence fit for all threads.
            connection = sqlite3.connect(
                self._file or ":memory:", timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
            self._connection = connection
        return self._connection

    def _read(self, condition: str, **values: Any) -> list[SimulatedVM]:
        columns = ", ".join(_COLUMNS)
        sql = f"SELECT controller_id, server_id, {columns} FROM vm WHERE {condition} ORDER BY serial"  # noqa: S608 (our own condition)
        return [_vm(row) for row in self._run(sql, values)]

    def _run(self, sql: str, values: Mapping[str, Any]) -> sqlite3.Cursor:
        assert self._connection is not None
        return self._connection.execute(sql, values)


_COLUMNS: Final = tuple(field.name for field in fields(SimulatedVM) if field.name != "mark")


def _vm(row: Sequence[Any]) -> SimulatedVM:
    controller_id, server_id, *rest = row
    values = dict(zip(_COLUMNS, rest, strict=True))
    values["startup_script"] = SecretStr(values["startup_script"])
    mark = OwnerMark(controller_id=controller_id, server_id=server_id) if controller_id is not None else None
    return SimulatedVM(mark=mark, **values)
