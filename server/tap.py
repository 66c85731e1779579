"""Stands between the two sides of asyncio, as the protocol to the transport and as the transport to the protocol.

The one thing to notice: on the way up it is always there, on the way down only when somebody needs every byte: to count
them where the kernel does not tell (macOS, Windows), to log how many, or to record them. Other streams pay nothing.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from server.limits import Bucket
    from server.recording import Exchange

READ_BYTES = 64 * 1024
"""That are read at once, at most."""

HEAD_ENDS = b"\r\n\r\n"

MOST_HEARD = 16 * 1024
"""Bytes of a request that are kept until it is known who sends it; more than any head that a browser sends."""


class Flow(Protocol):
    """What is pushed down a connection."""

    def resumed(self) -> None:
        """The socket has taken most of what was waiting."""

    def heard(self) -> None:
        """Something has come up, and the connection is no handler's."""

    def lost(self) -> None:
        """The connection is lost."""


class Tap(asyncio.BufferedProtocol):
    """The bytes of one connection.

    What comes up is read into a room that all connections share, and taken out of it at once. Unasked, asyncio makes
    room for 256 KiB at every read and gives most of it back, which costs more than to read.
    """

    __slots__ = (
        *("__weakref__", "_begun", "_counts", "_handler", "_paused", "_room", "_straight", "_total_up", "_transport"),
        *("alone", "asked", "bucket", "bytes_down", "bytes_up", "exchange", "flow", "heard"),
    )

    def __init__(
        self,
        handler: web.RequestHandler,
        transport: asyncio.Transport,
        room: memoryview,
        counts: bool,
        total_up: Callable[[], int] | None = None,
    ) -> None:
        self.bytes_up = self.bytes_down = 0
        """What went up counts once it is here: the next request may have reached the kernel before this one is over.
        With TLS it is asked for (`total_up`) at these moments, since what comes here is less than what crossed."""
        self.heard = b""
        """What came up since the last request: the head of the next one."""
        self.alone = False
        """Whether nothing came behind the head of the request that is under way, as far as could be told then."""
        self.asked = b""
        """That head, if nothing did, until it is over or the connection is taken."""
        self._begun, self._straight = False, True
        """Whether `begin` was called for it; and whether so far each came after the reply to the one before it."""
        self.exchange: Exchange | None = None
        """The recorded request that is under way."""
        self.bucket: Bucket | None = None
        """What may still come up, where that is bounded."""
        self.flow: Flow | None = None
        """Who pushes, and wants to know when it can go on, and when it cannot any more."""
        self._handler: web.RequestHandler | None = handler
        """None while the connection is taken from it."""
        self._transport, self._room, self._paused = transport, room, False
        self._counts, self._total_up = counts, total_up
        transport.set_protocol(self)

    def _watch_down(self, watch: bool) -> None:
        """See what goes down, too: to the handler this is the transport then, and one in all that is asked of it."""
        if self._handler and self._handler.transport:  # and it has not closed it
            self._handler.transport = self if watch else self._transport  # type: ignore[assignment]

    def begin(self, exchange: "Exchange | None") -> None:
        """A request has come. With an exchange, record from here on, and what has been heard of it already."""
        heard, self.heard = self.heard, b""
        one_head = heard.endswith(HEAD_ENDS) and heard.count(HEAD_ENDS) == 1 and len(heard) < MOST_HEARD
        self.alone, self._begun = one_head and self._straight, True
        self.asked = heard if self.alone else b""
        self._watch_down(self._counts or exchange is not None)
        self.exchange = exchange
        if exchange:
            exchange.add("up", heard)

    def replied(self, body_size: int) -> None:
        """A request is over, with a body of that size. If more has come up by now, it belongs to others, and where
        one ends and the next begins cannot be told here any more.
        """
        rest = self.heard if self._begun else self.heard.partition(HEAD_ENDS)[2]
        self._straight = self._straight and len(rest) == body_size

    def forget(self) -> None:
        """A request is over: what comes up next begins another one."""
        self._watch_down(False)  # asyncio sends files past it
        self.exchange, self.heard, self.asked, self._begun = None, b"", b"", False

    def serves(self, handler: web.RequestHandler) -> bool:
        """Whether the connection is that handler's."""
        return self._handler is handler

    def take(self) -> None:
        """Take the connection from its handler, which is told that it is lost and lets go of all that it has.

        What comes up from now on is kept for the next one.
        """
        self.asked = b""
        if handler := self._handler:
            self._handler, handler.transport = None, None  # so that nothing is closed
            asyncio.get_running_loop().call_soon(handler.connection_lost, None)

    def give(self, handler: web.RequestHandler) -> None:
        """Give it to another handler, with what came up meanwhile."""
        self._handler = handler
        handler.connection_made(self._transport)
        if self._paused:
            handler.pause_writing()
        if self.heard:
            handler.data_received(self.heard)

    @property
    def heard_much(self) -> bool:
        """Whether no more is kept of what comes up."""
        return len(self.heard) >= MOST_HEARD

    def hear(self) -> bytes:
        """Take what has come up: it belongs to the request that is under way."""
        data, self.heard = self.heard, b""
        if self.exchange:
            self.exchange.add("up", data)
        return data

    # To the handler it is the transport.

    def write(self, data: bytes) -> None:
        """Count on the way down."""
        self.bytes_down += len(data)
        if self.exchange:
            self.exchange.add("down", data)
        self._transport.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Count on the way down."""
        self.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    # To the transport it is the protocol.

    def get_buffer(self, _hint: int) -> memoryview:
        """Where to read into."""
        return self._room

    def buffer_updated(self, size: int) -> None:
        """Count on the way up."""
        self._pass_up(bytes(self._room[:size]))

    def _pass_up(self, data: bytes) -> None:
        self.bytes_up = self._total_up() if self._total_up else self.bytes_up + len(data)
        if self.exchange and self._handler:
            self.exchange.add("up", data)
        if len(self.heard) < MOST_HEARD:
            self.heard += data
        if self.bucket and not self.bucket.take(len(data)):
            self._transport.abort()
            return
        if self._handler:
            self._handler.data_received(data)
            return
        if self.flow:
            self.flow.heard()

    def eof_received(self) -> None:
        """Pass on."""
        if self._handler:
            self._handler.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on."""
        flow, self.flow = self.flow, None
        if flow:
            flow.lost()
        if self._handler:
            self._handler.connection_lost(error)

    def pause_writing(self) -> None:
        """Pass on."""
        self._paused = True
        if self._handler:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._paused = False
        if self._handler:
            self._handler.resume_writing()
        if self.flow:
            self.flow.resumed()
