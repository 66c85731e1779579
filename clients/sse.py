"""Server-sent events, read by hand (WHATWG HTML 9.2).

The one thing to notice: a network read is not a line, and a line is not an event. The decoder keeps what is unfinished
and never loses its place, even if every byte comes alone.
"""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from clients.attention import attentive
from clients.chunk import CUT, LARGEST, TOO_LARGE, Chunk, Malformed, StreamError, parse
from clients.request import streamed

LINE_END = re.compile(b"\r\n|\r|\n")
BOM = "\ufeff".encode()


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the stream."""

    name: str
    data: str


@dataclass(slots=True)
class EventDecoder:
    """Bytes to events, as WHATWG HTML 9.2.6 says. Pure: whoever has the bytes feeds it."""

    retry_ms: int | None = None
    """When the server wants us back after a cut, if it said so."""
    _line: bytearray = field(default_factory=bytearray)
    _after_cr: bool = False
    _started: bool = False
    _name: str = ""
    _data: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. Raises Malformed when a line or an event never ends."""
        if self._after_cr and data:  # the second half of a CRLF that was cut in two
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        events = []
        *ends, rest = LINE_END.split(data)
        for end in ends:
            line, self._line = bytes(self._line + end), bytearray()
            if event := self._take(line):
                events.append(event)
        self._line += rest
        if len(self._line) + len(self._data) > LARGEST:
            raise Malformed(TOO_LARGE)
        return events

    def _take(self, line: bytes) -> Event | None:
        if not self._started:
            self._started = True
            line = line.removeprefix(BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            self._name = value.decode(errors="replace")
        elif name == b"data":
            self._data += value + b"\n"
        elif name == b"retry" and value.isdigit():
            self.retry_ms = int(value[:15])
        return None  # `id` is for an EventSource: our cursor is in the data

    def _dispatch(self) -> Event | None:
        event = None
        if self._data:
            event = Event(self._name or "message", self._data[:-1].decode(errors="replace"))
        self._name, self._data = "", bytearray()
        return event


@dataclass(slots=True)
class Decoder:
    """Bytes to chunks."""

    _events: EventDecoder = field(default_factory=EventDecoder)
    _heard: bool = False

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes. Events of names we do not know are none of our business."""
        chunks = [parse(event.data) for event in self._events.feed(data) if event.name in ("message", "end")]
        self._heard = self._heard or bool(chunks)
        return chunks

    def broken_off(self) -> StreamError:
        """What an end without a last chunk means. After `retry` alone: there is no place for us now.

        A server cannot say that by status: an EventSource takes every status but 200 as final.
        """
        if self._heard or self._events.retry_ms is None:
            return StreamError(CUT)
        seconds = self._events.retry_ms / 1000
        return StreamError(f"The server has no place for a reader now, and says: in {seconds:g} seconds.", seconds)


def sse(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
    """Every event from `cursor` to the end."""
    decoder = Decoder()
    return attentive(streamed(url, cursor, "text/event-stream", decoder.feed, decoder.broken_off), cursor)
