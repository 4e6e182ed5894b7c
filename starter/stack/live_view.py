"""The live view of `poolwright up`: servers with their states, the last decisions in words, where to look."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from poolwright.domain.base import Model
from poolwright.domain.servers import Server, Session
from poolwright.domain.states import ServerState
from poolwright.store import scaling, sessions
from poolwright.store.engine import Store
from poolwright.store.servers import list_servers
from starter.stack.running import RunningStack
from starter.terminal import printable

_COLOURS = {
    ServerState.RUNNING: "green",
    ServerState.DRAINING: "yellow",
    ServerState.FAILED: "red",
    ServerState.DELETING: "magenta",
}
_MOST_SERVERS = 20


class View(Model):
    """What is shown, read in one transaction."""

    servers: tuple[Server, ...]
    sessions: tuple[Session, ...]
    decisions: tuple[scaling.Decision, ...]


def read_view(store: Store) -> View:
    """The state of affairs."""
    with store.read() as tx:
        pools = sorted({scaling.load_autoscale(tx, name).pool for name in scaling.autoscale_names(tx)})
        return View(
            servers=tuple(list_servers(tx)),
            sessions=tuple(sessions.list_sessions(tx)),
            decisions=tuple(decision for pool in pools for decision in scaling.latest_decisions(tx, pool)),
        )


def render(view: View, stack: RunningStack, problems: Sequence[str], now: datetime) -> RenderableType:
    """One frame."""
    parts: list[RenderableType] = [_servers(view, now)]
    if len(view.servers) > _MOST_SERVERS:
        parts.append(Text(f"... and {len(view.servers) - _MOST_SERVERS} more: poolwright server list", style="dim"))
    for decision in view.decisions:
        why = printable(decision.plan.reasons[0]) if decision.plan.reasons else "nothing to do"
        parts.append(Text.from_markup(f"[bold]{escape(decision.pool)}[/] {decision.at:%H:%M:%S}  {escape(why)}"))
    parts += [Text(printable(problem), style="red") for problem in problems]
    parts += [Text(""), _whereabouts(stack)]
    return Group(*parts)


def _servers(view: View, now: datetime) -> Table:
    table = Table(title="Servers", title_justify="left", expand=True)
    for column, ratio in (("server", 2), ("pool", 1), ("state", 1), ("progress", 1), ("what it does", 5), ("for", 1)):
        table.add_column(column, ratio=ratio, no_wrap=column != "what it does")
    users: dict[str, list[str]] = {}
    for session in view.sessions:
        if session.server_id is not None:
            users.setdefault(session.server_id, []).append(session.user)
    for server in view.servers[:_MOST_SERVERS]:
        says = f"in use by {', '.join(users[server.id])}" if server.id in users else server.message
        table.add_row(
            server.hostname,
            server.pool,
            Text(server.state.value, style=_COLOURS.get(server.state, "cyan")),
            "" if server.progress is None else ProgressBar(total=100, completed=server.progress),
            Text(printable(says)),
            _age(now - server.state_since),
        )
    waiting = sum(session.server_id is None for session in view.sessions)
    table.caption = f"{len(view.servers)} servers, {len(view.sessions) - waiting} sessions, {waiting} waiting"
    return table


def _whereabouts(stack: RunningStack) -> Text:
    return Text.assemble(
        ("Temporal Web UI  ", "dim"),
        stack.ui_url,
        ("\nAPI and its docs ", "dim"),
        f"{stack.api_url}/docs",
        ("\nAsk for a session", "dim"),
        " poolwright session request --pool demo --user ada --wait",
        ("\nStop             ", "dim"),
        " Ctrl-C; servers keep running and are found again",
    )


def _age(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
