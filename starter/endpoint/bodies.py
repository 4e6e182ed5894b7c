"""Request bodies: how large they may be, and that they are JSON whatever their content type says."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, ClassVar, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator
from starlette.types import Message, Receive

from starter.endpoint.errors import Refused

_KIB: Final = 1024
_BODY_DEADLINE_SECONDS: Final = 30


class JSONRoute(APIRoute):
    """Reads each body as JSON: `curl -d` without a header says that it sends a form, and startup scripts do just that.

    Nothing here is authenticated by cookies, so a page in a browser gains nothing by it.
    """

    most_body_kib: ClassVar[int] = 64

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given a request whose content type is JSON and whose body has an end."""
        handle = super().get_route_handler()

        async def handle_as_json(request: Request) -> Response:
            headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
            headers.append((b"content-type", b"application/json"))
            receive = limited(request.receive, self.most_body_kib)
            return await handle(Request({**request.scope, "headers": headers}, receive))

        return handle_as_json


class LogRoute(JSONRoute):
    """Logs may be longer."""

    most_body_kib = 1024


def limited(receive: Receive, most_kib: int) -> Receive:
    """`receive`, which answers 413 when the body becomes too large and 408 when it does not come."""
    size = 0

    async def receive_some() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout(_BODY_DEADLINE_SECONDS):
                message = await receive()
        except TimeoutError:
            raise Refused(408, "the rest of the body did not come in time") from None
        size += len(message.get("body", b""))
        if size > most_kib * _KIB:
            # The connection stays open: a sender that is cut off while it writes would not see this answer.
            raise Refused(413, f"the body is too large: at most {most_kib:,} KiB")
        return message

    return receive_some


def cut(text: str, most: int) -> str:
    """The text, or its beginning with a mark that says how long it was; never longer than `most`."""
    if len(text) <= most:
        return text
    mark = f" [... {len(text)} characters in all]"
    return text[: most - len(mark)] + mark


def storable(text: str) -> str:
    """The text with what no database can keep made visible: NUL, and halves of characters, which JSON lets through."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def _unchanged_if_storable(text: str) -> str:
    if storable(text) != text:
        raise ValueError("must not contain NUL or halves of characters")
    return text


Text = Annotated[str, AfterValidator(_unchanged_if_storable)]
"""Text that every database can keep as it is."""
