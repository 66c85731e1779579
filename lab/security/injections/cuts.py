"""A network that breaks event streams, and always at the worst moment.

The one thing to notice: the moment is a place in the bytes and not a time, so it is the same on a busy machine. Pure;
a relay (lab/relay/) does what is said here.
"""

import asyncio
import re
from dataclasses import dataclass, field

from lab.relay import UP, Change

STREAM = b"text/event-stream"
ASKED = re.compile(rb"(GET /answers/\S+/sse(?:\?\S*)?) HTTP/1\.1\r\n")
CLOSED_AT_END = rb"\1 HTTP/1.0\r\n"
KEPT, CLOSED = b"Connection: keep-alive\r\n", b"Connection: close\r\n"


def place(heard: bytes, marker: bytes) -> int | None:
    """Where a response is to be cut: just after `marker`, if it is an event stream and the marker has come."""
    head = heard.find(STREAM)
    at = heard.find(marker, head) if head >= 0 else -1
    return at + len(marker) if at >= 0 else None


@dataclass(slots=True)
class Cuts:
    """What is still to be broken. For answers that have been written to their end: such streams end by themselves."""

    marker: bytes
    """An event stream ends where this has gone through …"""
    left: int
    """… for so many times from now on."""
    streams: int = 0
    """How often an event stream was asked for."""
    none_left: asyncio.Event = field(default_factory=asyncio.Event)

    def changing(self) -> Change:
        """What is done to one connection."""
        heard, over = b"", False

        def change(way: str, data: bytes) -> bytes:
            nonlocal heard, over
            if way == UP:
                return self._ask(data)
            if over:
                return b""
            passed, heard = len(heard), heard + data
            at = place(heard, self.marker) if self.left else None
            if at is None:
                return data
            over = True
            self._count()
            return heard[passed:at]

        return change

    def _ask(self, data: bytes) -> bytes:
        """Count the event streams that are asked for in these bytes, and ask for them as a client of HTTP/1.0 would.

        Such a response ends where its connection does (RFC 9112 §6.3), so that a cut is an end. In the middle of an
        HTTP/1.1 chunk it would be an error, for which a browser may throw away what came before it.
        """
        data, count = ASKED.subn(CLOSED_AT_END, data)
        self.streams += count
        return data.replace(KEPT, CLOSED) if count else data

    def _count(self) -> None:
        self.left -= 1
        if not self.left:
            self.none_left.set()
