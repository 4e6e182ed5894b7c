"""Whether the process is up, and whether it can do its work."""

import asyncio
import logging
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from poolwright.domain.base import Model
from poolwright.store.engine import Store
from poolwright.store.installation import DatabaseOutdated, check_revision
from starter.endpoint.collaborators import SignalsOfApp, StoreOfApp

_log = logging.getLogger("poolwright.endpoint")


class Up(Model):
    """The process answers."""

    status: Literal["up"] = "up"


class Readiness(Model):
    """Whether everything that the endpoint needs is there."""

    ready: bool
    missing: tuple[Literal["database", "temporal"], ...] = ()
    error: str | None = Field(default=None, description="With 503: what is missing, as a sentence.")


router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Is the process up?")
async def healthz() -> Up:
    """Says nothing about database and Temporal: restarting this process would not mend those."""
    return Up()


@router.get("/readyz", summary="Can it do its work?", responses={503: {"model": Readiness}})
async def readyz(store: StoreOfApp, signals: SignalsOfApp, response: Response) -> Readiness:
    """503 while the database or Temporal does not answer."""
    database, temporal = await asyncio.gather(asyncio.to_thread(_database_problem, store), signals.reachable())
    if database is None and temporal:
        return Readiness(ready=True)
    response.status_code = 503
    problems = [database] if database else []
    if not temporal:
        problems.append("Temporal does not answer")
    return Readiness(
        ready=False,
        missing=(*(("database",) if database else ()), *(() if temporal else ("temporal",))),
        error=" and ".join(problems),
    )


def _database_problem(store: Store) -> str | None:
    try:
        check_revision(store)
    except DatabaseOutdated as outdated:
        return str(outdated)
    except SQLAlchemyError as error:
        _log.warning("the database does not answer: %s", getattr(error, "orig", None) or type(error).__name__)
        return "the database does not answer"
    return None
