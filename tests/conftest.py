"""Servers that tests of any folder may ask for."""

pytest_plugins = ["tests.servers.bind9", "tests.servers.postgresql", "tests.servers.samba", "tests.servers.temporal"]
