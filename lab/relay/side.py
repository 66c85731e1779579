"""One end of a relayed connection: what comes in here goes through a Way, and out at the other end.

The one thing to notice: an end passes on what happened at it, too: the end of a stream as an end, a reset as a reset.
Else a relay would be kinder than the network is.
"""

import asyncio
import socket
import struct
import time
from contextlib import suppress
from typing import Protocol

from lab.relay.cable import Again, Cut, End, Wait
from lab.relay.way import Down, Up

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, with no time: closing sends RST (socket(7))."""


class Owner(Protocol):
    """What both ends belong to, as they see it."""

    def arrived(self) -> None:
        """An end is connected."""

    def taken(self, way: Up | Down, data: bytes) -> bytes | None:
        """What is to cross instead of what came in; None when no more can cross."""

    def again(self, request: bytes) -> None:
        """Send a request once more."""

    def cut(self, how: str) -> None:
        """End both directions as a fault of the network does."""

    def lost(self) -> None:
        """An end is gone."""


class Side(asyncio.Protocol):
    """The end at a client, or the one at the server."""

    other: "Side"
    """The other end of the same connection."""

    def __init__(self, owner: Owner, way: Up | Down) -> None:
        self._owner, self._way = owner, way
        self._transport: asyncio.Transport | None = None
        self.gone = False
        self._ended_in = False
        """Whether nothing more will come in."""
        self._over = False
        """Whether what comes in matters no longer."""
        self._stuck = False
        """Whether what was written here has not gone out yet."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def here(self) -> bool:
        """Whether it is connected."""
        return self._transport is not None and not self.gone

    # What the network does.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP connection's transport is one
        transport.set_write_buffer_limits(0)  # one thing has gone out before the next one happens
        self._transport = transport
        self._owner.arrived()

    def data_received(self, data: bytes) -> None:
        """Take what came in."""
        if not self._over and (crosses := self._owner.taken(self._way, data)) is not None:
            self._way.feed(crosses, time.monotonic())
            self.pump()

    def eof_received(self) -> bool:
        """Take it that no more comes in; something may still go out."""
        self._ended_in = True
        if not self._over:
            self._way.end(time.monotonic())
            self.pump()
        return not self._over

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell the other end, in time, if this one was broken; who ends it here has set all else right."""
        self.gone, self._stuck = True, False
        if not (self._over or self._ended_in):
            self._ended_in = True
            self._way.end(time.monotonic(), broken=True)
            self.pump()
        self._owner.lost()

    def pause_writing(self) -> None:
        """Wait until what was written has gone out."""
        self._stuck = True

    def resume_writing(self) -> None:
        """Go on."""
        self._stuck = False
        self.other.pump()

    # What is done about it.

    def pump(self) -> None:
        """Do all that the way says until there is nothing to do for now."""
        self.rest()
        while self.other._transport and not (self._over or self.other._stuck):
            match self._way.next(time.monotonic()):
                case Wait(seconds):
                    if seconds is not None:
                        self._timer = asyncio.get_running_loop().call_later(seconds, self.pump)
                    break
                case bytes(data):
                    self.other.write(data)
                case Again(request):
                    self._owner.again(request)
                case Cut(how):
                    self._owner.cut(how)
                case End(broken=True):
                    self.other.reset()
                case End():
                    self.other.finish()
        self.listen()

    def rest(self) -> None:
        """Forget when to go on."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def write(self, data: bytes) -> None:
        """Send it out here; to nobody, if nobody is here any more."""
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    def finish(self) -> None:
        """Send FIN; with that in both directions, it is over."""
        self._say_end()
        if self._way.ended:
            self.drop()
            self.other.drop()

    def hang_up(self) -> None:
        """Send FIN, and hear no more: RST follows only if the peer goes on to talk after it has closed."""
        self._over = True
        self.rest()
        if self._transport and not self._transport.is_closing():
            if self._ended_in:
                self._transport.close()
            else:
                self._say_end()
                self._transport.resume_reading()

    def _say_end(self) -> None:
        """Send FIN; to nobody, if a reset has come that could not be heard yet."""
        if self._transport and not self._transport.is_closing():
            with suppress(OSError):
                self._transport.write_eof()

    def reset(self) -> None:
        """Send RST."""
        if self._transport and not self.gone:
            connection: socket.socket = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.drop()

    def drop(self) -> None:
        """Close at once, whatever is still to go out."""
        self._over = True
        self.rest()
        if self._transport:
            self._transport.abort()

    def listen(self) -> None:
        """Take in no more than goes out at the other end."""
        if self._transport and not (self._over or self._ended_in):
            if self.other._transport is None or self.other._stuck or self._way.full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
