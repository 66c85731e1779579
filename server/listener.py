"""The listening socket, which knows how many connections each address has, from accepting to closing.

The one thing to notice: this is counted on sockets and not on protocols, for asyncio makes a protocol's connection only
after the TLS handshake. Who never ends a handshake would else be counted by nobody.
"""

import socket
from typing import Any

from server.limits import Limits
from server.settings import Settings

BACKLOG = 128
"""Connections that the kernel keeps ready while we are busy."""


class Connection(socket.socket):
    """An accepted socket that tells when it is closed."""

    counted: tuple[Limits, str] | None = None
    """None for a second descriptor of the same socket."""

    def close(self) -> None:
        """Close it, and give its place back."""
        if self.counted:
            limits, address = self.counted
            self.counted = None
            limits.closed(address)
        super().close()


class Listener(socket.socket):
    """A listening socket."""

    limits: Limits
    silence_ms: int

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. One too many of its address is closed: saying why would cost more than asking again.

        Raises ConnectionAbortedError then, which asyncio passes over.
        """
        accepted, address = super().accept()
        connection = Connection(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        name = str(address[0]) if address else ""
        connection.counted = self.limits, name
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # RFC 5482; Linux tcp(7): drop who acknowledges nothing for so long
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self.silence_ms)
        if not self.limits.accepted(name):
            connection.close()
            raise ConnectionAbortedError("too many connections of one address")
        return connection, address


def listen(settings: Settings, limits: Limits) -> Listener:
    """A socket that listens where the settings say. Raises OSError."""
    known = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = known[0]
    plain = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    listener = Listener(plain.family, plain.type, plain.proto, fileno=plain.detach())
    listener.limits, listener.silence_ms = limits, int(settings.vanished_s * 1000)
    return listener
