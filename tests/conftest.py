"""Servers that tests of any folder may ask for."""

import os

from hypothesis import settings

pytest_plugins = ["tests.servers.bind9", "tests.servers.postgresql", "tests.servers.samba", "tests.servers.temporal"]

# CI must judge the change, not the luck of the draw; everywhere else each run looks at other examples.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
