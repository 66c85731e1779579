"""What a piece of traffic is made of: heads, framing, the envelope of JSON, and the text that it was all for.

The one thing to notice: it knows no transport. A chunk is the same JSON on each of them, so whatever is around it is
what that transport puts around it. Pure.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HEAD = re.compile(rb"(?:HTTP/1\.[01] \d{3} |[A-Z]+ \S+ HTTP/1\.[01]\r\n).*?\r\n\r\n", re.DOTALL)
STRING = rb'[^"\\]*(?:\\.[^"\\]*)*'
CHUNK = re.compile(rb'(\{"cursor":\d+,"text":")(%b)("(?:,"\w+":"%b")*\})' % (STRING, STRING), re.DOTALL)

KINDS = ("head", "framing", "envelope", "text")
"""HTTP heads; what the transport puts around a chunk; the chunk's JSON around its text; the text."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of one kind that crossed one way, `up` or `down`."""

    way: str
    kind: str
    data: bytes


def anatomy(pieces: Iterable[tuple[str, bytes]]) -> list[Part]:
    """The parts of what crossed, in the order of the wire. Joined again they are what crossed."""
    return [Part(way, kind, data) for way, whole in _runs(pieces) for kind, data in _kinds(way, whole) if data]


def by_kind(parts: Iterable[Part]) -> dict[str, int]:
    """How many bytes there are of each kind."""
    sizes = dict.fromkeys(KINDS, 0)
    for part in parts:
        sizes[part.kind] += len(part.data)
    return sizes


def _runs(pieces: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Pieces of one way that follow each other, joined: where one write ended and the next began means nothing."""
    way, data = "", b""
    for next_way, more in pieces:
        if next_way != way:
            yield way, data
            way, data = next_way, b""
        data += more
    yield way, data


def _kinds(way: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    head = HEAD.match(data)
    at = head.end() if head else 0
    yield "head", data[:at]
    if way == "down":
        for chunk in CHUNK.finditer(data, at):
            yield "framing", data[at : chunk.start()]
            yield "envelope", chunk[1]
            yield "text", chunk[2]
            yield "envelope", chunk[3]
            at = chunk.end()
    yield "framing", data[at:]
