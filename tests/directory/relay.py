"""A port on loopback that leads to a domain controller or to nobody: connections that hang, break and are counted."""

import socket
import threading
from types import TracebackType
from typing import Self


class Relay:
    """Passes bytes on to `target`; without one it takes connections and never answers."""

    def __init__(self, target: tuple[str, int] | None) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.accepted = 0
        self.port: int = self._listener.getsockname()[1]
        self.break_after_bytes: int | None = None
        """Cut each connection once the client has sent this much."""
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for each in self._sockets:
            _shut(each)
            each.close()

    @property
    def url(self) -> str:
        """LDAPS URL of this port."""
        return f"ldaps://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._sockets.append(client)
            if self._target is not None:
                server = socket.create_connection(self._target)
                self._sockets.append(server)
                threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, outward: bool) -> None:
        sent = 0
        try:
            while data := source.recv(65536):
                sent += len(data)
                if outward and self.break_after_bytes is not None and sent > self.break_after_bytes:
                    break
                sink.sendall(data)
        except OSError:
            pass
        finally:
            _shut(source)
            _shut(sink)


def _shut(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The other side was first.
        return
