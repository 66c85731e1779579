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

UNSENT_BYTES = 16 * 1024
"""What the kernel takes from us and has not sent yet, for one connection. Unasked, it takes megabytes for a reader that
does not read; they would all be old news by then, and nobody would notice for minutes that it does not."""


class Connection(socket.socket):
    """An accepted socket that tells when it is closed."""

    __slots__ = ("counted",)

    def __init__(self, family: int, kind: int, protocol: int, fileno: int) -> None:
        super().__init__(family, kind, protocol, fileno)
        self.counted: tuple[Limits, str] | None = None
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
        connection = Connection(accepted.family, accepted.type, accepted.proto, accepted.detach())
        name = str(address[0]) if address else ""
        connection.counted = self.limits, name
        self._set_up(connection)
        if not self.limits.accepted(name):
            connection.close()
            raise ConnectionAbortedError("too many connections of one address")
        return connection, address

    def _set_up(self, connection: socket.socket) -> None:
        """Have the kernel watch over it, as far as this one can (Linux tcp(7); macOS has some of it).

        TCP_USER_TIMEOUT (RFC 5482) drops who acknowledges nothing for so long, once there is something to acknowledge.
        Where we have nothing to say, a keep-alive probe is (RFC 9293 §3.8.4).
        """
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        seconds = max(1, self.silence_ms // 2000)
        wanted = {
            "TCP_USER_TIMEOUT": self.silence_ms,
            "TCP_KEEPIDLE": seconds,
            "TCP_KEEPINTVL": seconds,
            "TCP_NOTSENT_LOWAT": UNSENT_BYTES,
        }
        for name, value in wanted.items():
            if option := getattr(socket, name, None):
                connection.setsockopt(socket.IPPROTO_TCP, option, value)


def listen(settings: Settings, limits: Limits) -> Listener:
    """A socket that listens where the settings say. Raises OSError."""
    known = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = known[0]
    plain = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    listener = Listener(plain.family, plain.type, plain.proto, fileno=plain.detach())
    listener.limits, listener.silence_ms = limits, int(settings.vanished_s * 1000)
    return listener
