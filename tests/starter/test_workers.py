"""Workers that come and go with the zones."""

import asyncio
import contextlib
import logging
from pathlib import Path

import pytest
from sqlalchemy import text
from temporalio.testing import WorkflowEnvironment

from starter.workers import Workers
from tests.installations import AWAIT_SECONDS, new_store, save

pytestmark = pytest.mark.slow


class TestZones:
    async def test_a_database_that_is_away_for_a_while_ends_no_worker(
        self, temporal_env: WorkflowEnvironment, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "starter.workers")
        store = new_store(f"sqlite:///{tmp_path / 'poolwright.db'}")
        with store.write() as tx:
            tx.execute(text("ALTER TABLE documents RENAME TO documents_away"))
        stop = asyncio.Event()
        workers = Workers(temporal_env.client, store, "127.0.0.1:8780", None, workflows=False)
        working = asyncio.create_task(workers.run(stop))
        with contextlib.closing(store):
            async with asyncio.timeout(AWAIT_SECONDS):
                while "the database does not answer" not in caplog.text:
                    assert not working.done(), working.exception()
                    await asyncio.sleep(0.01)
                with store.write() as tx:
                    tx.execute(text("ALTER TABLE documents_away RENAME TO documents"))
                save(store, "zone", "late", {})
                while "serving zone late" not in caplog.text:
                    assert not working.done(), working.exception()
                    await asyncio.sleep(0.01)
            stop.set()
            await working
