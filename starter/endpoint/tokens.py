"""Who reports: the check-in token of a server, and whether that server still exists."""

from typing import Annotated

from fastapi import Depends, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session as Transaction

from poolwright.domain.states import ServerState
from poolwright.store.check_in_tokens import TokenRefused, controller_id, signing_key, verify
from poolwright.store.engine import Store
from poolwright.store.servers import UnknownServer, state_of
from starter.endpoint.errors import Refused

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="check-in token",
    description="The server's own token, tag `checkin_jwt` of startup scripts. Also taken as `?token=`.",
)


async def _presented_token(
    header: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    token: Annotated[str | None, Query(description="Instead of the header.")] = None,
) -> str | None:
    return header.credentials if header is not None else token


PresentedToken = Annotated[str | None, Depends(_presented_token)]
"""From the header, or else from the query string."""


def reporting_server(store: Store, token: str | None) -> str:
    """The id of the server whose token this is. Raises `Refused` with 401 without a good token."""
    if not token:
        raise _unauthorized("a token is missing: send it as `Authorization: Bearer TOKEN` or as `?token=TOKEN`")
    with store.read() as tx:
        key, controller = signing_key(tx), controller_id(tx)
    try:
        return verify(key, controller, token)
    except TokenRefused as refusal:
        raise _unauthorized(str(refusal)) from None


def state_of_reporting(tx: Transaction, server_id: str) -> ServerState:
    """The state of the server that reports. Raises `Refused` with 410 if it is gone or going."""
    try:
        state = state_of(tx, server_id)
    except UnknownServer:
        raise Refused(410, f"the server {server_id} is not known here any more: stop reporting") from None
    if state is ServerState.DELETED:
        raise Refused(410, f"the server {server_id} was deleted: stop reporting")
    if state is ServerState.DELETING:
        raise Refused(410, f"the server {server_id} is being deleted: stop reporting")
    return state


def _unauthorized(reason: str) -> Refused:
    return Refused(401, reason, {"WWW-Authenticate": "Bearer"})
