"""The undoing of everything that a server's life has made outside."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow

from workflows.steps import Steps
from workflows.story import Story

with workflow.unsafe.imports_passed_through():
    from activities.contract import Teardown

_LATE = timedelta(seconds=30)
"""A part that takes longer is not waited for before the next begins."""


async def undo_all(steps: Steps, story: Story, teardown: Teardown) -> None:
    """Undo in reverse order, each part on its own and without end.

    Each part begins when the one before is undone, or is late: a dead DNS server must not keep a VM alive.
    """
    zone = story.zone
    parts: list[tuple[str, Callable[[str], Coroutine[Any, Any, None]]]] = []
    if teardown.dns:
        parts.append(("its DNS records to be removed", steps.remove_dns))
    parts.append(("the provider to prove the VM gone", steps.delete_machine))
    if teardown.computer_record:
        parts.append(("its computer record to be deleted", steps.delete_computer_record))
    begun: list[asyncio.Task[None]] = []
    for what, undo in parts:
        if begun:
            await _undone_or_late(begun[-1], story)
        story.wait_for(what)
        begun.append(asyncio.create_task(undo(zone)))
    await asyncio.gather(*begun)


async def _undone_or_late(part: asyncio.Task[None], story: Story) -> None:
    try:
        await workflow.wait_condition(part.done, timeout=_LATE, timeout_summary="before the next part is undone")
    except TimeoutError:
        story.say("that takes long; the rest is undone meanwhile")
