"""The cables between an answer and its readers, to be cut on purpose: what a transport does then is the lesson.

The one thing to notice: a cut here is what a cut is out there. The connection is reset by the kernel in the middle of
whatever it was doing (RST, RFC 9293 §3.5.3), without a last chunk, a status or a close frame.
"""

import asyncio
import socket
import struct
import time
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from aiohttp import web

from server.answer import Answer

NO_GOODBYE = struct.pack("ii", 1, 0)  # struct linger: on, for 0 seconds; POSIX: closing then resets the connection


@dataclass(slots=True, eq=False)
class Cable:
    """What connects one answer with its readers over one transport."""

    connections: set[web.RequestHandler] = field(default_factory=set)
    """Those over which a request is being served now."""
    cut_until: float = 0.0
    """Monotonic seconds."""


class Way:
    """One request along a cable; as a block, it can be cut while the block runs."""

    __slots__ = ("_cable", "_connection")

    def __init__(self, cable: Cable, connection: web.RequestHandler) -> None:
        self._cable, self._connection = cable, connection

    async def __aenter__(self) -> None:
        if time.monotonic() < self._cable.cut_until:
            reset(self._connection)
            await asyncio.get_running_loop().create_future()  # the lost connection cancels us in a moment
        self._cable.connections.add(self._connection)

    async def __aexit__(self, *_how: object) -> None:
        self._cable.connections.discard(self._connection)


class Cables:
    """All cables that are in use or cut. They are forgotten together with their answer."""

    def __init__(self) -> None:
        self._cables: WeakKeyDictionary[Answer, dict[str, Cable]] = WeakKeyDictionary()

    def along(self, request: web.Request, answer: Answer, transport: str) -> Way:
        """Let the request be cut while the block runs; one that comes while the cable is cut never gets so far."""
        return Way(self._cable(answer, transport), request.protocol)

    def cut(self, answer: Answer, transport: str, seconds: float) -> None:
        """Reset who reads `answer` over `transport` now, and whoever comes to do so in the next `seconds`."""
        cable = self._cable(answer, transport)
        cable.cut_until = max(cable.cut_until, time.monotonic() + seconds)
        _reset_all(cable)

    def cut_all(self) -> None:
        """Reset every request that is still being served."""
        for cables in self._cables.values():
            for cable in cables.values():
                _reset_all(cable)

    def _cable(self, answer: Answer, transport: str) -> Cable:
        cables = self._cables.get(answer)
        if cables is None:
            cables = self._cables[answer] = {}
        if transport not in cables:
            cables[transport] = Cable()
        return cables[transport]


def reset(connection: web.RequestHandler) -> None:
    """Break it off: what was not sent yet is thrown away, and the peer is told nothing but RST."""
    if connection.transport is None:  # it is lost already
        return
    its_socket = connection.transport.get_extra_info("socket")
    its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_GOODBYE)
    connection.transport.abort()


def _reset_all(cable: Cable) -> None:
    for connection in list(cable.connections):
        reset(connection)


CABLES = web.AppKey("cables", Cables)
