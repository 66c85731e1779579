"""The ledger: what each reader of an answer cost, counted by the kernel where it tells.

The one thing to notice: a browser sends requests of several readers over one kept connection. So the kernel's counters
of a connection are read after every request, and only what they grew by is booked to that request's reader. What came
up is counted where it arrives (tap.py): by then the kernel may have the next reader's request already.
"""

import asyncio
import logging
import socket
import struct
import sys
import time
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from server import access
from server.answer import Answer, Chunk
from server.limits import Bucket
from server.recording import Exchange, Recorder
from server.tap import READ_BYTES, Flow, Tap

MOST_ROWS = 1000
"""Rows of one answer; readers beyond share a row, or words made up by clients could fill the memory."""


class Counters(NamedTuple):
    """Totals of one TCP connection as its server sees it. Bytes are payload; what was sent again counts once."""

    bytes_up: int = 0
    bytes_down: int = 0
    segments_up: int = 0
    segments_down: int = 0
    retransmits: int = 0


NOTHING = Counters()
KERNEL_ONLY = dict.fromkeys(("segments_up", "segments_down", "retransmits"))


# struct tcp_info of linux/tcp.h, which only ever grows at its end:
# state, total_retrans, bytes_received, segs_out, segs_in, bytes_sent, bytes_retrans
TCP_INFO = struct.Struct("=B99xI24xQII56xQQ")
PEER_HAS_CLOSED = (6, 8, 9, 11)  # TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING: its FIN counts as a received byte


def _kernel_counts() -> bool:
    """Whether it tells all of this, as Linux does since 5.0."""
    if sys.platform != "linux":
        return False
    with socket.socket() as probe:
        return len(probe.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)) >= TCP_INFO.size


KERNEL_COUNTS = _kernel_counts()


def counters(sock: socket.socket, bytes_up: int | None = None) -> Counters | None:
    """What the kernel counted on `sock`; None after its close. `bytes_up` is taken from whoever knows better."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)
        state, retransmits, received, segments_out, segments_in, sent, resent = TCP_INFO.unpack(info)
    except OSError:
        return None
    if bytes_up is None:
        bytes_up = received - (state in PEER_HAS_CLOSED)
    return Counters(bytes_up, sent - resent, segments_in, segments_out, retransmits)


class Books:
    """What has been delivered: in one request, or to a reader in all that are over."""

    __slots__ = ("chunks", "first_s", "last_s", "tokens")

    def __init__(self) -> None:
        self.tokens = self.chunks = 0
        """Deliveries that carried tokens are chunks here."""
        self.first_s: float | None = None
        self.last_s: float | None = None
        """When the first and the last of them were handed to the kernel (monotonic seconds)."""

    def delivered(self, cursor: int, chunk: Chunk) -> None:
        """Count a chunk that moved the reader from `cursor` to its own; the end is an entry, but no token."""
        tokens = chunk.cursor - cursor - (chunk.done is not None)
        if tokens:
            self.last_s = time.monotonic()
            if not self.chunks:
                self.first_s = self.last_s
            self.tokens += tokens
            self.chunks += 1

    def add(self, more: "Books") -> None:
        """Add what was delivered in another request."""
        if more.first_s and more.last_s:
            self.first_s = min(self.first_s or more.first_s, more.first_s)
            self.last_s = max(self.last_s or more.last_s, more.last_s)
            self.tokens += more.tokens
            self.chunks += more.chunks


class Row:
    """What one reader cost over one transport."""

    __slots__ = ("connections", "counted", "meters", "over", "reader", "requests", "streams", "transport")

    def __init__(self, transport: str, reader: str) -> None:
        self.transport, self.reader = transport, reader
        self.requests = self.connections = 0
        self.counted = NOTHING
        self.over = Books()
        """Of its requests that are over, and of its replies."""
        self.streams: set[Books] = set()
        """Of its streams that are under way."""
        self.meters: set[Meter] = set()
        """Of its requests that are under way."""

    def book(self, before: Counters, now: Counters) -> None:
        """Add what a connection's counters grew by."""
        up, down, segments_up, segments_down, retransmits = self.counted
        self.counted = Counters(
            up + now.bytes_up - before.bytes_up,
            down + now.bytes_down - before.bytes_down,
            segments_up + now.segments_up - before.segments_up,
            segments_down + now.segments_down - before.segments_down,
            retransmits + now.retransmits - before.retransmits,
        )

    def close(self, stream: Books) -> None:
        """A stream is over."""
        if stream in self.streams:
            self.streams.discard(stream)
            self.over.add(stream)

    def as_json(self) -> dict[str, Any]:
        """The row at this moment, requests under way included; what only the kernel could count is null without it."""
        for meter in self.meters:
            meter.settle()
        books = Books()
        for each in (self.over, *self.streams):
            books.add(each)
        return {
            "transport": self.transport,
            "reader": self.reader,
            "requests": self.requests,
            "connections": self.connections,
            "tokens": books.tokens,
            "chunks": books.chunks,
            "first_ms": _ms(books.first_s),
            "last_ms": _ms(books.last_s),
            "source": "TCP_INFO" if KERNEL_COUNTS else "asyncio",
            **self.counted._asdict(),
            **({} if KERNEL_COUNTS else KERNEL_ONLY),
        }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


class Meter(AbstractAccessLogger):
    """The counters of one connection, read after each of its requests.

    aiohttp makes an access logger for every connection and tells it when a response has gone out in full. That is the
    moment to read the counters, so this is one. What it writes, if anything, is up to access.py.
    """

    __slots__ = ("_booked", "_exchange", "_known", "_row", "_server", "_socket", "tap")

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        super().__init__(logger, log_format)
        self.tap: Tap | None = None
        self._server: web.Server | None = None
        self._socket: socket.socket | None = None
        self._row: Row | None = None
        self._exchange: Exchange | None = None
        self._booked = NOTHING
        self._known: tuple[Row, ...] = ()

    def connect(
        self, server: web.Server, handler: web.RequestHandler, transport: asyncio.Transport, room: memoryview
    ) -> None:
        """A connection was made, and with TLS its handshake is over. What comes up is read into `room`."""
        self._server = server
        if self.tap:  # it was made long ago, and comes back from having been held
            return
        self._socket = transport.get_extra_info("socket")
        total_up = None
        if self._socket and KERNEL_COUNTS and transport.get_extra_info("sslcontext"):
            # asyncio tells of a lost TLS connection after it has closed its socket. A second descriptor of the socket
            # keeps its counters to be read until then.
            self._socket = self._socket.dup()
            total_up = self._total_up
        self.tap = Tap(handler, transport, room, self.logs or not KERNEL_COUNTS, total_up)

    def begin(self, row: Row, exchange: Exchange | None) -> None:
        """A request of `row` has arrived. Its head is already counted, and not booked to anybody yet."""
        self._row, self._exchange = row, exchange
        row.meters.add(self)
        row.requests += 1
        if row not in self._known:
            self._known += (row,)
            row.connections += 1
        if self.tap:
            self.tap.begin(exchange)

    def settle(self) -> None:
        """Book what has been counted since the last time, to the present reader or, without one, to nobody."""
        now = self._count() or self._booked
        if self._row:
            self._row.book(self._booked, now)
        self._booked = now

    def finish(self) -> None:
        """Settle for good: a request is over, or the connection is, in the middle of one or between two."""
        self.settle()
        if self._row:
            self._row.meters.discard(self)
        if self._exchange:
            self._exchange.end()
            self._exchange = None
        if self.tap:
            self.tap.forget()

    def disconnect(self) -> None:
        """The connection is lost: the last moment to read its counters."""
        ours = isinstance(self._socket, socket.socket)  # and not asyncio's view of its own: this is TLS
        if ours and self.tap:
            self.tap.bytes_up = self._total_up()  # TLS says goodbye after the last that came here
        self.finish()
        if ours and self._socket:
            self._socket.close()
        self.tap = None

    def bound_upstream(self, bucket: Bucket) -> None:
        """From now on drop the connection as soon as more comes up than the bucket gives."""
        if self.tap:
            self.tap.bucket = bucket
            if not bucket.take(self.tap.bytes_up - self._booked.bytes_up):  # what came right behind the request
                self.tap.abort()

    def _count(self) -> Counters | None:
        if not (self.tap and self._socket):
            return None
        if not KERNEL_COUNTS:
            return Counters(self.tap.bytes_up, self.tap.bytes_down)
        return counters(self._socket, self.tap.bytes_up)

    def _total_up(self) -> int:
        """By the kernel, what TLS put around it included."""
        known = counters(self._socket) if self._socket else None
        return known.bytes_up if known else self._booked.bytes_up

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """A response has gone out in full; the request may be one that nobody's row is kept for."""
        if self.tap and not self.tap.serves(request.protocol):  # it goes on without its handler
            return
        self._row = request.get(ROW)
        if self.tap:
            self.tap.replied(request.content_length or 0)
        self.finish()
        self.write(request, response, time)

    @property
    def bytes_down(self) -> int:
        """All that went down, if it writes anything about it."""
        return self.tap.bytes_down if self.tap else 0

    @property
    def logs(self) -> bool:
        """Whether it writes anything."""
        return self.logger.isEnabledFor(logging.INFO)

    def write(self, request: web.BaseRequest, response: web.StreamResponse | None, time: float) -> None:
        """Write a line about a request; without a response, the reader is gone, or was sent away."""
        if self.logs:
            self.logger.info(access.line(request, response, time))

    def take(self, flow: Flow) -> None:
        """The request goes on without its handler, and `flow` is told of the connection."""
        if self.tap:
            self.tap.flow = flow
            self.tap.take()

    def rest(self, flow: Flow) -> None:
        """That request has ended, and `flow` is told as soon as anything of the next one is here."""
        if self.tap:
            heard = self.tap.heard
            self.finish()
            self.tap.flow, self.tap.heard = flow, heard
            if heard:
                flow.heard()

    def give_back(self) -> None:
        """A fresh handler gets the connection, and what has come up of the next request."""
        if self.tap and self._server:
            self.tap.flow = None
            handler = self._server()
            handler.access_logger = self
            self.tap.give(handler)

    def close(self) -> None:
        """Close the connection, once all is sent."""
        if self.tap:
            self.tap.close()

    def abort(self) -> None:
        """Close it now, if it is still there."""
        if self.tap:
            self.tap.abort()


class Ledger:
    """All rows, by answer; they are forgotten together with it."""

    def __init__(self, recorder: Recorder) -> None:
        self._rows: WeakKeyDictionary[Answer, dict[tuple[str, str], Row]] = WeakKeyDictionary()
        self.recorder = recorder

    def begin(self, request: web.Request, answer: Answer, transport: str) -> None:
        """Book this request to the reader that it names itself in `?reader=`."""
        rows = self._rows.get(answer)
        if rows is None:
            rows = self._rows[answer] = {}
        reader = request.query.get("reader", "")[:64] if len(rows) < MOST_ROWS else "(others)"
        row = rows.get((transport, reader))
        if row is None:
            row = rows[transport, reader] = Row(transport, reader)
        request[ROW] = row
        exchange = None
        if recording := self.recorder.find(answer):
            request[EXCHANGE] = exchange = recording.begin(transport, reader)
        if isinstance(meter := request.protocol.access_logger, Meter):
            meter.begin(row, exchange)

    def rows(self, answer: Answer) -> list[dict[str, Any]]:
        """What each reader of `answer` cost so far."""
        return [row.as_json() for row in self._rows.get(answer, {}).values()]


def delivered(request: web.Request, cursor: int, chunk: Chunk) -> None:
    """Book a chunk that was handed to the kernel and moved the reader on from `cursor`."""
    request[ROW].over.delivered(cursor, chunk)
    if exchange := request.get(EXCHANGE):
        exchange.deliver(cursor, chunk)


ROW = web.RequestKey("row", Row)
EXCHANGE = web.RequestKey("exchange", Exchange)
LEDGER = web.AppKey("ledger", Ledger)


def watch(server: web.Server) -> None:
    """Have the meters told of connections, too: a lost one is the last moment to read the kernel's counters.

    aiohttp has no signal for that, so its two methods are wrapped.
    """
    room = memoryview(bytearray(READ_BYTES))
    tell_made, tell_lost = server.connection_made, server.connection_lost

    def connection_made(handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        if isinstance(meter := handler.access_logger, Meter):
            meter.connect(server, handler, transport, room)
        tell_made(handler, transport)

    def connection_lost(handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        if isinstance(meter := handler.access_logger, Meter) and meter.tap and meter.tap.serves(handler):
            meter.disconnect()
        tell_lost(handler, exc)

    server.connection_made = connection_made  # type: ignore[method-assign]
    server.connection_lost = connection_lost  # type: ignore[method-assign]


def tap_of(request: web.Request) -> Tap | None:
    """What stands on the connection of a request."""
    meter = request.protocol.access_logger
    return meter.tap if isinstance(meter, Meter) else None
