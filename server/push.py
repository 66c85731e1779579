"""The one place where the chunks of a stream meet a socket: heartbeat, slow readers, gone readers.

The one thing to notice: a token costs one wake-up, one frame and one `send`. Streams that have read everything wait in
a fan-out, which makes the next frame once and hands it to each of their sockets in the turn in which the token was
written; no task wakes up for that. A stream whose socket takes no more leaves the fan-out until it does, and then reads
on from its cursor. So a slow reader gets fewer and larger chunks, and nothing is queued for it: its queue is the log,
which exists once for all.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import HttpVersion11, web

from server.answer import Answer, Chunk
from server.clock import Course, clock
from server.framing import LAST_CHUNK, Framing, bare, chunked, deflated, message
from server.hold import Ended, hold
from server.ledger import EXCHANGE, ROW, Books, tap_of
from server.padding import padded
from server.sent import Sent
from server.settings import SETTINGS, Settings
from server.sockets import goodbye, open_socket
from server.talk import Hear, Talk
from server.tap import Tap

log = logging.getLogger(__name__)

Frame = Callable[[Chunk], bytes]

UNSENT_BYTES = 64 * 1024
"""What may wait in this process until a socket takes it. A reader with more is left alone."""

LOOKS = 10
"""How often in a heartbeat's time it is looked whose is due."""

STREAM_HEADERS = {
    "Cache-Control": "no-cache, no-transform",  # no-transform: a proxy that compresses would hold small chunks back
    "X-Accel-Buffering": "no",  # the same request to nginx
    "Incremental": "?1",  # and to any intermediary (RFC 10036)
}


def shape(frame: bytes, settings: Settings) -> bytes:
    """The last step before the socket, on every transport: what goes out for one chunk."""
    return padded(frame, settings.pad_bytes) if settings.pad_bytes else frame


async def written(request: web.Request, writing: Awaitable[object]) -> bool:
    """Whether it could be written before the write deadline; otherwise the connection is gone now, or given up."""
    try:
        async with asyncio.timeout(request.app[SETTINGS].write_s):
            await writing
    except ConnectionError:
        return False
    except TimeoutError:
        _give_up(request)
        return False
    return True


class Stream(Books):
    """One reader's open stream: where its cursor is, and the socket that its frames go to."""

    __slots__ = (
        "_app",
        "_deadline",
        "_end",
        "_exchange",
        "_row",
        "_settings",
        "_tap",
        "_transport",
        "answer",
        "cursor",
        "frame",
        "framing",
    )

    def __init__(
        self,
        request: web.Request,
        tap: Tap,
        transport: asyncio.Transport,
        answer: Answer,
        cursor: int,
        frame: Frame,
        framing: Framing,
    ) -> None:
        super().__init__()
        self.answer, self.cursor, self.frame, self.framing = answer, cursor, frame, framing
        self._transport, self._tap = transport, tap
        self._app, self._settings = request.app, request.app[SETTINGS]
        self._row, self._exchange = request[ROW], request.get(EXCHANGE)
        self._deadline: asyncio.TimerHandle | None = None
        self._end: Ended | None = None
        transport.set_write_buffer_limits(UNSENT_BYTES)

    @property
    def over(self) -> bool:
        """Whether nothing can follow: it has read the end, or nobody is there."""
        return self.answer.past_end(self.cursor) or self._transport.is_closing()

    @property
    def _is_full(self) -> bool:
        """Whether its socket takes no more for now."""
        return self._transport.get_write_buffer_size() > UNSENT_BYTES

    def start(self, end: Ended) -> None:
        """Send what there is, and from then on all that comes. `end` is called once, when it is over."""
        self._end = end
        self._row.streams.add(self)
        if self._exchange:
            self._exchange.deliver(self.cursor, Chunk(self.cursor, ""))  # what went out before was for no token
        self.go_on()

    def go_on(self) -> None:
        """Send as much as the socket takes; then wait for news, or for the socket, or it is over.

        Does not raise: what goes wrong with one stream is neither the others' fault nor the answer's.
        """
        try:
            self._go_on()
        except Exception:
            log.exception("a stream failed")
            self.give_up()

    def _go_on(self) -> None:
        if not self._end:  # it is over
            return
        if self._catch_up():
            self._app[FANOUTS].join(self)
        elif self._is_full and not self._transport.is_closing():
            deadline_s = self._settings.write_s
            self._deadline = asyncio.get_running_loop().call_later(deadline_s, self.give_up)
        else:
            self._over()

    def resumed(self) -> None:
        """The socket has taken most of what was waiting."""
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
            self.go_on()

    def heard(self) -> None:
        """Not for this stream: it waits for its end. Who listens to one has not much more to say."""
        if self._tap.heard_much:
            self.give_up()

    def give_up(self) -> None:
        """Drop the connection, without a goodbye."""
        self._transport.abort()

    def lost(self) -> None:
        """The connection is lost, or given up."""
        self._app[FANOUTS].leave(self)
        deadline, self._deadline = self._deadline, None
        if deadline:
            deadline.cancel()
        self._over()

    def framed(self, chunk: Chunk) -> bytes:
        """The bytes of a chunk, which are the same for all streams with this frame and framing.

        With the last one comes the end of the response: a class that hears one end would pay for two sends each.
        """
        data = self.framing(shape(self.frame(chunk), self._settings))
        return data + LAST_CHUNK if chunk.done and self.framing is chunked else data

    def send(self, chunk: Chunk, data: bytes) -> bool:
        """Hand a chunk to the socket, in the bytes that it is; gives whether the next one can be sent so."""
        transport = self._transport
        if transport.is_closing():
            return False
        transport.write(data)
        self.delivered(self.cursor, chunk)
        if self._exchange:
            self._exchange.deliver(self.cursor, chunk)
        self.cursor = chunk.cursor
        return not chunk.done and transport.get_write_buffer_size() <= UNSENT_BYTES  # is_full, for every token

    def _catch_up(self) -> bool:
        """Send what there is; gives whether that was all, and the next thing can be sent as soon as it is written."""
        free = not (self.over or self._is_full)
        while free and self.cursor < self.answer.cursor:
            chunk = self.answer.read(self.cursor)
            free = self.send(chunk, self.framed(chunk))
        return free

    def _over(self) -> None:
        end, self._end = self._end, None
        if not end:
            return
        self._row.close(self)
        whole = self.answer.past_end(self.cursor) and not self._transport.is_closing()
        end(whole)


class Fanout:
    """Streams of one answer that get the same bytes, and have got all that there are."""

    __slots__ = ("_all", "_answer", "_beaten", "_told", "streams")

    def __init__(self, answer: Answer, fanouts: "Fanouts") -> None:
        self.streams: dict[Stream, None] = {}
        self._all, self._answer, self._beaten = fanouts, answer, time.monotonic()
        self._told: tuple[Stream, ...] | None = None  # the same, once somebody has had to be told

    def add(self, stream: Stream) -> None:
        """Tell it, too."""
        self.streams[stream], self._told = None, None

    def remove(self, stream: Stream) -> None:
        """Tell it no more, if it was told."""
        self.streams.pop(stream, None)
        self._told = None

    def beat(self, now: float, heartbeat_s: float) -> None:
        """After a silence, a chunk without text: the reader knows that we are there, and we whether it is."""
        if now >= max(self._answer.written, self._beaten) + heartbeat_s:
            self._beaten = now
            self.tell(news=False)  # what comes after the cursor then is a chunk without text

    def tell(self, news: bool = True) -> None:
        """Send each stream what comes after its cursor. Who cannot be sent the next thing so leaves."""
        answer, leaving, cursor = self._answer, [], -1
        if self._told is None:
            self._told = tuple(self.streams)
        for stream in self._told:
            try:
                if stream.cursor != cursor:  # the first; all others are where it is, unless they came this moment
                    if news and stream.cursor == answer.cursor:
                        continue
                    chunk = answer.read(stream.cursor)
                    data, cursor = stream.framed(chunk), stream.cursor
                if not stream.send(chunk, data) or chunk.cursor < answer.cursor:
                    leaving.append(stream)
            except Exception:
                log.exception("a stream failed")
                stream.give_up()
        for stream in leaving:
            self._all.leave(stream)
            stream.go_on()


class Fanouts:
    """All of them, each for as long as a stream waits in it; and one heart for all."""

    def __init__(self, settings: Settings) -> None:
        self._heartbeat_s = settings.heartbeat_s
        self._fanouts: dict[tuple[Answer, Frame, Framing], Fanout] = {}
        self._heart: Course | None = None

    def join(self, stream: Stream) -> None:
        """Send it every chunk as soon as it is written, until its socket takes no more, or it is over."""
        key = stream.answer, stream.frame, stream.framing
        (self._fanouts.get(key) or self._open(key)).add(stream)

    def leave(self, stream: Stream) -> None:
        """Send it no more."""
        key = stream.answer, stream.frame, stream.framing
        if fanout := self._fanouts.get(key):
            fanout.remove(stream)
            if not fanout.streams:
                stream.answer.remove_listener(fanout.tell)
                del self._fanouts[key]

    def _open(self, key: tuple[Answer, Frame, Framing]) -> Fanout:
        if not self._heart:
            self._heart = self._beating()
            clock().start(self._heart)
        fanout = self._fanouts[key] = Fanout(key[0], self)
        key[0].add_listener(fanout.tell)
        return fanout

    def _beating(self) -> Course:
        """As long as there is anybody to beat for: now and then look whose silence has been long enough."""
        try:
            while self._fanouts:
                now = time.monotonic()
                for fanout in list(self._fanouts.values()):
                    fanout.beat(now, self._heartbeat_s)
                yield now + self._heartbeat_s / LOOKS
        finally:
            self._heart = None


FANOUTS = web.AppKey("fanouts", Fanouts)


async def stream(
    request: web.Request, answer: Answer, cursor: int, frame: Frame, prelude: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    """An HTTP response without a length, open until the answer ends.

    An empty chunk follows the prelude at once: the reader knows that it is connected, and where to resume.
    """
    response = web.StreamResponse(headers=STREAM_HEADERS | dict(headers))
    framing = chunked
    if request.version < HttpVersion11:  # it knows no chunks: without a length, only closing tells the end
        response.force_close()
        framing = bare
    await response.prepare(request)
    first = shape(frame(Chunk(cursor, "")), request.app[SETTINGS])
    tap = tap_of(request)
    if not (await written(request, response.write(prelude + first)) and request.transport and tap):
        return response
    stream = Stream(request, tap, request.transport, answer, cursor, frame, framing)
    if not (tap.heard or is_followed(request)):
        return hold(request, response, stream)
    before = tap.bytes_down - request.writer.output_size
    await _over(tap, stream)  # what waits behind this request, or belongs to it, is with its handler
    return Sent(tap.bytes_down - before, keep_alive=bool(response.keep_alive))


def is_followed(request: web.Request) -> bool:
    """Whether more comes up right behind the head of this request: its body, or the next one."""
    tap = tap_of(request)
    return request.body_exists or not (tap and tap.alone)


def messages(
    request: web.Request, answer: Answer, cursor: int, frame: Frame, socket: web.WebSocketResponse, hear: Hear
) -> web.StreamResponse:
    """The same over a WebSocket that was opened just now, a text message for each chunk; `hear` gets what comes up."""
    framing: Framing = message
    if socket.compress:
        takeover = "server_no_context_takeover" not in socket.headers["Sec-WebSocket-Extensions"]
        framing = deflated(int(socket.compress), takeover)
    tap = tap_of(request)
    if not (tap and request.transport):
        return socket
    stream = Stream(request, tap, request.transport, answer, cursor, frame, framing)
    return hold(request, socket, Talk(request.app, tap, stream, hear, inflates=bool(socket.compress)))


async def nothing_left(request: web.Request) -> web.StreamResponse:
    """What a reader gets that has read the end already: 204, which also stops an EventSource for good.

    A WebSocket handshake cannot be answered 204 without failing, so it is accepted and closed with 1000.
    """
    if not web.WebSocketResponse().can_prepare(request):
        return web.Response(status=204)
    socket = await open_socket(request, "")
    await written(request, goodbye(request, socket))
    return socket


async def _over(tap: Tap, stream: Stream) -> None:
    """Start a stream, and return when it is over."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(_whole: bool) -> None:
        if not ended.done():
            ended.set_result(None)

    tap.flow = stream
    stream.start(end)
    try:
        await ended
    finally:
        tap.flow = None
        stream.lost()


def _give_up(request: web.Request) -> None:
    """Drop the connection without the courtesies: they would wait for the same reader."""
    if request.transport:
        request.transport.abort()
