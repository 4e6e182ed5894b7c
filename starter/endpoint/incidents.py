"""The access log, and what happens when the endpoint itself is at fault."""

import logging
import secrets
import time
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starter.endpoint.errors import answer

_access = logging.getLogger("poolwright.access")
_log = logging.getLogger("poolwright.endpoint")


class Incidents:
    """Logs each request without its query string, which may hold a token, and turns bugs into plain answers.

    A bug is answered with 500 and an incident id; the traceback is in the log, under the same id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                # Answers may hold credentials.
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception:  # noqa: BLE001
            incident = f"i{secrets.token_hex(4)}"
            _log.exception("incident %s: %s %s", incident, scope["method"], quote(scope["path"]))
            if not status:
                sentence = f"something went wrong here; the log has more under {incident}"
                await answer(500, sentence, incident=incident)(scope, receive, send_and_note)
        finally:
            took = (time.monotonic() - began) * 1000
            client = (scope.get("client") or ("-", 0))[0]
            _access.info("%s %s %s %s %.0f ms", client, scope["method"], quote(scope["path"]), status or "-", took)
