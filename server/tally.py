"""Counts a connection's bytes in this process, for systems whose kernel does not tell (macOS, Windows).

The one thing to notice: it stands between the two sides of asyncio, as the protocol to the transport and as the
transport to the protocol. So it sees every byte, but no segment, and nothing that the kernel sends again.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiohttp import web


class Tally(asyncio.Protocol):
    """The bytes of one connection."""

    def __init__(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        self.bytes_up = self.bytes_down = 0
        self._handler, self._transport = handler, transport
        transport.set_protocol(self)
        handler.transport = self  # type: ignore[assignment] # it is one in all that is asked of it

    # To the handler it is the transport.

    def write(self, data: bytes) -> None:
        """Count on the way down."""
        self.bytes_down += len(data)
        self._transport.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Count on the way down."""
        self.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    # To the transport it is the protocol.

    def data_received(self, data: bytes) -> None:
        """Count on the way up."""
        self.bytes_up += len(data)
        self._handler.data_received(data)

    def eof_received(self) -> None:
        """Pass on."""
        self._handler.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on."""
        self._handler.connection_lost(error)

    def pause_writing(self) -> None:
        """Pass on."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass on."""
        self._handler.resume_writing()
