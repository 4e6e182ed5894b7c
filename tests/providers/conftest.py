"""Machines of the local provider in a directory of the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from poolwright.providers.local.provider import LocalProvider
from poolwright.providers.local.settings import Settings
from tests.conformance.specs import OURS
from tests.providers.local_machines import kill_all


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """The directory of the machines; what a test leaves running in it is ended."""
    root = tmp_path / "machines"
    yield root
    kill_all(root)


@pytest.fixture
def settings(root: Path) -> Settings:
    return Settings(directory=root, stop_grace_seconds=0)


@pytest.fixture
def local(settings: Settings) -> LocalProvider:
    return LocalProvider(settings, OURS)
