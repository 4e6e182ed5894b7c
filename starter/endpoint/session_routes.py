"""The session API: request, look, wait, end."""

from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Query
from pydantic import Field, StringConstraints

from poolwright.domain.base import Model
from poolwright.domain.resources import Name, StagingPermissions
from poolwright.domain.servers import SessionKind
from poolwright.store.sessions import SessionRequest
from starter.answers import SessionAnswer
from starter.endpoint.bodies import JSONRoute, Text
from starter.endpoint.callers import Broker, Reader, may_see_credentials
from starter.endpoint.collaborators import Sessions
from starter.endpoint.errors import documented
from starter.limits import HIGHEST_PRIORITY, MOST_KEY_CHARACTERS, MOST_REASON_CHARACTERS, MOST_USER_CHARACTERS

MOST_WAIT_SECONDS: Final = 300
MOST_SESSIONS: Final = 5_000

WaitSeconds = Annotated[
    float,
    Query(ge=0, le=MOST_WAIT_SECONDS, description="Answer once the session is assigned or ended, at the latest then."),
]
SessionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,32}$", description="The session's id.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=rf"^[\x21-\x7e]{{1,{MOST_KEY_CHARACTERS}}}$",
        description="Printable ASCII without spaces. The same key (of the same API key) gives the same session.",
    ),
]
Reason = Annotated[Text, StringConstraints(max_length=MOST_REASON_CHARACTERS)]


class NewSession(Model):
    """Whom a session is for, and what kind of."""

    pool: Name
    user: Annotated[Text, StringConstraints(min_length=1, max_length=MOST_USER_CHARACTERS)]
    """The person, by whatever name the broker knows them."""
    kind: SessionKind = SessionKind.DESKTOP
    workspace: Name | None = None
    """Docker agent pools: what to start."""
    zone: Name | None = None
    """Where the person is; left out: anywhere."""
    priority: int = Field(default=0, ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY)
    """Higher is served first."""
    permissions: StagingPermissions = StagingPermissions()
    """Docker agent pools: what the person may do. A staged session is handed over only to those with the same."""


class EndOfSession(Model):
    """Why a session ends."""

    reason: Reason | None = None
    """Left out: by whom it was ended."""


class SessionList(Model):
    """Sessions in the order of their requests, without connections."""

    sessions: tuple[SessionAnswer, ...]


router = APIRouter(route_class=JSONRoute, tags=["sessions"])


@router.post(
    "/api/sessions",
    status_code=201,
    summary="Request a session",
    responses=documented(400, 401, 403, 404, 409, 413, 422, 503),
)
async def request_session(
    wanted: NewSession,
    caller: Broker,
    sessions: Sessions,
    idempotency_key: IdempotencyKey = None,
    wait_seconds: WaitSeconds = 0,
) -> SessionAnswer:
    """With room the answer is `assigned` at once; otherwise the session is `queued`, and servers are made for it."""
    # By caller, so that two brokers that count from 1 do not get each other's sessions.
    request_key = None if idempotency_key is None else f"{caller.id}:{idempotency_key}"
    request = SessionRequest(**wanted.model_dump(), request_key=request_key)
    return await sessions.request(request, wait_seconds=wait_seconds)


@router.get("/api/sessions", summary="List sessions", responses=documented(401, 404, 422, 503))
async def list_sessions(
    _caller: Reader,
    sessions: Sessions,
    pool: Annotated[Name | None, Query(description="Only of this pool.")] = None,
    include_ended: Annotated[bool, Query(alias="all", description="Ended ones too.")] = False,
    limit: Annotated[int, Query(ge=1, le=MOST_SESSIONS, description="Only so many of the newest.")] = 500,
) -> SessionList:
    """In the order of their requests, without connections."""
    return SessionList(sessions=tuple(await sessions.list(pool=pool, ended=include_ended, newest=limit)))


@router.get("/api/sessions/{session_id}", summary="Look at a session", responses=documented(401, 404, 422, 503))
async def get_session(
    session_id: SessionId, caller: Reader, sessions: Sessions, wait_seconds: WaitSeconds = 0
) -> SessionAnswer:
    """With `wait_seconds` it answers when the session is no longer queued."""
    return await sessions.wait(session_id, wait_seconds, with_connection=may_see_credentials(caller))


@router.post(
    "/api/sessions/{session_id}/end",
    summary="End a session",
    responses=documented(400, 401, 403, 404, 413, 422, 503),
)
async def end_session(
    session_id: SessionId, caller: Broker, sessions: Sessions, end: EndOfSession | None = None
) -> SessionAnswer:
    """Or take it out of the queue. May be repeated; the first reason stays."""
    return await sessions.end(session_id, (end and end.reason) or f"ended by {caller.name}")


@router.delete("/api/sessions/{session_id}", summary="End a session", responses=documented(401, 403, 404, 422, 503))
async def delete_session(
    session_id: SessionId, caller: Broker, sessions: Sessions, reason: Annotated[Reason | None, Query()] = None
) -> SessionAnswer:
    """The same as `POST /api/sessions/{session_id}/end`."""
    return await sessions.end(session_id, reason or f"ended by {caller.name}")
