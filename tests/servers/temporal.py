"""Temporal servers of the test run's own: one on the real clock, one whose clock skips over waits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.identities import SEARCH_ATTRIBUTES
from starter import binaries

# With SQLite's default journal the server needs half as much processor time again and does half the work.
WRITE_AHEAD_LOG = ["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"]


@pytest_asyncio.fixture(scope="session")
async def temporal_env() -> AsyncIterator[WorkflowEnvironment]:
    """The real server, in memory and on the real clock, with Poolwright's search attributes.

    Shared by all tests of a run: use workflow ids and a task queue of your own, and bound every wait.
    """
    search_attributes = [f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(binaries.temporal_binary()),
        dev_server_log_level="error",
        dev_server_extra_args=[*WRITE_AHEAD_LOG, *search_attributes],
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment


@asynccontextmanager
async def start_time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """The test server, with Poolwright's search attributes. Its one clock skips while a result is awaited."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(binaries.test_server_binary()),
        data_converter=pydantic_data_converter,
    ) as environment:
        await _register_search_attributes(environment.client)
        yield environment


@pytest_asyncio.fixture(scope="session")
async def time_skipping_env() -> AsyncIterator[WorkflowEnvironment]:
    """A test server shared by all tests of a run, and so is its clock: it only ever goes forward."""
    async with start_time_skipping() as environment:
        yield environment


async def _register_search_attributes(client: Client) -> None:
    # Without this, each workflow task that sets one fails and is tried again for ever: the test would hang, not fail.
    types = {
        name: IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{kind.upper()}") for name, kind in SEARCH_ATTRIBUTES.items()
    }
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=client.namespace, search_attributes=types)
    )
