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

    connections: set[asyncio.Transport] = field(default_factory=set)
    """Those over which a request is being served now."""
    cut_until: float = 0.0
    """Monotonic seconds."""


class Cables:
    """All cables that are in use or cut. They are forgotten together with their answer."""

    def __init__(self) -> None:
        self._cables: WeakKeyDictionary[Answer, dict[str, Cable]] = WeakKeyDictionary()

    async def find(self, request: web.Request, answer: Answer, transport: str) -> Cable:
        """The cable that the request comes along. One that comes while it is cut never gets so far."""
        cable = self._cable(answer, transport)
        if time.monotonic() < cable.cut_until:
            if request.transport:
                reset(request.transport)
            await asyncio.get_running_loop().create_future()  # the lost connection cancels us in a moment
        return cable

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


def reset(connection: asyncio.Transport) -> None:
    """Break it off: what was not sent yet is thrown away, and the peer is told nothing but RST."""
    its_socket = connection.get_extra_info("socket")
    if its_socket.fileno() == -1:  # it is lost already
        return
    its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_GOODBYE)
    connection.abort()


def _reset_all(cable: Cable) -> None:
    for connection in list(cable.connections):
        reset(connection)


CABLES = web.AppKey("cables", Cables)
