"""Secrets are planted and told by everything that fails; then all that Temporal and the logs hold is searched."""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import pytest_asyncio
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHandle

from activities.contract import CREATE_COMPUTER_RECORD, CREATE_MACHINE, DELETE_MACHINE, REMOVE_DNS, WRITE_DNS
from activities.lifeline import start_sweep
from poolwright.domain.identities import TASK_QUEUE, WATCHDOG, WATCHDOG_ID, sweep_workflow_id
from poolwright.domain.servers import Server
from poolwright.domain.states import ServerState
from poolwright.store import sweeps
from tests.replay.planted import AUTOSCALE, HIDDEN, Blurting, plant, planted_key_ring, secrets_of
from tests.servers.temporal import start_time_skipping
from tests.workflows.scenes import Scene, scene

pytestmark = pytest.mark.slow

Handle = WorkflowHandle[Any, Any]
UNFORESEEN = "the worker's log has the details"


class Log(logging.Handler):
    """Keeps what the worker's log would hold, tracebacks and additional fields too."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        """See base class."""
        self.lines.append(f"{self.format(record)} {vars(record)}")


@dataclass
class Seen:
    """All that can be seen, by place."""

    secrets: dict[str, str] = field(default_factory=dict)
    histories: dict[str, bytes] = field(default_factory=dict)
    descriptions: list[bytes] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
    script: str = ""

    def in_bytes(self, text: bytes) -> list[str]:
        """The secrets that are in there."""
        return [what for what, secret in self.secrets.items() if secret.encode() in text]

    async def describe(self, workflow: Handle) -> Sequence[PendingActivityInfo]:
        """Keep what a description of the workflow says now: search attributes, memo, last failures of activities."""
        description = await workflow.describe()
        said = f"{await description.memo()} {description.typed_search_attributes}".encode()
        self.descriptions.append(said + description.raw_description.SerializeToString())
        return description.raw_description.pending_activities

    async def keep(self, workflow: Handle) -> None:
        """Keep everything about a workflow."""
        await self.describe(workflow)
        history = await workflow.fetch_history()
        decoded = b"".join(event.SerializeToString() for event in history.events)
        self.histories[workflow.id] = history.to_json().encode() + decoded
        metadata = await workflow.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        self.details[workflow.id] = f"{metadata.current_details} {metadata}"


class Story:
    """The life of one server and all loops around it, with a failure at each step."""

    def __init__(self, poolwright: Scene, blurting: Blurting, seen: Seen) -> None:
        self._poolwright, self._blurting, self._seen = poolwright, blurting, seen

    async def tell(self) -> None:
        """From the row to the end, then the loops."""
        server = await self._boots()
        await self._is_used_and_goes(server)
        await self._seen.keep(self._poolwright.life(server))
        for workflow in [await self._poolwright.loop(), *await self._sweeps(), await self._watchdog()]:
            await self._seen.keep(workflow)

    async def _boots(self) -> Server:
        blurting = self._blurting
        blurting.directory_fails()
        blurting.names_fail()
        blurting.provider_has_a_bug("create")
        server = await self._poolwright.live()
        await self._fails(server, CREATE_COMPUTER_RECORD, HIDDEN)
        blurting.directory.errors.clear()
        await self._fails(server, CREATE_MACHINE, UNFORESEEN)
        blurting.mend_provider()
        blurting.provider_fails("create")
        await self._fails(server, CREATE_MACHINE, "with user data")
        blurting.mend_provider()
        await self._fails(server, WRITE_DNS, HIDDEN)
        blurting.mend()
        await self._poolwright.check_in(server, "configuring", "installing")
        await self._poolwright.check_in(server)
        await self._poolwright.until(lambda: self._poolwright.states(server)[-1] == "running", within_seconds=300)
        self._seen.script = self._poolwright.living()[0].startup_script.get_secret_value()
        return server

    async def _is_used_and_goes(self, server: Server) -> None:
        session = await self._poolwright.request("ada")
        await self._poolwright.signals.drain(server.id, "the image is old")
        await self._poolwright.until_told(server, ServerState.DRAINING)
        self._blurting.names_fail()
        self._blurting.provider_fails("delete")
        await self._poolwright.end(session)
        await self._fails(server, REMOVE_DNS, HIDDEN)
        await self._fails(server, DELETE_MACHINE, HIDDEN)
        self._blurting.mend()
        await self._poolwright.ended(server)

    async def _fails(self, server: Server, step: str, words: str) -> None:
        """Wait until a description shows that the step has failed with these words and is to be tried again."""

        async def shows_it() -> bool:
            pending = await self._seen.describe(self._poolwright.life(server))
            if any(one.activity_type.name == step and words in one.last_failure.message for one in pending):
                return True
            await self._poolwright.skip(2)
            return False

        await self._poolwright.soon(shows_it)

    async def _sweeps(self) -> list[Handle]:
        self._blurting.names_fail()
        self._blurting.directory_fails()
        self._blurting.provider_fails("list_owned")
        client = self._poolwright.client
        configs = [("vm_provider", "sim"), ("dns_provider", "names"), ("ldap", "corp")]
        for kind, name in configs:
            await start_sweep(client, kind, name)

        def have_had_problems() -> bool:
            with self._poolwright.store.read() as tx:
                rounds = [sweeps.sweep_state(tx, kind, name).last_round for kind, name in configs]
            return all(one is not None and HIDDEN in (one.problem or "") for one in rounds)

        await self._poolwright.soon(have_had_problems)
        self._blurting.mend()
        return [client.get_workflow_handle(sweep_workflow_id(kind, name)) for kind, name in configs]

    async def _watchdog(self) -> Handle:
        # The test server cannot list workflows.
        with patch("activities.watchdog._running", return_value=set()):
            watchdog = await self._poolwright.client.start_workflow(WATCHDOG, id=WATCHDOG_ID, task_queue=TASK_QUEUE)
            await watchdog.result()
        return watchdog


@pytest_asyncio.fixture(scope="module")
async def seen(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seen]:
    """What could be seen of an installation in which everything failed once."""
    seen, blurting = Seen(), Blurting()
    directory: Path = tmp_path_factory.mktemp("secrets")
    ours = [logging.getLogger(name) for name in ("activities", "workflows", "poolwright", "starter", "temporalio")]
    logging.getLogger().addHandler(seen.log)
    levels = [logger.level for logger in ours]
    for logger in ours:
        logger.setLevel(logging.DEBUG)
    try:
        with planted_key_ring():
            async with (
                start_time_skipping() as server,
                scene(server, directory, working=False, **AUTOSCALE) as poolwright,
            ):
                plant(poolwright)
                seen.secrets = secrets_of(poolwright.store)
                with blurting.working():
                    poolwright.start_working()
                    await Story(poolwright, blurting, seen).tell()
        yield seen
    finally:
        logging.getLogger().removeHandler(seen.log)
        for logger, level in zip(ours, levels, strict=True):
            logger.setLevel(level)


class TestNoSecretIsShown:
    """Each place on its own, so that a leak is named."""

    async def test_there_was_something_to_hide(self, seen: Seen) -> None:
        in_the_script = set(seen.in_bytes(seen.script.encode()))
        assert in_the_script == {"the connection's password", "a join password", "a check-in token"}
        assert any(HIDDEN in line for line in seen.log.lines)

    async def test_not_in_histories(self, seen: Seen) -> None:
        assert len(seen.histories) == 6
        assert {name: seen.in_bytes(text) for name, text in seen.histories.items() if seen.in_bytes(text)} == {}

    async def test_not_in_descriptions(self, seen: Seen) -> None:
        assert any(HIDDEN.encode() in text for text in seen.descriptions)
        assert [found for text in seen.descriptions if (found := seen.in_bytes(text))] == []

    async def test_not_in_details(self, seen: Seen) -> None:
        assert all(text.strip() for text in seen.details.values())
        assert {
            name: seen.in_bytes(text.encode()) for name, text in seen.details.items() if seen.in_bytes(text.encode())
        } == {}

    async def test_not_in_the_worker_s_log(self, seen: Seen) -> None:
        assert [(line, found) for line in seen.log.lines if (found := seen.in_bytes(line.encode()))] == []
