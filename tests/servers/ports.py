"""Ports for servers that must be told theirs before they start."""

import socket


def reserved_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, and that only its owner takes before this process ends.

    A port that was merely free a moment ago may be given to anyone's server or outgoing connection before the server
    that is told to use it gets there. So a socket stays bound to it that does not listen: the kernel then gives the
    port to nobody who asks for any, and to a server that asks for this one with SO_REUSEADDR, as servers do
    (socket(7)).
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    holder.detach()  # Nobody closes it but the end of the process.
    return port
