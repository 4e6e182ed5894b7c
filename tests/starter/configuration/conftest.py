"""A store and a directory for the configuration's tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolwright.providers import registry
from poolwright.store.engine import open_store
from poolwright.store.installation import upgrade
from poolwright.store.sealing import Sealer, new_key
from tests.starter.configuration.declarations import BASE, Declarations

KEY = new_key()


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An up-to-date database without anything in it; migrating one for each test takes longer than the tests."""
    path = tmp_path_factory.mktemp("new") / "poolwright.db"
    store = open_store(f"sqlite:///{path}", Sealer([KEY]))
    upgrade(store)
    store.close()
    return path


@pytest.fixture
def empty(tmp_path: Path, new_database: Path) -> Iterator[Declarations]:
    """Nothing declared yet."""
    shutil.copy(new_database, tmp_path / "poolwright.db")
    store = open_store(f"sqlite:///{tmp_path / 'poolwright.db'}", Sealer([KEY]))
    directory = tmp_path / "files"
    directory.mkdir()
    yield Declarations(store, directory)
    store.close()


@pytest.fixture
def declared(empty: Declarations) -> Declarations:
    """`BASE` is stored."""
    empty.apply(BASE)
    return empty


@pytest.fixture
def walled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The VM provider `walled`, whose settings hold secrets."""
    monkeypatch.setitem(registry._PACKAGES, "walled", "tests.starter.configuration.walled_cloud")
