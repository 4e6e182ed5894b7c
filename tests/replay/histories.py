"""Recorded histories as files: one folder per workflow, one file per path through it, one event a line."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from temporalio.client import WorkflowHistory

DIRECTORY = Path(__file__).parent / "histories"

_NOT_REPLAYED = frozenset(
    (
        # When and where it was recorded.
        *("identity", "stackTrace", "requestId", "taskId", "historySizeBytes", "workerVersion", "binaryChecksum"),
        # How long what was asked for might have taken, and how often it might have been tried.
        *("scheduleToCloseTimeout", "scheduleToStartTimeout", "startToCloseTimeout", "heartbeatTimeout", "retryPolicy"),
        *("workflowExecutionTimeout", "workflowRunTimeout", "workflowTaskTimeout", "firstWorkflowTaskBackoff"),
        *("workflowTaskCompletedEventId", "meteringMetadata", "header", "kind"),
    )
)
"""What a replay does not read: left out, so that the files are small and name no machine."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def names() -> list[str]:
    """Names of all recorded histories: `workflow/path`, in order."""
    return sorted(str(file.relative_to(DIRECTORY).with_suffix("")) for file in DIRECTORY.glob("*/*.json"))


def file_of(name: str) -> Path:
    """The file of this history."""
    return DIRECTORY / f"{name}.json"


def read(name: str) -> WorkflowHistory:
    """The recorded history of this name."""
    return WorkflowHistory.from_json(name, file_of(name).read_text())


def write(name: str, history: WorkflowHistory) -> None:
    """Record the history under this name, in place of an older one."""
    events = (json.dumps(_replayed(event), separators=(",", ":")) for event in history.to_json_dict()["events"])
    file = file_of(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_with_numbered_runs('{"events": [\n' + ",\n".join(events) + "\n]}\n"))


def _replayed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replayed(one) for key, one in value.items() if key not in _NOT_REPLAYED}
    if isinstance(value, list):
        return [_replayed(one) for one in value]
    return value


def _with_numbered_runs(text: str) -> str:
    """Run ids in their order instead of at random: a recording that is made again differs in less."""
    numbers = {found: str(UUID(int=number)) for number, found in enumerate(dict.fromkeys(_UUID.findall(text)), start=1)}
    return _UUID.sub(lambda found: numbers[found[0]], text)
