"""Servers that tests of any folder may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.servers.bind9", "tests.servers.postgresql", "tests.servers.samba", "tests.servers.temporal"]

# CI must judge the change, not the luck of the draw; everywhere else each run looks at other examples.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file of slow tests is not even read where these are left out: to import all clouds' SDKs takes as long as many
    tests."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text() or None
