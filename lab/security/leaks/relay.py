"""A relay between client and server: it keeps what crosses, both ways, and may change it on its way.

The one thing to notice: it can do what everybody can who owns a part of the way, an access point, a provider, a proxy.
It breaks no encryption. What it learns from encrypted bytes is what they show.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from yarl import URL

from lab.security.leaks.records import DOWN, UP, Piece

LOOPBACK = "127.0.0.1"
MOST_CONNECTIONS = 1000
MOST_BYTES = 64 * 1024 * 1024
READ_BYTES = 64 * 1024

Change = Callable[[str, bytes], bytes]
"""Takes the way and a piece; gives what is to cross instead. Each connection has its own."""


def leave_alone() -> Change:
    """Change nothing."""
    return lambda _way, data: data


class Relay:
    """What has crossed so far, and where to connect."""

    def __init__(self, server_port: int, changing: Callable[[], Change]) -> None:
        self.port = 0
        self.pieces: list[Piece] = []
        """As they came, before any change."""
        self._server_port, self._changing = server_port, changing
        self._connections = self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def through(self, url: str) -> str:
        """The same address of the server, by way of the relay."""
        return str(URL(url).with_port(self.port))

    async def accept(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        """Carry one connection until both sides have closed it."""
        if task := asyncio.current_task():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        number, self._connections = self._connections, self._connections + 1
        change = self._changing()
        writers = [client_writer]
        try:
            if number < MOST_CONNECTIONS:
                server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self._server_port)
                writers.append(server_writer)
                await asyncio.gather(
                    self._carry(number, UP, client_reader, server_writer, change),
                    self._carry(number, DOWN, server_reader, client_writer, change),
                )
        except asyncio.CancelledError:  # the experiment is over: nobody waits for what is still on its way
            for writer in writers:
                writer.transport.abort()
        except ConnectionError:
            pass  # the server is gone, and by closing the client hears of it
        finally:
            for writer in writers:
                writer.close()

    async def _carry(
        self, number: int, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Change
    ) -> None:
        try:
            while data := await reader.read(READ_BYTES):
                self._keep(Piece(number, way, time.monotonic(), data))
                writer.write(change(way, data))
                await writer.drain()
            writer.write_eof()
        except OSError:  # one side broke the connection: so does the other one see it
            writer.transport.abort()

    def _keep(self, piece: Piece) -> None:
        self._bytes += len(piece.data)
        if self._bytes > MOST_BYTES:
            raise ConnectionAbortedError("more crossed than a relay carries")
        self.pieces.append(piece)

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def relaying(server_port: int, changing: Callable[[], Change] = leave_alone) -> AsyncIterator[Relay]:
    """Relay to a server on this machine while the block runs; `changing` makes what changes one connection."""
    relay = Relay(server_port, changing)
    listening = await asyncio.start_server(relay.accept, LOOPBACK, 0)
    relay.port = listening.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        listening.close()
        await relay.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await listening.wait_closed()
