"""The connections of the load process: of a stream, of a WebSocket, of a poller. One `recv` for each time it can read.

The one thing to notice: this is the instrument, so it does as little as can be. It has no event loop, no buffers and
no parser while tokens come: it keeps each piece as it came, with its time. Only a poller has to know more: where a
reply ends, and its cursor, for both are part of the next request.
"""

import select
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from lab.peers.exchange import (
    CLOSE,
    CLOSES,
    LAST_CHUNK,
    PING,
    PONG,
    Frames,
    Response,
    address,
    get,
    is_over,
    listen,
    masked,
    upgrade,
)

PIECE = 4096
"""Bytes of one `recv`. More would be set aside for each, and never used."""
CONNECT_S = 10.0
RETRIES = 3
"""How often a poller whose connection was closed asks again, without a reply, before it gives up."""
PINGS = 0x80 | PING
"""The first byte of a ping."""

Again = Callable[["Poller"], None]
"""Called with a poller whose reply is complete: it decides when to ask again."""


class Connection(Protocol):
    """What all readers have."""

    heard: list[tuple[float, bytes]]
    ended: bool
    error: str | None

    @property
    def answered(self) -> bool:
        """Whether the server knows of it for certain."""

    def open(self) -> None:
        """Connect and ask. Raises OSError."""

    def look(self) -> None:
        """See whether it has ended without our noticing; called when nothing has come for a while."""

    def close(self) -> None:
        """Be done with it."""


class Readable:
    """What is called when a socket can be read. The standard `selectors` do the same, and take twice as long."""

    def __init__(self) -> None:
        epoll = hasattr(select, "epoll")
        self._poll: Any = select.epoll() if epoll else select.poll()
        self._unit = 1 if epoll else 1000
        """Seconds, or milliseconds."""
        self._actions: dict[int, Callable[[], None]] = {}

    def register(self, number: int, action: Callable[[], None]) -> None:
        """Call `action` whenever the file of that number can be read."""
        self._actions[number] = action
        self._poll.register(number, select.POLLIN)

    def unregister(self, number: int) -> None:
        """Not any more."""
        self._poll.unregister(number)
        del self._actions[number]

    def wait(self, seconds: float) -> None:
        """Read whatever can be read; if nothing can, wait for it so long."""
        for number, _ in self._poll.poll(seconds * self._unit):
            self._actions[number]()


def connected(url: str) -> socket.socket:
    """A connection to the server of a URL. Raises OSError."""
    made = socket.create_connection(address(url), CONNECT_S)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


class Stream:
    """A reader of one response that goes on."""

    transport = "sse"  # an iframe ends in the same way
    ask: Callable[[str], bytes] = staticmethod(listen)

    def __init__(self, url: str, readable: Readable) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self.ended = False
        self.error: str | None = None
        self._url, self._readable = url, readable
        self._socket: socket.socket | None = None

    @property
    def answered(self) -> bool:
        """Whether the head of the response is here."""
        return bool(self.heard)

    def open(self) -> None:
        """Connect and ask."""
        self._socket = connected(self._url)
        self._socket.sendall(self.ask(self._url))
        self._socket.setblocking(False)
        self._readable.register(self._socket.fileno(), self.read)

    def read(self) -> None:
        """Keep what is there, with its time."""
        try:
            data = self._socket.recv(PIECE)  # type: ignore[union-attr]  # it is registered, so it is open
        except OSError as effect:
            self.error = f"The connection broke: {effect.strerror}."
            return self.close()
        self.heard.append((time.monotonic(), data))
        return self.take(data) if data else self.close()

    def take(self, data: bytes) -> None:
        """See whether that was the end."""
        if data.endswith(LAST_CHUNK):
            self.close()

    def look(self) -> None:
        """An end that came in two pieces was not seen."""
        if not self.ended and is_over(self.transport, self.heard):
            self.close()

    def close(self) -> None:
        """Be done with it."""
        self.ended = True
        if self._socket:
            self._readable.unregister(self._socket.fileno())
            self._socket.close()
            self._socket = None


class WebSocket(Stream):
    """A reader of messages."""

    transport = "websocket"
    ask = staticmethod(upgrade)

    def take(self, data: bytes) -> None:
        """Answer a ping, and the end."""
        if CLOSES in data:
            self.look()
        elif data[0] == PINGS:
            self._obey(data)

    def look(self) -> None:
        """An end that came in two pieces was not seen."""
        if not self.ended and is_over(self.transport, self.heard):
            self._say_goodbye()

    def _obey(self, data: bytes) -> None:
        for code, payload in Frames().feed(data):
            if code == PING and self._socket:
                self._socket.send(masked(PONG, payload))

    def _say_goodbye(self) -> None:
        """Send a close frame for a close frame (RFC 6455 §5.5.1); the server then closes the connection."""
        if self._socket:
            self._socket.send(masked(CLOSE, b"\x03\xe8"))
        self.close()


class Poller:
    """A reader that asks again and again on one connection, and makes another when the server has closed it."""

    def __init__(self, url: str, readable: Readable, again: Again) -> None:
        self.heard: list[tuple[float, bytes]] = []
        """The bodies of the replies."""
        self.ended = False
        self.error: str | None = None
        self.connections = self.cursor = 0
        self.due = 0.0
        """When it is to ask next, of those that ask by the clock."""
        self._url, self._readable, self._again = url, readable, again
        self._socket: socket.socket | None = None
        self._response = Response()
        self._body = b""
        self._waits = False
        self._failures = 0

    @property
    def answered(self) -> bool:
        """Whether its first reply is here."""
        return bool(self.heard)

    def open(self) -> None:
        """Ask for the first time."""
        self.ask()

    def ask(self) -> None:
        """Ask for what came after the cursor. Raises OSError when nobody takes the connection."""
        self._response, self._body, self._waits = Response(), b"", True
        if not self._socket:
            self._socket = connected(self._url)
            self._socket.setblocking(False)
            self._readable.register(self._socket.fileno(), self.read)
            self.connections += 1
        try:
            self._socket.send(get(self._url, self.cursor))
        except OSError:
            self._lost()

    def read(self) -> None:
        """Take what is there; when the reply is complete, keep it with its time."""
        try:
            data = self._socket.recv(PIECE)  # type: ignore[union-attr]  # it is registered, so it is open
        except OSError:
            data = b""
        now = time.monotonic()
        if not data:
            return self._lost()
        self._body += self._response.feed(data)
        if self._response.ended:
            self._take(now)
        return None

    def _take(self, now: float) -> None:
        self._waits, self._failures = False, 0
        if self._response.status != 200:
            self.error = f"The server answered with status {self._response.status}."
            return self.close()
        self.heard.append((now, self._body))
        self.cursor = int(self._body[len('{"cursor":') : self._body.index(b",")])
        if b',"done":"' in self._body:  # inside of the text, its quotes would have backslashes
            return self.close()
        return self._again(self)

    def _lost(self) -> None:
        """The server closed the connection: between two polls it may (RFC 9112 §9.8)."""
        self._hang_up()
        if not self._waits:
            return
        self._failures += 1
        if self._failures > RETRIES:
            self.error = "The server closed the connection instead of replying."
            self.close()
        else:
            self.ask()

    def look(self) -> None:
        """A reply without an end cannot be told from one that is still to come."""

    def close(self) -> None:
        """Be done with it."""
        self.ended = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self._socket:
            self._readable.unregister(self._socket.fileno())
            self._socket.close()
            self._socket = None
