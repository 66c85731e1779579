"""Server-sent events, read by hand (WHATWG HTML 9.2).

The one thing to notice: a network read is not a line, and a line is not an event. The decoder keeps what is unfinished
and never loses its place, even if every byte comes alone.
"""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from clients.chunk import Chunk, parse
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

    _line: bytes = b""
    _after_cr: bool = False
    _started: bool = False
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._after_cr and data:  # the second half of a CRLF that was cut in two
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        *lines, self._line = LINE_END.split(self._line + data)
        return [event for line in lines if (event := self._take(line))]

    def _take(self, line: bytes) -> Event | None:
        if not self._started:
            self._started = True
            line = line.removeprefix(BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        return None  # `id` and `retry` are for an EventSource: our cursor is in the data, our pauses are in resume.py

    def _dispatch(self) -> Event | None:
        event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._data = "", []
        return event


@dataclass(slots=True)
class Decoder:
    """Bytes to chunks."""

    _events: EventDecoder = field(default_factory=EventDecoder)

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes. Events of names we do not know are none of our business."""
        return [parse(event.data) for event in self._events.feed(data) if event.name in ("message", "end")]


def sse(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
    """Every event from `cursor` to the end."""
    return streamed(url, cursor, Decoder().feed, headers={"Accept": "text/event-stream"})
