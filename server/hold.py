"""A stream goes on when its handler has returned, so that waiting for the next token costs next to nothing.

The one thing to notice: what aiohttp keeps for a request (two tasks, a parser, the request with its headers) is there
to find out what is asked, and this is answered. So the connection is taken from aiohttp as soon as the stream is open.
Once it has ended, a fresh handler of aiohttp's gets the connection for the next request.
"""

import time
from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from server.ledger import Meter
from server.sent import Sent
from server.visit import VISIT

Ended = Callable[[bool], None]
"""Is told whether all of a stream was sent."""


class Pushed(Protocol):
    """A stream, as far as holding its connection goes."""

    sent_bytes: int

    def start(self, end: Ended) -> None:
        """Send what there is and all that comes; `end` is called once."""

    def resumed(self) -> None:
        """The socket takes more again."""

    def lost(self) -> None:
        """The connection is lost."""


def hold(request: web.Request, stream: Pushed) -> Sent:
    """Go on with the stream, once the handler has returned what this gives."""
    meter = request.protocol.access_logger
    assert isinstance(meter, Meter)  # noqa: S101 - app.py gives every connection one
    Hold(request, meter, stream).start()
    return Sent(0)


class Hold:
    """The connection of a stream, between two handlers."""

    __slots__ = ("_began", "_closes", "_logged", "_meter", "_stream", "_visit")

    def __init__(self, request: web.Request, meter: Meter, stream: Pushed) -> None:
        self._meter, self._stream, self._visit = meter, stream, request[VISIT]
        self._closes = not request.keep_alive or request.version < (1, 1)
        self._began = time.monotonic()
        self._logged = request if meter.logs else None  # which keeps all of it, where nobody minds

    def start(self) -> None:
        """Take the connection."""
        self._visit.stays = True
        self._meter.take(self)
        self._stream.start(self._ended)

    def resumed(self) -> None:
        """Pass on."""
        self._stream.resumed()

    def lost(self) -> None:
        """Pass on; and nobody else is left to be told."""
        self._stream.lost()
        self._meter.disconnect()

    def _ended(self, whole: bool) -> None:
        self._visit.leave()
        if self._logged:
            sent = Sent(self._logged.writer.output_size + self._stream.sent_bytes) if whole else None
            self._meter.write(self._logged, sent, time.monotonic() - self._began)
        if whole:
            self._meter.give_back(self._closes)
