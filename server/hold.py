"""A stream goes on when its handler has returned, so that waiting for the next token costs next to nothing.

The one thing to notice: what aiohttp keeps for a request (two tasks, a parser, the request with its headers) is there
to find out what is asked, and this is answered. So the connection is taken from aiohttp as soon as the stream is open.
After the end it rests: only when something comes up again, a fresh handler of aiohttp's gets it.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from aiohttp import web

from server.ledger import Meter
from server.sent import Sent
from server.settings import Settings
from server.visit import VISIT, Visit

Ended = Callable[[bool], None]
"""Is told whether all of a stream was sent."""


class Pushed(Protocol):
    """A stream, as far as holding its connection goes."""

    def start(self, end: Ended) -> None:
        """Send what there is and all that comes; `end` is called once."""

    def resumed(self) -> None:
        """The socket takes more again."""

    def heard(self) -> None:
        """Something has come up."""

    def lost(self) -> None:
        """The connection is lost."""


class Again(Protocol):
    """A request that may be asked again."""

    def take(self, meter: Meter) -> bool:
        """Answer what has come up on a resting connection, if it is the same; gives whether it was."""


def hold(request: web.Request, opened: web.StreamResponse, stream: Pushed, again: Again | None = None) -> Sent:
    """Go on with the stream that `opened` has begun, once the handler has returned what this gives."""
    meter = request.protocol.access_logger
    assert isinstance(meter, Meter)  # noqa: S101 - app.py gives every connection one
    closes = opened.keep_alive is False or not request.keep_alive
    if meter.logs:  # to write a line about it in the end, all of the request is kept, where nobody minds
        line = Line(request, opened.status, request.writer.output_size - meter.bytes_down, time.monotonic())
        Hold(meter, request[VISIT], stream, request.app[RESTS], closes, line).start()
    else:
        Hold(meter, request[VISIT], stream, request.app[RESTS], closes, None, again).start()
    return Sent(0)


class Line(NamedTuple):
    """What it takes to write about a request in the access log once it is over."""

    request: web.Request
    status: int
    offset: int
    """Bytes that aiohttp has sent of the response, less what had gone down the connection until then."""
    began: float

    def write(self, meter: Meter, whole: bool) -> None:
        """Write it."""
        sent = Sent(meter.bytes_down + self.offset, status=self.status) if whole else None
        meter.write(self.request, sent, time.monotonic() - self.began)


class Hold:
    """The connection of a stream, between two handlers."""

    __slots__ = ("_again", "_closes", "_line", "_meter", "_rests", "_stream", "_visit")

    def __init__(
        self,
        meter: Meter,
        visit: Visit,
        stream: Pushed,
        rests: "Rests",
        closes: bool = False,
        line: Line | None = None,
        again: Again | None = None,
    ) -> None:
        self._meter, self._visit, self._stream, self._rests = meter, visit, stream, rests
        self._closes, self._line, self._again = closes, line, again

    def start(self) -> None:
        """Take the connection."""
        self._visit.stays = True
        self._meter.take(self)
        self._stream.start(self._ended)

    def resumed(self) -> None:
        """Pass on."""
        self._stream.resumed()

    def heard(self) -> None:
        """Pass on."""
        self._stream.heard()

    def lost(self) -> None:
        """Pass on; and nobody else is left to be told."""
        self._stream.lost()
        self._meter.disconnect()

    def _ended(self, whole: bool) -> None:
        self._visit.leave()
        if self._line:
            self._line.write(self._meter, whole)
        if whole:
            self._rests.begin(self._meter, self._closes, self._again)


class Rest:
    """A connection without a request, on which the next may come."""

    __slots__ = ("_again", "_ends", "_meter", "_rests")

    def __init__(self, meter: Meter, rests: "Rests", keepalive_s: float, again: Again | None) -> None:
        self._meter, self._rests, self._again = meter, rests, again
        self._ends = asyncio.get_running_loop().call_later(keepalive_s, rests.end, meter)

    def resumed(self) -> None:
        """Nothing waits for that."""

    def heard(self) -> None:
        """A request comes."""
        self._end()
        if not (self._again and self._again.take(self._meter)):
            self._meter.give_back()

    def lost(self) -> None:
        """Nobody else is left to be told."""
        self._end()
        self._meter.disconnect()

    def _end(self) -> None:
        self._ends.cancel()
        self._rests.over(self._meter)


class Rests:
    """All connections that rest; they are closed with the server."""

    def __init__(self, settings: Settings) -> None:
        self._keepalive_s, self._write_s = settings.keepalive_s, settings.write_s
        self._meters: set[Meter] = set()
        self._closed = False

    def begin(self, meter: Meter, closes: bool, again: Again | None) -> None:
        """A stream has ended on this connection, which is to be closed, or is good for the next request."""
        if closes or self._closed:
            # Not at once: asyncio may be telling us that the socket takes more, and does not expect to lose it then.
            asyncio.get_running_loop().call_soon(self.end, meter)
        else:
            self._meters.add(meter)
            meter.rest(Rest(meter, self, self._keepalive_s, again))

    def over(self, meter: Meter) -> None:
        """It rests no more."""
        self._meters.discard(meter)

    def close(self) -> None:
        """Close all, and what ends from now on."""
        self._closed = True
        for meter in self._meters:
            self.end(meter)

    def end(self, meter: Meter) -> None:
        """Close one. What still waits in it has its deadline, too."""
        meter.close()
        asyncio.get_running_loop().call_later(self._write_s, meter.abort)


RESTS = web.AppKey("rests", Rests)
