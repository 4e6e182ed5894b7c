"""Every error is answered with `{"error": "a sentence"}`."""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from poolwright.domain.base import Model
from poolwright.store.documents import UnknownDocument
from poolwright.store.servers import UnknownServer
from poolwright.store.sessions import SessionRefused, UnknownSession
from starter.sessions import RequestKeyReused

RETRY_AFTER_SECONDS = 5

_log = logging.getLogger("poolwright.endpoint")


class Problem(Model):
    """One thing that is wrong with a request."""

    where: str
    """`body.status`, `query.wait_seconds`, ..."""
    what: str


class ErrorAnswer(Model):
    """What every error is answered with."""

    error: str
    """A sentence for people."""
    problems: tuple[Problem, ...] = Field(default=(), description="With 422: each thing that is wrong.")


class Refused(HTTPException):
    """Answer with this status and sentence."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, sentence, dict(headers or {}))


class TryAgain(Refused):
    """503: something that the endpoint needs is away for the moment."""

    def __init__(self, sentence: str) -> None:
        super().__init__(503, sentence, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These error statuses for a route's `responses`."""
    return {status: {"model": ErrorAnswer} for status in statuses}


def install_error_handlers(app: FastAPI) -> None:
    """Answer the errors of requests, of the store and of the session rules. What is not listed here is a bug: see
    `starter.endpoint.incidents`."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    for unknown in (UnknownDocument, UnknownServer, UnknownSession):
        app.add_exception_handler(unknown, _not_found)
    app.add_exception_handler(SessionRefused, _session_refused)
    app.add_exception_handler(RequestKeyReused, _conflict)
    for away in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(away, _database_away)


def answer(status: int, sentence: str, headers: Mapping[str, str] | None = None, **more: object) -> JSONResponse:
    """An error as a response."""
    return JSONResponse({"error": sentence, **more}, status, dict(headers or {}))


_SENTENCES = {
    400: "the body cannot be read as JSON: send one JSON object in UTF-8",
    404: "there is nothing at this address: see /docs",
}


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refused):
        return answer(error.status_code, error.detail, error.headers)
    if error.status_code == 405:
        methods = _methods_here(request) or ["GET"]
        sentence = f"{request.method} is not understood here: use {' or '.join(methods)}"
        return answer(405, sentence, {"Allow": ", ".join(methods)})
    return answer(error.status_code, _SENTENCES.get(error.status_code, error.detail), error.headers)


def _methods_here(request: Request) -> list[str]:
    """Of every route with this path: the router itself names those of the first only. None where files are served."""
    scopes = ({**request.scope, "method": method} for method in ("DELETE", "GET", "PATCH", "POST", "PUT"))
    return [
        scope["method"]
        for scope in scopes
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes if not isinstance(route, Mount))
    ]


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return answer(400, _SENTENCES[400])
    problems = [Problem(where=_where(one["loc"]), what=_what(one)) for one in found[:20]]
    sentence = "; ".join(f"{problem.where} {problem.what}" for problem in problems[:3])
    if len(found) > 3:
        sentence += f"; and {len(found) - 3} more"
    return answer(422, sentence, problems=[problem.model_dump() for problem in problems])


async def _not_found(_request: Request, error: Exception) -> JSONResponse:
    return answer(404, str(error))


async def _session_refused(_request: Request, error: Exception) -> JSONResponse:
    return answer(422, str(error))


async def _conflict(_request: Request, error: Exception) -> JSONResponse:
    return answer(409, str(error))


async def _database_away(_request: Request, error: Exception) -> JSONResponse:
    _log.error("the database does not answer: %s", getattr(error, "orig", None) or type(error).__name__)
    return answer(503, "the database does not answer: try again", {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _where(location: tuple[int | str, ...]) -> str:
    # A location names keys of the body, which anyone can choose: keep it short and printable.
    return ".".join(str(part)[:40] for part in location[:6]).encode("unicode_escape").decode()


def _what(found: Mapping[str, Any]) -> str:
    """Never with the value that came in: it may be a token."""
    match found["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not a key that is known here"
        case "model_attributes_type":
            return "must be a JSON object"
        case "value_error":
            return str(found["ctx"]["error"])
        case "json_invalid":
            return "is not JSON"
        case _:
            message = str(found["msg"])
            return message[0].lower() + message[1:]
