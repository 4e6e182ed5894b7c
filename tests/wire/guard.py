"""Tests at the wire talk to this machine only: an SDK that would leave it fails at once."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

_HERE = frozenset({"127.0.0.1", "127.0.0.2", "::1", "localhost", b"127.0.0.1", b"localhost", "", None})


@contextmanager
def only_this_machine() -> Iterator[list[str]]:
    """Refuse to resolve any other host meanwhile. Gives the names that were asked for."""
    left: list[str] = []
    resolve = socket.getaddrinfo

    def guarded(host: Any, *args: Any, **options: Any) -> Any:
        if host not in _HERE:
            left.append(str(host))
            raise socket.gaierror(socket.EAI_NONAME, f"a test tried to reach {host}")
        return resolve(host, *args, **options)

    with patch("socket.getaddrinfo", guarded):
        yield left
