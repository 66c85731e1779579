"""A visit: one request for an answer, from its coming to its end.

The one thing to notice: a stream goes on after its handler has returned (hold.py), and so does its visit. Whatever ends
it, it is left exactly once, and no place is ever lost.
"""

import asyncio

from aiohttp import web

from server.cables import Cable
from server.readers import Readers


class Visit:
    """As a block, it is over with the block, unless it `stays`."""

    __slots__ = ("_readers", "_transport", "cable", "stays")

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self.cable: Cable | None = None
        self._transport: asyncio.Transport | None = None
        self.stays = False

    def __enter__(self) -> "Visit":
        """Take a place. Raises Busy when the server is full."""
        self._readers.take()
        return self

    def __exit__(self, *_how: object) -> None:
        if not self.stays:
            self.leave()

    def along(self, cable: Cable | None, transport: asyncio.Transport | None) -> None:
        """It comes along this cable, and can be cut with it."""
        if cable and transport:
            self.cable, self._transport = cable, transport
            cable.connections.add(transport)

    def leave(self) -> None:
        """Give the place back."""
        self._readers.give_back()
        if self.cable and self._transport:
            self.cable.connections.discard(self._transport)


VISIT = web.RequestKey("visit", Visit)
