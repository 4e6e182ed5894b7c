"""The program on a database of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolwright.store.installation import upgrade
from starter.cli import temporal
from starter.configuration.applying import apply
from starter.configuration.sources import Source
from starter.settings import Settings, load_settings
from tests.starter.cli.program import CONFIGURATION, Program, RecordedSignals


@pytest.fixture(scope="session")
def new_installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of an installation with `CONFIGURATION` in it."""
    directory = tmp_path_factory.mktemp("new")
    store = Settings(data_directory=directory).open_store()
    upgrade(store)
    apply(store, [Source(name="test.yaml", directory=directory, text=CONFIGURATION)])
    store.close()
    return directory


@pytest.fixture
def data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the environment says that the data is; not there yet. No Temporal server answers."""
    for name in ("KEY", "KEY_FILE", "DATABASE_URL"):
        monkeypatch.delenv(f"POOLWRIGHT_{name}", raising=False)
    monkeypatch.setenv("POOLWRIGHT_DATA_DIRECTORY", str(tmp_path / "data"))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    return tmp_path / "data"


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> RecordedSignals:
    """What commands ask of workflows."""
    recorded = RecordedSignals()

    async def open_signals(patience_seconds: float = 0) -> RecordedSignals:
        return recorded

    monkeypatch.setattr(temporal, "open_signals", open_signals)
    return recorded


@pytest.fixture
def program(data_directory: Path, new_installation: Path, signals: RecordedSignals) -> Iterator[Program]:
    """The program on an installation with `CONFIGURATION` in it."""
    shutil.copytree(new_installation, data_directory)
    store = load_settings().open_store()
    yield Program(store, data_directory, signals)
    store.close()
