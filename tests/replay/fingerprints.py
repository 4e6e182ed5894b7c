"""What a history shows that its workflow asked Temporal for, in order: just what a replay compares."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from poolwright.domain.identities import SERVER_LIFECYCLE

FILE = Path(__file__).parent / "fingerprints.json"


def fingerprint(history: WorkflowHistory) -> list[str]:
    """The commands of a history, a line each."""
    by_id = {event.event_id: event for event in history.events}
    return [_COMMANDS[event.event_type](event, by_id) for event in history.events if event.event_type in _COMMANDS]


def accepted() -> dict[str, list[str]]:
    """The fingerprints that were accepted, by the name of the history."""
    answer: dict[str, list[str]] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return answer


def accept(fingerprints: Mapping[str, list[str]]) -> None:
    """Accept these fingerprints, and no others."""
    FILE.write_text(json.dumps(fingerprints, indent=1, sort_keys=True) + "\n")


def _activity(event: HistoryEvent) -> str:
    return event.activity_task_scheduled_event_attributes.activity_type.name


def _timer(event: HistoryEvent, by_id: Mapping[int, HistoryEvent]) -> str:
    begun = by_id[1].workflow_execution_started_event_attributes
    # Loops sum up their decision there, in words and figures that are another matter.
    return f"timer: {_value(event.user_metadata.summary)}" if begun.workflow_type.name == SERVER_LIFECYCLE else "timer"


def _search_attributes(event: HistoryEvent) -> str:
    fields = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
    return "search attributes: " + ", ".join(f"{name}={_value(fields[name])}" for name in sorted(fields))


def _marker(event: HistoryEvent) -> str:
    marker = event.marker_recorded_event_attributes
    details = [_value(one) for name in sorted(marker.details) for one in marker.details[name].payloads]
    return f"marker {marker.marker_name}: {', '.join(map(str, details))}"


def _value(payload: Payload) -> Any:
    return json.loads(payload.data)


_COMMANDS: Mapping[EventType.ValueType, Callable[[HistoryEvent, Mapping[int, HistoryEvent]], str]] = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: lambda event, _: f"activity {_activity(event)}",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: lambda event, by_id: (
        "cancel activity " + _activity(by_id[event.activity_task_cancel_requested_event_attributes.scheduled_event_id])
    ),
    EventType.EVENT_TYPE_TIMER_STARTED: _timer,
    EventType.EVENT_TYPE_TIMER_CANCELED: lambda event, by_id: (
        "cancel " + _timer(by_id[event.timer_canceled_event_attributes.started_event_id], by_id)
    ),
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: lambda event, _: _search_attributes(event),
    EventType.EVENT_TYPE_MARKER_RECORDED: lambda event, _: _marker(event),
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: lambda *_: "continue as new",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: lambda *_: "complete",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: lambda *_: "end as cancelled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: lambda *_: "fail",
}
