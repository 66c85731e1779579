"""The bytes of the load process: the requests that it sends, and where what comes back begins and ends. Pure.

The one thing to notice: while tokens come, nobody looks into them. The end of a stream is seen from its last bytes
alone; all else is taken apart once everything is here.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from clients.chunk import Chunk, parse
from clients.iframe import Decoder as Scripts
from clients.sse import Decoder as Events

LAST_CHUNK = b"0\r\n\r\n"
"""The end of a chunked body (RFC 9112 §7.1). No event and no script ends like that."""
LARGEST_CONTROL = 125
"""Bytes that a control frame can carry (RFC 6455 §5.5)."""
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
"""Operation codes of WebSocket frames (RFC 6455 §5.2)."""
CLOSES = bytes([0x80 | CLOSE])
"""The first byte of a close frame. No text of ours has such a byte; a length may."""
KEY = base64.b64encode(b"not a secret: it")
"""Of the handshake: 16 bytes that keep caches from answering it (RFC 6455 §1.3)."""

Heard = Sequence[tuple[float, bytes]]
"""What one reader received, as it came, each piece with its time (monotonic seconds)."""


def address(url: str) -> tuple[str, int]:
    """The host and the port of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80


def get(url: str, cursor: int = 0) -> bytes:
    """The request that reads an answer from `cursor` on."""
    return _head("GET", urlsplit(url), cursor) + b"\r\n"


def listen(url: str) -> bytes:
    """The request for a stream, as a browser makes it; some servers give events only to who accepts them."""
    return _head("GET", urlsplit(url), 0) + b"Accept: text/event-stream, text/html\r\n\r\n"


def upgrade(url: str, cursor: int = 0) -> bytes:
    """The request that makes a WebSocket of the connection."""
    fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
    return _head("GET", urlsplit(url), cursor) + fields % KEY


def post(url: str, document: Any) -> bytes:
    """The request that sends a document as JSON."""
    body = json.dumps(document).encode()
    fields = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return _head("POST", urlsplit(url)) + fields + body


def _head(method: str, parts: SplitResult, cursor: int | None = None) -> bytes:
    asked = "" if cursor is None else f"{'&' if parts.query else '?'}cursor={cursor}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "") + asked
    return f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode()


def masked(code: int, payload: bytes = b"") -> bytes:
    """A control frame as a client must send it: masked, here with zeros, which change nothing (RFC 6455 §5.3)."""
    return bytes([0x80 | code, 0x80 | len(payload[:LARGEST_CONTROL])]) + bytes(4) + payload[:LARGEST_CONTROL]


@dataclass(slots=True)
class Response:
    """One response of HTTP/1.1, fed in pieces of any size (RFC 9112). After 101, all that follows is its body."""

    status: int = 0
    """0 until its head is here."""
    ended: bool = False
    """Never true of a body that ends with its connection."""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    _rest: bytes = b""
    _left: int = 0
    """Bytes of the body, or of a chunk of it, that are still to come."""
    _chunked: bool = False
    _counted: bool = False

    def feed(self, data: bytes) -> bytes:
        """What `data` brings of the body. Raises ValueError for what is no HTTP."""
        self._rest += data
        body = []
        while not self.ended and (piece := self._step()) is not None:
            body.append(piece)
        return b"".join(body)

    def _step(self) -> bytes | None:
        """The next piece of the body, which may be empty; None when more has to come first."""
        if not self.status:
            return self._begin()
        if self._left:
            piece = self._rest[: self._left]
            self._left -= len(piece)
            self._rest = self._rest[len(piece) :]
            self.ended = self._counted and not self._left
            return piece or None
        return self._chunk() if self._chunked else self._all()

    def _begin(self) -> bytes | None:
        head, ended, rest = self._rest.partition(b"\r\n\r\n")
        if not ended:
            return None
        first, *lines = head.split(b"\r\n")
        fields = [line.partition(b":") for line in lines]
        self.status, self._rest = int(first.split()[1]), rest
        self.headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        self._chunked = b"chunked" in self.headers.get(b"transfer-encoding", b"").lower()
        switched = self.status == 101  # what follows is another protocol, whatever length nginx claims for it
        self._counted = not (self._chunked or switched) and b"content-length" in self.headers
        self._left = int(self.headers[b"content-length"]) if self._counted else 0
        self.ended = (self._counted and not self._left) or self.status in (204, 304)
        return b""

    def _chunk(self) -> bytes | None:
        """The line before a chunk, and the line end behind the one before it."""
        line, ended, rest = self._rest.removeprefix(b"\r\n").partition(b"\r\n")
        if not ended:
            return None
        self._left, self._rest = int(line.partition(b";")[0], 16), rest
        self.ended = not self._left
        return b""

    def _all(self) -> bytes | None:
        piece, self._rest = self._rest, b""
        return piece or None


@dataclass(slots=True)
class Frames:
    """WebSocket frames of a server, which are not masked (RFC 6455 §5.2), fed in pieces of any size."""

    _rest: bytes = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that `data` completes: (operation code, payload)."""
        self._rest += data
        found = []
        while frame := self._next():
            found.append(frame)
        return found

    def _next(self) -> tuple[int, bytes] | None:
        rest = self._rest
        if len(rest) < 2:
            return None
        size, begin = rest[1], {126: 4, 127: 10}.get(rest[1], 2)
        if begin > 2:
            size = int.from_bytes(rest[2:begin], "big")
        if len(rest) < begin or len(rest) < begin + size:
            return None
        self._rest = rest[begin + size :]
        return rest[0] & 0x0F, rest[begin : begin + size]


@dataclass(slots=True)
class Messages:
    """The body of a handshake that succeeded, to chunks."""

    _frames: Frames = field(default_factory=Frames)

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes."""
        return [parse(payload) for code, payload in self._frames.feed(data) if code == TEXT]


DECODERS: dict[str, Callable[[], Events | Scripts | Messages]] = {
    "sse": Events,
    "iframe": Scripts,
    "websocket": Messages,
}
"""Bytes of a body to chunks, for each transport that streams."""


def streamed(transport: str, heard: Heard) -> list[tuple[float, Chunk]]:
    """The chunks of a stream, each with the time of the piece that brought its last byte.

    Raises ValueError or StreamError, with a sentence, for what is none.
    """
    response, decoder = Response(), DECODERS[transport]()
    chunks = []
    for at, data in heard:
        body = response.feed(data)
        if response.status not in (0, 101 if transport == "websocket" else 200):
            raise ValueError(f"The server answered with status {response.status}.")
        chunks += [(at, chunk) for chunk in decoder.feed(body)]
    return chunks


def polled(heard: Heard) -> list[tuple[float, Chunk]]:
    """The chunks of replies, of which each is the JSON of one. Raises StreamError for what is none."""
    return [(at, parse(body)) for at, body in heard]


def is_over(transport: str, heard: Heard) -> bool:
    """Whether a stream of which this was received has ended, in however small pieces it came."""
    if transport != "websocket":
        return b"".join(data for _, data in heard[-len(LAST_CHUNK) :]).endswith(LAST_CHUNK)
    body = Response().feed(b"".join(data for _, data in heard))
    return any(code == CLOSE for code, _ in Frames().feed(body))
