"""What tests of workflows need around them: Temporal's servers, and those of the site."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from activities import patience
from tests.servers.bind9 import Nameserver
from tests.servers.organizational_unit import OrganizationalUnit, new_organizational_unit
from tests.servers.samba import DomainController
from tests.servers.temporal import start_time_skipping
from tests.workflows.record_scenes import FOREIGN
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


@pytest.fixture(scope="module")
def unit(domain_controller: DomainController) -> OrganizationalUnit:
    """An OU of the module's own."""
    return new_organizational_unit(domain_controller)


@pytest.fixture
def names(bind9: Nameserver) -> Iterator[Nameserver]:
    """The run's name server, with one foreign record in its zones."""
    bind9.add(FOREIGN)
    yield bind9
    bind9.clear()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries there is no pause."""
    monkeypatch.setattr(patience, "_FIRST_SECONDS", 0.0)
