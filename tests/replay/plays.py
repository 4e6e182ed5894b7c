"""What is played to record histories: the name of a play is the name of its path through its workflow."""

import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from poolwright.store import identifiers
from tests.servers.temporal import start_time_skipping
from tests.workflows.scenes import Scene, scene
from tests.workflows.short_histories import SUGGESTED_EVENTS, start_with_short_histories

Handle = WorkflowHandle[Any, Any]
Act = Callable[[Scene], Awaitable[Handle]]


@dataclass(frozen=True)
class Play:
    """One path through a workflow, to its end."""

    workflow: str
    path: str
    act: Act
    """Gives the handle of the workflow, or of its run, whose history is to be recorded."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the scene."""
    short_histories: bool = False
    """On the server that suggests a new run after a few events."""

    @property
    def name(self) -> str:
        """The name of its history."""
        return f"{self.workflow}/{self.path}"

    async def perform(self, directory: Path) -> WorkflowHistory:
        """Play it on a server of its own, with its files in this directory."""
        # Ids that are the same each time make recordings that can be compared.
        same_ids = patch.object(identifiers, "secrets", random.Random(self.name))
        async with self._server() as environment:
            with same_ids:
                async with scene(environment, directory, **self.settings) as poolwright:
                    return await (await self.act(poolwright)).fetch_history()

    def _server(self) -> AbstractAsyncContextManager[WorkflowEnvironment]:
        return start_with_short_histories() if self.short_histories else start_time_skipping()


class Plays(list[Play]):
    """The plays of one workflow."""

    def __init__(self, workflow: str) -> None:
        super().__init__()
        self._workflow = workflow

    def play(self, *, short_histories: bool = False, **settings: Any) -> Callable[[Act], Act]:
        """Make a function a play with these settings of its scene."""

        def add(act: Act) -> Act:
            self.append(Play(self._workflow, act.__name__, act, settings, short_histories))
            return act

        return add


async def events_left(workflow: Handle) -> int:
    """How many more events a workflow must have before a new run is suggested."""
    return SUGGESTED_EVENTS - len((await workflow.fetch_history()).events)
