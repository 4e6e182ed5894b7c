"""Applying and deleting on PostgreSQL: several appliers at once, and servers made meanwhile."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from poolwright.domain.resources import VMProviderConfig
from poolwright.store import documents, ledger, scaling, sessions
from poolwright.store.engine import Store, open_store, utc_now
from poolwright.store.identifiers import new_id
from poolwright.store.installation import upgrade
from poolwright.store.sealing import Sealer
from poolwright.store.servers import lock_pool
from poolwright.store.tables import SessionRow
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

    def test_servers_of_two_pools_registered_by_hand_do_not_cross_with_a_decision(
        self, postgresql: Declarations
    ) -> None:
        towers = "---\n".join(
            f"kind: static_server\nname: {pool}-tower\npool: {pool}\nzone: here\naddress: 192.0.2.7\n"
            for pool in ("desks", "agents")
        )
        with postgresql.store.write() as decision, ThreadPoolExecutor(1) as operator:
            lock_pool(decision, "agents")
            applied = operator.submit(postgresql.apply, towers)
            until_it_waits(postgresql.store, applied)
            assert ledger.lock_hostnames(decision) == set()
            decision.commit()
            assert applied.result(timeout=30).revision == 2


class TestDeleting:
    """While somebody asks for a session."""

    DESK = "kind: workspace\nname: desk\nimage: registry.example/desk:1\ncores: 1\nmemory_mib: 1024\n"
    READY = "kind: staging\nname: ready\npool: agents\nzone: here\nworkspace: desk\ndesired_sessions: 1\n"
    TOWER = (
        "kind: static_server\nname: tower\npool: agents\nzone: here\naddress: 192.0.2.7\n"
        "size: {cores: 4, memory_mib: 8192}\n"
    )

    def test_a_workspace_stays_that_somebody_waits_for(self, postgresql: Declarations) -> None:
        postgresql.apply(self.DESK)
        refused = self.deleted_while_one_is_asked_for(postgresql, "workspace", "desk")
        assert refused == "1 session(s) of it have not ended"

    def test_a_staging_config_stays_whose_session_was_just_begun(self, postgresql: Declarations) -> None:
        postgresql.apply(f"{self.DESK}---\n{self.READY}")
        with postgresql.store.write() as tx, ThreadPoolExecutor(1) as operator:
            lock_pool(tx, "agents")
            deleted = operator.submit(delete_document, postgresql.store, "staging", "ready")
            until_it_waits(postgresql.store, deleted)
            staged = SessionRow(
                id="n1", pool="agents", user="", kind="app", state="staged", staging="ready", requested_at=utc_now()
            )
            tx.add(staged)
            tx.commit()
            with pytest.raises(ConfigurationRefused, match="1 session\\(s\\) of it have not ended"):
                deleted.result(timeout=30)

    def test_a_server_registered_by_hand_stays_that_somebody_just_got(self, postgresql: Declarations) -> None:
        postgresql.apply(f"{self.DESK}---\n{self.TOWER}")
        refused = self.deleted_while_one_is_asked_for(postgresql, "static_server", "tower")
        assert refused == "1 session(s) of it have not ended"

    @staticmethod
    def deleted_while_one_is_asked_for(postgresql: Declarations, kind: str, name: str) -> str:
        """Why the deletion was refused that began while a request for workspace `desk` was on its way."""
        request = sessions.SessionRequest(pool="agents", user="ada", workspace="desk")
        with postgresql.store.write() as tx, ThreadPoolExecutor(1) as operator:
            sessions.request_session(tx, request, utc_now())
            deleted = operator.submit(delete_document, postgresql.store, kind, name)
            until_it_waits(postgresql.store, deleted)
            tx.commit()
            with pytest.raises(ConfigurationRefused) as refused:
                deleted.result(timeout=30)
        (problem,) = refused.value.problems
        return problem.what


def until_it_waits(store: Store, work: Future[Any]) -> None:
    """Until this work waits for the lock of another, or has come to its end."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not work.done() and not connection.scalar(waiting):
            time.sleep(0.02)
