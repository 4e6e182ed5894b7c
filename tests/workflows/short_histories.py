"""The real server, made to suggest a new run early: what takes months otherwise takes a second."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from poolwright.domain.identities import SEARCH_ATTRIBUTES
from starter import binaries
from tests.servers.temporal import WRITE_AHEAD_LOG

SUGGESTED_EVENTS = 80
"""More than a whole life that nothing interrupts."""


@asynccontextmanager
async def start_with_short_histories() -> AsyncIterator[WorkflowEnvironment]:
    """A server that suggests a new run after `SUGGESTED_EVENTS`."""
    search_attributes = [f"--search-attribute={name}={kind}" for name, kind in SEARCH_ATTRIBUTES.items()]
    suggestion = f"limit.historyCount.suggestContinueAsNew={SUGGESTED_EVENTS}"
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(binaries.temporal_binary()),
        dev_server_log_level="error",
        dev_server_extra_args=[*WRITE_AHEAD_LOG, *search_attributes, "--dynamic-config-value", suggestion],
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment
