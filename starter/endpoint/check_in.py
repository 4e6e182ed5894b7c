"""Check-in: a VM's startup script tells how far it is."""

import asyncio
import math
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BeforeValidator, ConfigDict, Field
from temporalio.service import RPCError

from poolwright.domain.base import Model
from poolwright.domain.check_ins import matters, without_tokens
from poolwright.domain.servers import CheckInStatus
from poolwright.domain.states import ServerState
from poolwright.store.check_ins import record_check_in
from poolwright.store.engine import Store
from starter.endpoint.bodies import JSONRoute, cut, storable
from starter.endpoint.collaborators import SignalsOfApp, StoreOfApp
from starter.endpoint.errors import TryAgain, documented
from starter.endpoint.tokens import PresentedToken, reporting_server, state_of_reporting

MOST_MESSAGE_CHARACTERS: Final = 2_000


def _percent(value: object) -> object:
    """Scripts send the number as text, or an empty text when they have none."""
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
        if not value:
            return None
        try:
            value = float(value)
        except ValueError:
            raise ValueError("must be a number from 0 to 100, such as 40 or '40'") from None
    if isinstance(value, bool):
        raise ValueError("must be a number from 0 to 100, such as 40 or '40'")  # noqa: TRY004
    if isinstance(value, float):
        if not math.isfinite(value) or not 0 <= value <= 100:
            raise ValueError("must be a number from 0 to 100")
        return math.floor(value)
    return value


class CheckIn(Model):
    """What startup scripts send. Keys that are not known here are ignored: scripts written for other versions work."""

    model_config = ConfigDict(extra="ignore")

    status: CheckInStatus
    status_message: str | None = None
    """In words, for whoever waits. Cut after 2,000 characters."""
    status_progress: Annotated[int | None, BeforeValidator(_percent, json_schema_input_type=float | str | None)] = (
        Field(default=None, ge=0, le=100)
    )
    """Percent, as a number or as text; fractions are cut off."""

    images: tuple[Annotated[str, Field(min_length=1, max_length=512)], ...] = Field(default=(), max_length=1_000)
    """Docker agents: container images that are pulled already; sessions of these are placed here first."""

    @property
    def message(self) -> str:
        """The message, fit to be kept and shown."""
        return cut(without_tokens(storable(self.status_message or "")), MOST_MESSAGE_CHARACTERS)


class CheckInAnswer(Model):
    """The report is stored, and the server's life knows of it if it makes a difference."""

    accepted: bool = True
    server_id: str
    state: ServerState
    """Where the server was in its life before this report."""


router = APIRouter(route_class=JSONRoute, tags=["check-in"])


@router.post(
    "/api/set_server_status",
    status_code=202,
    summary="Report how far a startup script is",
    responses=documented(400, 401, 410, 413, 422, 503),
)
async def set_server_status(
    report: CheckIn, token: PresentedToken, store: StoreOfApp, signals: SignalsOfApp
) -> CheckInAnswer:
    """May be repeated at any time; a repeated `running` only shows that the server is alive.

    - 410: the server is gone or going, stop reporting.
    - 503: the report is stored but could not be passed on, send it again after `Retry-After` seconds.
    """
    server_id, state, is_news = await asyncio.to_thread(_store_report, store, token, report)
    if is_news:
        try:
            await signals.check_in(server_id, report.status, report.message)
        except RPCError:
            raise TryAgain("the report is stored, but Temporal is away and cannot be told: send it again") from None
    return CheckInAnswer(server_id=server_id, state=state)


def _store_report(store: Store, token: str | None, report: CheckIn) -> tuple[str, ServerState, bool]:
    server_id = reporting_server(store, token)
    with store.write() as tx:
        state = state_of_reporting(tx, server_id)
        before = record_check_in(
            tx,
            server_id,
            report.status,
            report.message,
            report.status_progress,
            store.clock(),
            images=[storable(image) for image in report.images],
        )
        return server_id, state, matters(report.status, before, state)
