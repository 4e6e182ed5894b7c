"""Temporal servers for tests of workflows."""

from collections.abc import AsyncIterator

import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.servers.temporal import start_time_skipping
from tests.workflows.short_histories import start_with_short_histories


@pytest_asyncio.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping server for each test: its clock and its workflows are nobody else's."""
    async with start_time_skipping() as environment:
        yield environment


@pytest_asyncio.fixture(scope="session")
async def short_histories() -> AsyncIterator[WorkflowEnvironment]:
    """The real server, on the real clock, that lets workflows go on in a new run after a few events. Shared by all
    tests of a run."""
    async with start_with_short_histories() as environment:
        yield environment
