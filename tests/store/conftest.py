"""An empty store on SQLite and on PostgreSQL: every test here that asks for `store` runs on both."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from poolwright.store.engine import Store, open_store
from poolwright.store.installation import upgrade
from poolwright.store.sealing import Sealer, new_key
from poolwright.store.tables import Table
from tests.installations import new_store

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(params=BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLAlchemy URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'poolwright.db'}"
    url: str = request.getfixturevalue("postgresql_database_url")
    return url


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLAlchemy URL of a database with the tables and nothing in them; migrated once for all tests."""
    if request.param == "sqlite":
        migrated: Path = request.getfixturevalue("migrated_sqlite")
        return f"sqlite:///{shutil.copy(migrated, tmp_path / 'poolwright.db')}"
    url: str = request.getfixturevalue("migrated_postgresql")
    _empty(url)
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store with a key of its own and nothing in it."""
    found = open_store(database_url, Sealer([new_key()]))
    upgrade(found)
    yield found
    found.close()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy."""
    file = tmp_path_factory.mktemp("migrated") / "poolwright.db"
    new_store(f"sqlite:///{file}").close()
    _empty(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_url: str) -> Iterator[str]:
    """A database to empty before each test: making one for each would take most of the time."""
    server = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE store_tests"))
    url = make_url(postgresql_url).set(database="store_tests").render_as_string(hide_password=False)
    new_store(url).close()
    yield url
    with server.connect() as connection:
        connection.execute(text("DROP DATABASE store_tests WITH (FORCE)"))
    server.dispose()


def _empty(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            names = ", ".join(table.name for table in Table.metadata.sorted_tables)
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
        else:
            for table in reversed(Table.metadata.sorted_tables):
                connection.execute(table.delete())
    engine.dispose()
