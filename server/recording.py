"""What crossed the sockets of an answer, kept so that it can be shown: request by request, delivery by delivery.

The one thing to notice: a delivery is a place in the bytes, not a copy of them. What went over the wire since the
delivery before belongs to it.
"""

import time
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from server.answer import Answer, Chunk

MOST_NOTES = 50_000
"""Requests and deliveries of one answer that are kept track of."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A chunk that was handed to the kernel."""

    cursor: int
    """Where the reader was before."""
    chunk: Chunk
    pieces: int
    """How many pieces of the exchange had crossed by then, this chunk's own included."""

    @property
    def tokens(self) -> int:
        """How many it carried."""
        return self.chunk.cursor - self.cursor - (self.chunk.done is not None)


@dataclass(slots=True)
class Exchange:
    """One request of one reader and all that it was answered: `pieces` are (way, bytes) in the order of the wire."""

    number: int
    recording: "Recording"
    began_ms: float
    ended_ms: float | None = None
    tokens: int = 0
    pieces: list[tuple[str, bytes]] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    whole: bool = True
    """Whether everything that crossed so far was kept."""

    def add(self, way: str, data: bytes) -> None:
        """Something crossed, `up` or `down`."""
        self.whole = self.whole and self.recording.take_room(len(data))
        if self.whole:
            self.pieces.append((way, bytes(data)))

    def deliver(self, cursor: int, chunk: Chunk) -> None:
        """What crossed since the last delivery was for this chunk, which moved the reader on from `cursor`."""
        delivery = Delivery(cursor, chunk, len(self.pieces))
        self.tokens += delivery.tokens
        if self.whole and self.recording.take_note():
            self.deliveries.append(delivery)

    def end(self) -> None:
        """The request is over."""
        self.ended_ms = now_ms()

    @property
    def span(self) -> tuple[int, float, float | None, int]:
        """Its number, when it came and when it was over (monotonic milliseconds), and the tokens it delivered."""
        return self.number, self.began_ms, self.ended_ms, self.tokens


class Recording:
    """All recorded requests of one answer, by (transport, reader)."""

    def __init__(self, room: int) -> None:
        self.exchanges: dict[tuple[str, str], list[Exchange]] = {}
        self._room, self._notes = room, MOST_NOTES

    def begin(self, transport: str, reader: str) -> Exchange:
        """A request has come. One too many is kept track of by nobody."""
        exchanges = self.exchanges.setdefault((transport, reader), [])
        exchange = Exchange(len(exchanges) + 1, self, now_ms())
        if self.take_note():
            exchanges.append(exchange)
        return exchange

    def take_room(self, size: int) -> bool:
        """Take so many bytes of the room; False when there is not enough left, now and ever after."""
        self._room = self._room - size if self._room >= size else 0
        return self._room > 0

    def take_note(self) -> bool:
        """Take one of the notes; False when there are none left."""
        self._notes = max(0, self._notes - 1)
        return self._notes > 0


class Recorder:
    """The recordings of the newest answers that asked for one; older ones are forgotten."""

    def __init__(self, most: int, room: int) -> None:
        self._recordings: WeakKeyDictionary[Answer, Recording] = WeakKeyDictionary()
        self._most, self._room = most, room

    def start(self, answer: Answer) -> None:
        """Record all that reads `answer`."""
        while len(self._recordings) >= self._most:
            del self._recordings[next(iter(self._recordings))]
        self._recordings[answer] = Recording(self._room)

    def find(self, answer: Answer) -> Recording | None:
        """Its recording, if there is one and it is not forgotten."""
        return self._recordings.get(answer)


def now_ms() -> float:
    """The monotonic clock of the timeline, in milliseconds."""
    return round(time.monotonic() * 1000, 3)
