"""Servers that tests of any folder may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.bind9", "tests.servers.postgresql", "tests.servers.samba", "tests.servers.temporal"]

# No example is judged by the clock. CI judges the change, not the luck of the draw; elsewhere each run looks at others.
settings.register_profile(
    "poolwright", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("poolwright")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file of slow tests is not even read where these are left out: to import all clouds' SDKs takes as long as many
    tests."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text() or None
