"""A PostgreSQL server of the test run's own: a throw-away cluster on 127.0.0.1, and a fresh database for each test."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from tests.servers.ports import reserved_port

SUPERUSER = "postgres"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """SQLAlchemy URL of a running server, as its superuser, at the database `postgres`. Shared by a run's tests."""
    with throw_away_server() as url:
        yield url


@contextmanager
def throw_away_server() -> Iterator[str]:
    """A server of one's own, for tests that change more than one database: SQLAlchemy URL as for `postgresql_url`."""
    programs = server_programs()
    account = _unprivileged_account()
    # Not pytest's own temporary directory: that one is closed to the account which the server runs as.
    directory = Path(tempfile.mkdtemp(prefix="poolwright-postgresql-"))
    if account is not None:
        os.chown(directory, account.pw_uid, account.pw_gid)
    cluster = _Cluster(programs, directory, account)
    try:
        yield cluster.start().render_as_string(hide_password=False)
    finally:
        cluster.stop()
        shutil.rmtree(directory)


@pytest.fixture
def postgresql_database_url(postgresql_url: str) -> Iterator[str]:
    """SQLAlchemy URL (`postgresql+psycopg://...`) of an empty database that only this test sees."""
    server = make_url(postgresql_url)
    name = f"test_{secrets.token_hex(8)}"
    with _superuser(server) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield server.set(database=name).render_as_string(hide_password=False)
    with _superuser(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def server_programs(versions: Path = Path("/usr/lib/postgresql")) -> Path:
    """Directory of PostgreSQL's server programs.

    Where there is none, the test that asked is skipped on a person's machine and fails in CI.
    """
    # Debian keeps the server programs out of PATH, in one directory per version.
    installed = sorted(versions.glob("*/bin/initdb"), key=lambda path: float(path.parents[1].name))
    found = installed[-1] if installed else shutil.which("initdb")
    if found is None:
        _give_up(
            "PostgreSQL's server programs are not installed (initdb is missing): on Debian, apt install postgresql"
        )
    return Path(found).parent


class _Cluster:
    def __init__(self, programs: Path, directory: Path, account: pwd.struct_passwd | None) -> None:
        self._programs = programs
        self._data = directory / "data"
        self._password_file = directory / "password"
        self._log = directory / "log"
        self._account = account

    def start(self) -> URL:
        """Make the cluster and start it."""
        # A password, since whoever reaches a superuser's port can run programs as the server's account.
        password = secrets.token_urlsafe()
        self._password_file.write_text(password)
        if self._account is not None:
            os.chown(self._password_file, self._account.pw_uid, self._account.pw_gid)
        self._run(
            "initdb",
            *("--pgdata", str(self._data), "--username", SUPERUSER, "--pwfile", str(self._password_file)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
        with (self._data / "postgresql.auto.conf").open("a") as settings:
            settings.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        port = reserved_port()
        try:
            self._run(
                "pg_ctl",
                *("start", "--wait", "--pgdata", str(self._data), "--log", str(self._log)),
                *("--options", f"-p {port}"),
            )
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{self._log.read_text()}") from error
        return URL.create("postgresql+psycopg", SUPERUSER, password, "127.0.0.1", port, "postgres")

    def stop(self) -> None:
        """Stop the server, if it runs."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "--wait", "--mode", "immediate", "--pgdata", str(self._data))

    def _run(self, program: str, *arguments: str) -> None:
        account = self._account
        finished = subprocess.run(
            [self._programs / program, *arguments],
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=account and [],
            cwd=self._data.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if finished.returncode:
            raise RuntimeError(f"{program} ended with {finished.returncode}: {finished.stdout}")


def _superuser(server: URL) -> psycopg.Connection:
    url = server.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, autocommit=True)


def _unprivileged_account() -> pwd.struct_passwd | None:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return None
    accounts = {account.pw_name: account for account in pwd.getpwall()}
    account = accounts.get("postgres") or accounts.get("nobody")
    if account is None:
        _give_up("PostgreSQL does not run as root, and there is no account postgres or nobody to run it as")
    return account


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
