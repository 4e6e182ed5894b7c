"""Pools and servers, to look at."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator

from poolwright.domain.base import Model
from poolwright.domain.resources import Name
from poolwright.domain.servers import Server
from poolwright.store.engine import Store
from starter import answering
from starter.answers import Explanation, PoolAnswer, ServerAnswer
from starter.endpoint.callers import Reader
from starter.endpoint.collaborators import Sessions, StoreOfApp
from starter.endpoint.errors import documented


class PoolList(Model):
    """All pools by name."""

    pools: tuple[PoolAnswer, ...]


class ServerList(Model):
    """Servers, oldest first."""

    servers: tuple[Server, ...]


def _in_utc(time: datetime) -> datetime:
    """A time without a zone is meant in UTC."""
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


PoolName = Annotated[Name, Path(description="The pool's name.")]
ServerName = Annotated[str, Path(pattern=r"^[A-Za-z0-9.-]{1,63}$", description="The server's id or host name.")]
At = Annotated[
    Annotated[datetime, AfterValidator(_in_utc)] | None,
    Query(description="As of this time, such as `2030-01-31T09:00:00Z`; without a zone it is meant in UTC."),
]

router = APIRouter(tags=["pools and servers"])


@router.get("/api/pools", summary="List pools", responses=documented(401, 503))
async def list_pools(_caller: Reader, store: StoreOfApp) -> PoolList:
    """With the counts of their servers and sessions."""
    return PoolList(pools=await asyncio.to_thread(_pools, store))


@router.get("/api/pools/{name}", summary="Look at a pool", responses=documented(401, 404, 422, 503))
async def get_pool(name: PoolName, _caller: Reader, store: StoreOfApp) -> PoolAnswer:
    """With the counts of its servers and sessions."""
    return await asyncio.to_thread(_pool, store, name)


@router.get(
    "/api/pools/{name}/explain",
    summary="Why a pool is as large as it is",
    responses=documented(401, 404, 422, 503),
)
async def explain_pool(name: PoolName, _caller: Reader, sessions: Sessions, at: At = None) -> Explanation:
    """The last scaling decision: its figures, what it does, and why nothing more and nothing less."""
    return await sessions.explain(name, at)


@router.get("/api/servers", summary="List servers", responses=documented(401, 404, 422, 503))
async def list_all_servers(
    _caller: Reader,
    store: StoreOfApp,
    pool: Annotated[Name | None, Query(description="Only of this pool.")] = None,
) -> ServerList:
    """Oldest first, without deleted ones."""
    return ServerList(servers=await asyncio.to_thread(_servers, store, pool))


@router.get("/api/servers/{name}", summary="Look at a server", responses=documented(401, 404, 422, 503))
async def get_one_server(name: ServerName, _caller: Reader, store: StoreOfApp) -> ServerAnswer:
    """With its story. Deleted ones are found too."""
    return await asyncio.to_thread(_server, store, name)


def _pools(store: Store) -> tuple[PoolAnswer, ...]:
    with store.read() as tx:
        return tuple(answering.answer_pools(tx))


def _pool(store: Store, name: str) -> PoolAnswer:
    with store.read() as tx:
        return answering.answer_pool(tx, name)


def _servers(store: Store, pool: str | None) -> tuple[Server, ...]:
    with store.read() as tx:
        return tuple(answering.answer_servers(tx, pool))


def _server(store: Store, name: str) -> ServerAnswer:
    with store.read() as tx:
        return answering.answer_server(tx, name)
