"""Applying YAML to a real store, and looking at what that did to its tables."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from sqlalchemy import text

from poolwright.domain.servers import Server
from poolwright.store import documents, ledger, scaling
from poolwright.store.engine import Store
from poolwright.store.identifiers import new_id
from poolwright.store.servers import list_servers
from poolwright.store.tables import Table
from starter.configuration.applying import Applied, OnApplied, apply, difference
from starter.configuration.changes import Change
from starter.configuration.problems import ConfigurationRefused, Problem
from starter.configuration.sources import read_sources

BASE = """
kind: zone
name: here
---
kind: pool
name: desks
type: server
---
kind: pool
name: agents
type: docker_agent
---
kind: vm_provider
name: small
provider: sim
max_instances: 4
---
kind: autoscale
name: desks-here
type: server
pool: desks
zone: here
vm_provider: small
---
kind: autoscale
name: agents-here
type: docker_agent
pool: agents
zone: here
vm_provider: small
agent_cores_override: 8
agent_memory_override_mib: 16384
"""
"""A small configuration without a fault, with a pool of each type."""


class Declarations:
    """A store, and a directory for YAML files and what they name."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.store = store
        self.directory = directory

    def write(self, name: str, content: str) -> Path:
        """A file of the directory."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(content).lstrip("\n"))
        return path

    def apply(
        self,
        content: str | None = None,
        *paths: Path,
        environment: Mapping[str, str] | None = None,
        on_applied: OnApplied | None = None,
    ) -> Applied:
        """Apply this YAML, and these files."""
        files = [*([self.write("test.yaml", content)] if content is not None else []), *paths]
        sources, problems = read_sources(files)
        return apply(self.store, sources, problems, environment or {}, on_applied)

    def difference(self, content: str, environment: Mapping[str, str] | None = None) -> tuple[Change, ...]:
        """What applying this YAML would change."""
        sources, problems = read_sources([self.write("test.yaml", content)])
        return difference(self.store, sources, problems, environment or {})

    def problems(
        self, content: str | None = None, *paths: Path, environment: Mapping[str, str] | None = None
    ) -> list[Problem]:
        """What is wrong with this YAML. Fails the test if anything was changed, or if `difference` says otherwise."""
        before = self.tables()
        with pytest.raises(ConfigurationRefused) as refused:
            self.apply(content, *paths, environment=environment)
        assert self.tables() == before
        files = [*([self.directory / "test.yaml"] if content is not None else []), *paths]
        sources, unread = read_sources(files)
        with pytest.raises(ConfigurationRefused) as also_refused:
            difference(self.store, sources, unread, environment or {})
        assert also_refused.value.problems == refused.value.problems
        assert self.tables() == before
        return list(refused.value.problems)

    def problem(
        self, content: str | None = None, *paths: Path, environment: Mapping[str, str] | None = None
    ) -> Problem:
        """The one thing that is wrong with this YAML."""
        found = self.problems(content, *paths, environment=environment)
        assert len(found) == 1, "\n".join(map(str, found))
        return found[0]

    def tables(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table."""
        with self.store.engine.connect() as connection:
            return {
                name: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {name}"))]
                for name in sorted(Table.metadata.tables)
            }

    def body(self, kind: str, name: str) -> Mapping[str, Any]:
        """What is stored of a document, secrets opened."""
        with self.store.read() as tx:
            return documents.open_body(tx, documents.get_row(tx, kind, name))

    def shape_revision(self, kind: str, name: str) -> int:
        """The revision of the last change that makes servers differ."""
        with self.store.read() as tx:
            return documents.get_row(tx, kind, name).shape_revision

    def reserve(self, autoscale: str, count: int) -> list[Server]:
        """Servers of this autoscale config, as a decision makes them."""
        with self.store.write() as tx:
            config = scaling.load_autoscale(tx, autoscale)
            slots = [ledger.Slot(vm_provider=config.vm_provider, reason="a test wants it")] * count
            ids = ledger.reserve(tx, config, slots, new_id("d"), self.store.clock())
            assert len(ids) == count
            return [server for server in list_servers(tx) if server.id in ids]


def place(problem: Problem) -> tuple[str | None, int | None, str | None, str | None, str | None]:
    """Where a problem is, and of what: file name, line, document, key and value."""
    file = Path(problem.file).name if problem.file else None
    return file, problem.line, f"{problem.kind} {problem.name}", problem.key, problem.value
