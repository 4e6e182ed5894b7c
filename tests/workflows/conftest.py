"""A time-skipping server for each test: its clock and its workflows are nobody else's."""

from collections.abc import AsyncIterator

import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.servers.temporal import start_time_skipping


@pytest_asyncio.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A time-skipping server."""
    async with start_time_skipping() as environment:
        yield environment
