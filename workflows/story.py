"""What an operator reads on a server's page in the Temporal Web UI."""

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from activities.contract import Life
    from poolwright.domain.states import ServerState

_STATE = SearchAttributeKey.for_keyword("ServerState")
_LONGEST = 40
"""Lines of a story that are shown; a server that drains and undrains for months has more."""

_HELP = """
### What you can do

| action | effect |
|---|---|
| signal `drain` | no new session; the server goes when it is empty. Input: the reason, as a JSON string |
| signal `undrain` | take sessions again |
| signal `delete` | tear down now, unless it serves: then drain first. Input: the reason, as a JSON string |
| signal `terminate` | tear down now; sessions on it end. Input: the reason, as a JSON string |
| *Request Cancellation* | drain, then tear down |
| *Terminate* | loses only this page: the watchdog begins the life again from its row within a minute |
"""


class Story:
    """State, story and help as Markdown, kept current as the live details of the workflow."""

    def __init__(self, server_id: str) -> None:
        self.state = ServerState.REQUESTED
        self.zone = ""
        self._server_id = server_id
        self._heading = f"server `{server_id}`"
        self._lines: list[str] = []
        self._waits_for = ""

    def begin(self, life: Life) -> None:
        """Begin with what the row says."""
        self.zone = life.zone
        self._heading = (
            f"`{life.hostname}` (server `{life.server_id}`) "
            f"of pool `{life.pool}` in zone `{life.zone}` on {life.provider}"
        )
        again = life.state is not ServerState.PREPARING
        self.enter(life.state, "its life goes on from its row" if again else "its life has begun")

    def enter(self, state: ServerState, reason: str) -> None:
        """The server is in this state now, for this reason."""
        if state is not self.state:
            self.state = state
            workflow.upsert_search_attributes([_STATE.value_set(state.value)])
        self._waits_for = ""
        self.say(f"**{state}**: {reason}")

    def say(self, what: str) -> None:
        """Add a line to the story."""
        self._lines = [*self._lines, f"- {workflow.now():%Y-%m-%d %H:%M:%S} {what}"][-_LONGEST:]
        self._show()

    def wait_for(self, what: str) -> None:
        """The server waits for this now."""
        self._waits_for = what
        self._show()

    def markdown(self) -> str:
        """All of it."""
        parts = [f"## {self.state}", "", self._heading]
        if self._waits_for:
            parts += ["", f"**Waits for** {self._waits_for}"]
        return "\n".join([*parts, "", "### Story (UTC)", "", *self._lines, _HELP])

    def _show(self) -> None:
        workflow.set_current_details(self.markdown())
