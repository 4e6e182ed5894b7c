"""An HTTP(S) server on 127.0.0.1 that stands for a vendor: requests are logged, and faults can be put before its app.

A stand-in is a function from `Request` to `Response` that keeps the vendor's state; no two threads ever call it at
once. It checks each request against the vendor's own API description and notes what that does not allow in
`complaints`, which the harness's `close` asserts to be empty.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import trustme


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    """Without the query, percent-decoded."""
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    raw_path: str
    """As it was sent, with the query: what signatures are made over."""

    @cached_property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return self.query.get(name, [None])[0]


@dataclass(frozen=True)
class Response:
    """What is sent back: `body` goes as JSON unless it is bytes; None is an empty body."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Cut(Enum):
    """A connection that breaks instead of an answer."""

    BEFORE = "the request has had no effect"
    AFTER = "the request has had its effect"


App = Callable[[Request], Response]
Answer = Response | Cut
Which = Callable[[Request], bool]


@dataclass(eq=False)
class _Fault:
    which: Which
    answer: Answer
    times: int | None


def every_request(request: Request) -> bool:
    """For faults that meet all calls."""
    return True


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """As many threads as a crowd in a test has may connect at once."""


class WireServer:
    """Serves one app on a free port until its block ends."""

    def __init__(self, app: App, *, tls_directory: Path | None = None) -> None:
        """`tls_directory`: serve HTTPS, with the certificate authority's file in there at `ca_file`."""
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        """What requests did that the vendor's API description does not allow."""
        self._app, self._lock, self._faults = app, threading.Lock(), list[_Fault]()
        self._server = _Listener(("127.0.0.1", 0), _connection_of(self))
        self.port = int(self._server.server_address[1])
        self.ca_file: Path | None = None
        if tls_directory is not None:
            self.ca_file = self._serve_tls(tls_directory)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="wire server", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"{'https' if self.ca_file else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def fault(self, answer: Answer, which: Which = every_request, *, times: int | None = None) -> Iterator[None]:
        """Answer such requests like this until the block ends, or so many times."""
        fault = _Fault(which, answer, times)
        self._faults.insert(0, fault)
        try:
            yield
        finally:
            self._faults.remove(fault)

    def count(self, which: Which = every_request) -> int:
        """How many such requests came so far, those met by faults included."""
        return sum(1 for request in self.requests if which(request))

    def answer(self, request: Request) -> Response | None:
        """What to send; None: break the connection."""
        with self._lock:
            self.requests.append(request)
            fault = self._due(request)
            if isinstance(fault, Response):
                return fault
            if fault is Cut.BEFORE:
                return None
            response = self._app(request)
            return None if fault is Cut.AFTER else response

    def _due(self, request: Request) -> Answer | None:
        for fault in self._faults:
            if fault.times != 0 and fault.which(request):
                fault.times = None if fault.times is None else fault.times - 1
                return fault.answer
        return None

    def _serve_tls(self, directory: Path) -> Path:
        authority = trustme.CA()
        ca_file = directory / "test-ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        return ca_file


def _connection_of(server: WireServer) -> type[BaseHTTPRequestHandler]:
    class Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle(self) -> None:
            # A client may hang up at any time, also in the middle of a handshake.
            with suppress(ConnectionError, ssl.SSLError):
                super().handle()

        def answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            request = Request(
                method=self.command,
                path=unquote(parts.path),
                query=parse_qs(parts.query, keep_blank_values=True),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(length),
                raw_path=self.path,
            )
            response = server.answer(request)
            if response is None:
                self.close_connection = True
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._send(response)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer  # noqa: N815

        def _send(self, response: Response) -> None:
            body = response.body
            headers = dict(response.headers)
            if body is None:
                data = b""
            elif isinstance(body, bytes):
                data = body
            else:
                data = json.dumps(body).encode()
                headers.setdefault("content-type", "application/json")
            self.send_response(response.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: `requests` has it all."""

    return Connection
