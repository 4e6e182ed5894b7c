"""When a startup script's report is news to the server's life, and when it only shows that the server is alive."""

import re
from typing import Final

from poolwright.domain.servers import CheckInStatus
from poolwright.domain.states import GOING, ServerState

_WAY_TO_RUNNING: Final = (
    ServerState.REQUESTED,
    ServerState.PREPARING,
    ServerState.CREATING,
    ServerState.BOOTING,
    ServerState.CONFIGURING,
    ServerState.RUNNING,
)

_LEADS_TO: Final = {
    CheckInStatus.STARTING: ServerState.BOOTING,
    CheckInStatus.CONFIGURING: ServerState.CONFIGURING,
    CheckInStatus.RUNNING: ServerState.RUNNING,
}

_TOKEN: Final = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")


def matters(status: CheckInStatus, before: CheckInStatus | None, state: ServerState) -> bool:
    """True if the server's workflow must hear of this report: it differs from the one before, or the server has not yet
    come to where the report leads, because an earlier signal may have been lost.

    Startup scripts may repeat `running` for as long as the server lives; each signal would lengthen its history.
    """
    if status is not before:
        return True
    if status is CheckInStatus.ERROR:
        return state not in GOING
    return state in _WAY_TO_RUNNING and _WAY_TO_RUNNING.index(state) < _WAY_TO_RUNNING.index(_LEADS_TO[status])


def without_tokens(text: str) -> str:
    """The text without what looks like a signed token: scripts that trace their commands print theirs, and providers
    may quote a script that they refuse."""
    return _TOKEN.sub("[token]", text)
