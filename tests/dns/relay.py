"""A relay between a client and a name server: it passes TCP messages on unchanged, and makes trouble when told to."""

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import dns.message
from dns.opcode import Opcode
from dns.rdatatype import RdataType

Step = Callable[[], None]
UPSTREAM_SECONDS = 5.0


@dataclass
class Trouble:
    """What goes wrong with the messages that pass."""

    closes_at_once: bool = False
    """The connection ends before the message has any effect."""
    loses_answers_to_updates: bool = False
    """Updates reach the server, and the connection ends."""
    cuts_answers: bool = False
    """The connection ends in the middle of an answer."""
    is_silent: bool = False
    """Messages are taken and never answered."""
    answers: Callable[[bytes], bytes] | None = None
    """Answers in the server's place."""


class Relay:
    """Listens on `port` of 127.0.0.1."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.trouble = Trouble()
        self.messages = 0
        """How many came."""
        self._before_next_update: Step | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._server = _Listener(("127.0.0.1", 0), self._serve)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def troubled(self, **trouble: object) -> Iterator[None]:
        """Make this trouble until the block ends."""
        before, self.trouble = self.trouble, Trouble(**trouble)  # type: ignore[arg-type]
        yield
        self.trouble = before

    @contextmanager
    def redirected(self, upstream_port: int) -> Iterator[None]:
        """Pass messages on to another server until the block ends."""
        before, self.upstream_port = self.upstream_port, upstream_port
        yield
        self.upstream_port = before

    def before_next_update(self, step: Step) -> None:
        """Do this when the next update has come and has not been passed on yet."""
        self._before_next_update = step

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError):
            message = _received(client)
            self.messages += 1
            trouble = self.trouble
            question = dns.message.from_wire(message, keyring=False, question_only=True)
            is_update = question.opcode() == Opcode.UPDATE
            if trouble.is_silent:
                self._closed.wait()
            if trouble.closes_at_once or trouble.is_silent:
                return
            if trouble.answers is not None:
                _send(client, trouble.answers(message))
                return
            if is_update:
                self._take_step()
            with socket.create_connection(("127.0.0.1", self.upstream_port), UPSTREAM_SECONDS) as upstream:
                _send(upstream, message)
                answer = _received(upstream)
                if trouble.cuts_answers:
                    client.sendall(_framed(answer)[:-10])
                    return
                if not (is_update and trouble.loses_answers_to_updates):
                    _send(client, answer)
                while question.question[0].rdtype == RdataType.AXFR:
                    # It may be several messages. The client hangs up when it has all.
                    _send(client, _received(upstream))

    def _take_step(self) -> None:
        with self._lock:
            step, self._before_next_update = self._before_next_update, None
        if step is not None:
            step()


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        super().__init__(address, socketserver.BaseRequestHandler)

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._serve(request)


def _send(connection: socket.socket, message: bytes) -> None:
    connection.sendall(_framed(message))


def _framed(message: bytes) -> bytes:
    return struct.pack("!H", len(message)) + message


def _received(connection: socket.socket) -> bytes:
    (length,) = struct.unpack("!H", _exactly(connection, 2))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := connection.recv(size - len(data))):
            raise EOFError
        data += more
    return data
