"""Who calls the session API: API keys and their roles."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from poolwright.store.api_keys import APIKey, Role, find_key
from poolwright.store.engine import Store
from starter.endpoint.collaborators import StoreOfApp
from starter.endpoint.errors import Refused

_RANK: Final = {Role.READ: 0, Role.BROKER: 1, Role.ADMIN: 2}

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="`poolwright api-key create` makes one.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="API key in a header of its own")


async def _caller(
    store: StoreOfApp,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    header: Annotated[str | None, Depends(_header)],
) -> APIKey:
    secret = bearer.credentials if bearer is not None else header
    if not secret:
        raise _unauthorized("an API key is missing: send it as `Authorization: Bearer KEY` or as `X-API-Key: KEY`")
    key = await asyncio.to_thread(_find, store, secret)
    if key is None:
        raise _unauthorized("the API key is not known here, or it was revoked")
    return key


def may_see_credentials(key: APIKey) -> bool:
    """True for roles that hand sessions over to people."""
    return _RANK[key.role] >= _RANK[Role.BROKER]


def _at_least(role: Role) -> Callable[[APIKey], Awaitable[APIKey]]:
    async def check(key: Annotated[APIKey, Depends(_caller)]) -> APIKey:
        if _RANK[key.role] < _RANK[role]:
            raise Refused(403, f"the API key {key.name} has the role {key.role}; this needs {role}")
        return key

    return check


def _find(store: Store, secret: str) -> APIKey | None:
    with store.read() as tx:
        return find_key(tx, secret)


def _unauthorized(reason: str) -> Refused:
    return Refused(401, reason, {"WWW-Authenticate": "Bearer"})


Reader = Annotated[APIKey, Depends(_at_least(Role.READ))]
Broker = Annotated[APIKey, Depends(_at_least(Role.BROKER))]
