"""Component logs: startup scripts send their log lines, so that they can be read where the server's story is."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BeforeValidator, ConfigDict, Field

from poolwright.domain.base import Model
from poolwright.domain.check_ins import without_tokens
from poolwright.store.check_ins import LOG_LINES_KEPT, LogLine, append_logs, prune_logs
from poolwright.store.engine import Store
from starter.endpoint.bodies import LogRoute, Text, cut, storable
from starter.endpoint.collaborators import StoreOfApp
from starter.endpoint.errors import documented
from starter.endpoint.tokens import PresentedToken, reporting_server, state_of_reporting

MOST_LINES: Final = 500
MOST_CHARACTERS: Final = 4_000


def _as_text(value: object) -> object:
    """Dates and levels come as numbers too, and missing ones as null."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int | float) else value


SentText = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | float | None)]


class SentLine(Model):
    """One line as scripts send it."""

    model_config = ConfigDict(extra="ignore")

    host: SentText = ""
    """Not kept: the token says which server it is."""
    application: SentText = ""
    levelname: SentText = ""
    message: SentText = ""
    """Cut after 4,000 characters."""
    ingest_date: SentText = ""
    """Kept as it was written."""

    def kept(self) -> LogLine:
        """The line, fit to be kept and shown."""
        return LogLine(
            at=cut(storable(self.ingest_date), 64),
            application=cut(storable(self.application), 255),
            level=storable(self.levelname)[:20],
            message=cut(without_tokens(storable(self.message)), MOST_CHARACTERS),
        )


class ComponentLog(Model):
    """Log lines, oldest first."""

    model_config = ConfigDict(extra="ignore")

    token: Text | None = None
    """The server's token, if it comes neither as a header nor as `?token=`."""
    logs: tuple[SentLine, ...] = Field(max_length=MOST_LINES)


class ComponentLogAnswer(Model):
    """The lines are kept; of each server the newest 5,000."""

    accepted: bool = True
    lines: int


router = APIRouter(route_class=LogRoute, tags=["check-in"])


@router.post(
    "/api/component_log",
    status_code=202,
    summary="Send log lines of a startup script",
    responses=documented(400, 401, 410, 413, 422, 503),
)
async def component_log(sent: ComponentLog, token: PresentedToken, store: StoreOfApp) -> ComponentLogAnswer:
    """At most 500 lines and 1 MiB a call. The newest 5,000 lines of a server are kept."""
    await asyncio.to_thread(_keep, store, token or sent.token, sent)
    return ComponentLogAnswer(lines=len(sent.logs))


def _keep(store: Store, token: str | None, sent: ComponentLog) -> None:
    server_id = reporting_server(store, token)
    with store.write() as tx:
        state_of_reporting(tx, server_id)
        append_logs(tx, server_id, [line.kept() for line in sent.logs], store.clock())
        tx.flush()
        prune_logs(tx, server_id, LOG_LINES_KEPT)
