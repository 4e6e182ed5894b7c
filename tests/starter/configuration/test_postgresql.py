"""Applying and deleting on PostgreSQL: several appliers at once, and servers made meanwhile."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from poolwright.domain.resources import VMProviderConfig
from poolwright.store import documents, ledger, scaling
from poolwright.store.engine import open_store
from poolwright.store.identifiers import new_id
from poolwright.store.installation import upgrade
from poolwright.store.sealing import Sealer
from starter.configuration.applying import apply
from starter.configuration.deleting import delete_document
from starter.configuration.problems import ConfigurationRefused
from starter.configuration.sources import Source
from tests.starter.configuration.conftest import KEY
from tests.starter.configuration.declarations import BASE, Declarations

pytestmark = pytest.mark.slow

SMALL = "kind: vm_provider\nname: small\nprovider: sim\nmax_instances: {count}\n"


@pytest.fixture
def postgresql(postgresql_database_url: str, tmp_path: Path) -> Iterator[Declarations]:
    """`BASE` is stored in PostgreSQL."""
    store = open_store(postgresql_database_url, Sealer([KEY]))
    upgrade(store)
    declarations = Declarations(store, tmp_path)
    declarations.apply(BASE)
    yield declarations
    store.close()


class TestApplying:
    def test_it_changes_refuses_and_deletes_as_on_sqlite(self, postgresql: Declarations) -> None:
        postgresql.reserve("desks-here", 2)
        assert postgresql.problem(SMALL.format(count=1)).line == 4
        assert postgresql.apply(SMALL.format(count=2)).revision == 2
        with pytest.raises(ConfigurationRefused):
            delete_document(postgresql.store, "pool", "desks")
        delete_document(postgresql.store, "autoscale", "agents-here")

    def test_appliers_at_once_each_get_a_revision_of_their_own(self, postgresql: Declarations) -> None:
        def declare(number: int) -> int | None:
            source = Source(name="test", directory=Path(), text=f"kind: zone\nname: zone{number}\n")
            return apply(postgresql.store, [source]).revision

        with ThreadPoolExecutor(3) as threads:
            revisions = list(threads.map(declare, range(3)))
        assert sorted(revision for revision in revisions if revision is not None) == [2, 3, 4]

    def test_a_cap_and_the_servers_made_at_the_same_time_never_contradict(self, postgresql: Declarations) -> None:
        def lower() -> bool:
            source = Source(name="test", directory=Path(), text=SMALL.format(count=1))
            try:
                return apply(postgresql.store, [source]).revision is not None
            except ConfigurationRefused:
                return False

        def reserve() -> int:
            with postgresql.store.write() as tx:
                config = scaling.load_autoscale(tx, "desks-here")
                slots = [ledger.Slot(vm_provider="small", reason="a test wants it")] * 3
                return len(ledger.reserve(tx, config, slots, new_id("d"), postgresql.store.clock()))

        for _ in range(5):
            with ThreadPoolExecutor(2) as threads:
                lowering, reserving = threads.submit(lower), threads.submit(reserve)
                reserving.result()
                lowering.result()
            with postgresql.store.read() as tx:
                config = documents.load(tx, "vm_provider", "small")
                assert isinstance(config, VMProviderConfig)
                assert ledger.provider_usage(tx, "small").in_use <= config.max_instances
