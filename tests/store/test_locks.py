"""Whoever holds a row sees it as it is, whatever was read of it before. (SQLite has one writer at a time anyway.)"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from poolwright.domain.states import ServerState
from poolwright.store import documents, ledger, scaling
from poolwright.store.api_keys import APIKeyProblem, Role, create_key
from poolwright.store.engine import Store, utc_now
from poolwright.store.servers import lock_pool, lock_server, transition
from poolwright.store.tables import DocumentRow, InstallationRow, ServerRow
from tests.installations import configure, new_store, save

pytestmark = pytest.mark.slow


@pytest.fixture
def shared(postgresql_database_url: str) -> Iterator[Store]:
    """A store that several may write to at once."""
    store = new_store(postgresql_database_url)
    configure(store, "unused", "here")
    yield store
    store.close()


def change(store: Store, kind: str, name: str, **settings: Any) -> None:
    """Change settings of a document in a transaction of its own, as an apply would."""
    with store.read() as tx:
        body = documents.open_body(tx, documents.get_row(tx, kind, name))
    save(store, kind, name, {**body, **settings})


def reserve_one(store: Store) -> str:
    """A server in a transaction of its own."""
    with store.write() as tx:
        slot = ledger.Slot(vm_provider="sim", reason="a test wants it")
        (server_id,) = ledger.reserve(tx, scaling.load_autoscale(tx, "demo"), [slot], "d0", utc_now())
        return server_id


class TestCaps:
    """A cap that is lowered while a decision waits for it."""

    @pytest.mark.parametrize(("kind", "name"), [("vm_provider", "sim"), ("autoscale", "demo")])
    def test_the_new_one_holds(self, shared: Store, kind: str, name: str) -> None:
        with shared.write() as tx:
            autoscale = scaling.load_autoscale(tx, "demo")
            documents.get_row(tx, "vm_provider", "sim")
            change(shared, kind, name, max_instances=1)
            ledger.lock_caps(tx, autoscale)
            snapshot = scaling.take_snapshot(tx, "demo", utc_now())
            slots = [ledger.Slot(vm_provider="sim", reason="a test wants it")] * 3
            assert len(ledger.reserve(tx, snapshot.autoscale, slots, "d1", utc_now())) == 1

    def test_those_of_the_providers_that_are_named_by_now_are_held(self, shared: Store) -> None:
        save(shared, "vm_provider", "other", {"provider": "sim", "max_instances": 1, "startup_script": "true"})
        with shared.write() as tx:
            read = scaling.load_autoscale(tx, "demo")
            change(shared, "autoscale", "demo", vm_provider="other")
            assert ledger.lock_caps(tx, read).vm_provider == "other"
            assert not {"sim", "other"} & set(self.free_providers(shared))

    @staticmethod
    def free_providers(store: Store) -> Sequence[str]:
        """Names of the provider configs that nobody holds."""
        with store.write() as tx:
            query = select(DocumentRow.name).where(DocumentRow.kind == "vm_provider")
            return tx.scalars(query.with_for_update(skip_locked=True)).all()


class TestRows:
    """Each way of holding a row."""

    def test_a_server(self, shared: Store) -> None:
        server_id = reserve_one(shared)
        with shared.write() as tx:
            read = tx.get_one(ServerRow, server_id)
            assert read.state == ServerState.REQUESTED
            with shared.write() as other:
                transition(other, lock_server(other, server_id), ServerState.PREPARING, "meanwhile", utc_now())
            lock_server(tx, server_id)
            assert read.state == ServerState.PREPARING

    def test_a_pool(self, shared: Store) -> None:
        with shared.write() as tx:
            documents.get_row(tx, "pool", "demo")
            change(shared, "pool", "demo", server_assignment_enabled=True)
            lock_pool(tx, "demo")
            assert documents.get_row(tx, "pool", "demo").body["server_assignment_enabled"] is True

    def test_the_count_of_applies(self, shared: Store) -> None:
        with shared.write() as tx:
            read = tx.get_one(InstallationRow, 1)
            before = read.revision
            change(shared, "pool", "demo", description="meanwhile")
            assert documents.next_revision(tx) == read.revision == before + 2

    @pytest.mark.parametrize(
        "hold",
        [
            lambda tx: documents.get_row(tx, "pool", "demo", lock=True),
            lambda tx: lock_pool(tx, "demo"),
        ],
        ids=["by its document", "by its pool"],
    )
    def test_what_this_transaction_itself_has_changed_stays(
        self, shared: Store, hold: Callable[[Session], object]
    ) -> None:
        with shared.write() as tx:
            row = documents.get_row(tx, "pool", "demo")
            row.shape_revision = 4711
            hold(tx)
            assert row.shape_revision == 4711


class TestNamesOfAPIKeys:
    """A name that somebody else takes at the same moment."""

    def test_the_second_is_told_so(self, shared: Store) -> None:
        with ThreadPoolExecutor(1) as other:
            with shared.write() as tx:
                create_key(tx, "portal", Role.READ, utc_now())
                second = other.submit(self.create, shared)
                while not second.done() and not self.somebody_waits(shared):
                    time.sleep(0.01)
            with pytest.raises(APIKeyProblem, match="named 'portal' exists: choose another name"):
                second.result(timeout=60)

    @staticmethod
    def create(store: Store) -> None:
        with store.write() as tx:
            create_key(tx, "portal", Role.READ, utc_now())

    @staticmethod
    def somebody_waits(store: Store) -> bool:
        with store.read() as tx:
            return bool(tx.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
