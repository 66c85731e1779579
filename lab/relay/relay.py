"""A relay between clients and a server: it keeps what crosses, may change it, and has every fault that a network has.

The one thing to notice: it can do what everybody can who owns a part of the way, an access point, a provider, a proxy.
It breaks no encryption: under TLS those faults work that are about bytes and connections, and those about requests and
responses find none; what is held to the end of a response is held to that of the connection.

A page that is opened through it works like any other. Its `Host` and its `Origin` both name this relay's port, and the
server compares the two with each other and takes the loopback names with any port. Cookies do not know ports, so a
page that is open here and at the server itself is in one session.

To the server a blackhole is a peer that takes nothing and yet acknowledges: this machine's kernel does so for it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

from yarl import URL

from lab.relay.cable import Cable, Counts
from lab.relay.faults import RST, Faults
from lab.relay.pieces import DOWN, UP, Change, Piece, leave_alone
from lab.relay.side import Side
from lab.relay.way import Down, Up

LOOPBACK = "127.0.0.1"
BACKLOG = 1024
MOST_CONNECTIONS = 10_000
"""At once."""
MOST_BYTES = 64 * 1024 * 1024
"""That are kept; a relay that is to carry more must keep nothing."""


class Relay:
    """What has crossed so far, where to connect, and what is wrong with the network."""

    def __init__(self, server_port: int, changing: Callable[[], Change], faults: Faults, keeps: bool) -> None:
        self.port = 0
        self.pieces: list[Piece] = []
        """As they came, before any change."""
        self.cable = Cable(faults)
        self.server_port, self.changing = server_port, changing
        self._keeps, self._kept_bytes = keeps, 0
        self._open: set[Connection] = set()
        self._fewer = asyncio.Event()
        self._replaced = asyncio.Event()

    @property
    def faults(self) -> Faults:
        """What is wrong with the network. Assign others to replace them as a whole, for open connections, too."""
        return self.cable.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.cable.set(faults)
        self._replaced.set()
        self._replaced = asyncio.Event()  # who waits now waits for the next time
        for connection in list(self._open):
            connection.pump()

    @property
    def counts(self) -> Counts:
        """What happened since the start."""
        return self.cable.counts

    def through(self, url: str) -> str:
        """The same address of the server, by way of the relay."""
        return str(URL(url).with_port(self.port))

    async def let_in(self) -> None:
        """Return when a new connection may go on to the server: a handshake is a round trip, which is two delays."""
        while self.faults.blackhole:
            await self._replaced.wait()
        await asyncio.sleep(2 * self.faults.delay_ms / 1000)

    def keep(self, piece: Piece) -> bool:
        """Keep it, if this relay keeps pieces; whether there was room."""
        if self._keeps:
            self._kept_bytes += len(piece.data)
            if self._kept_bytes > MOST_BYTES:
                return False
            self.pieces.append(piece)
        return True

    def opened(self, connection: "Connection") -> bool:
        """Count a connection; whether it may stay."""
        self._open.add(connection)
        self.counts.connections += 1
        self.counts.open = len(self._open)
        return len(self._open) <= MOST_CONNECTIONS

    def closed(self, connection: "Connection") -> None:
        """Count it no longer."""
        self._open.discard(connection)
        self.counts.open = len(self._open)
        self._fewer.set()

    async def close(self) -> None:
        """End all connections."""
        while self._open:
            self._fewer.clear()
            for connection in self._open:
                connection.drop()
            await self._fewer.wait()


class Connection:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, relay: Relay) -> None:
        self._relay, self._number, self._change = relay, -1, leave_alone()
        self.client, self.server = Side(self, Up(relay.cable)), Side(self, Down(relay.cable))
        self.client.other, self.server.other = self.server, self.client
        self._copies: set[asyncio.Transport] = set()
        """Connections on which a request was sent once more."""
        self._tasks: set[asyncio.Task[None]] = set()

    def arrived(self) -> None:
        """The client is here: refuse it, or connect to the server. Or the server is: then they can begin."""
        if self._number >= 0:
            self.pump()
            return
        self._number, self._change = self._relay.counts.connections, self._relay.changing()
        stays = self._relay.opened(self)
        if self._relay.faults.refuse:
            self._relay.counts.refused += 1
            self.client.reset()
        elif stays:
            self.client.listen()
            self._soon(self._connect())
        else:
            self.drop()

    def taken(self, way: Up | Down, data: bytes) -> bytes | None:
        """Keep what came in; gives what is to cross instead, None when there is no room any more."""
        name = UP if isinstance(way, Up) else DOWN
        if self._relay.keep(Piece(self._number, name, time.monotonic(), data)):
            return self._change(name, data)
        self.drop()
        return None

    def again(self, request: bytes) -> None:
        """Send a request once more, on a connection of its own. What comes back there is read and thrown away."""
        self._soon(self._copy(request))

    def cut(self, how: str) -> None:
        """End both directions as a fault of the network does."""
        if how == RST:
            self.client.reset()
            self.server.reset()
        else:
            self.client.hang_up()
            self.server.drop()

    def drop(self) -> None:
        """Close both ends, whatever is still under way."""
        self.client.drop()
        self.server.drop()

    def pump(self) -> None:
        """Do what there is to do, in both directions."""
        self.client.pump()
        self.server.pump()

    def lost(self) -> None:
        """When both ends are gone, all of it is over."""
        if self.client.here or self.server.here:
            return
        self.client.rest()
        self.server.rest()
        for task in self._tasks:
            task.cancel()
        for transport in self._copies:
            transport.abort()
        self._relay.closed(self)

    def _soon(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        await self._relay.let_in()
        try:
            await self._reach(self.server)
        except OSError:
            self.drop()  # there is no server, and by closing the client hears of it

    async def _copy(self, request: bytes) -> None:
        with suppress(OSError):
            transport = await self._reach(asyncio.Protocol())
            self._copies.add(transport)
            transport.write(request)

    async def _reach(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Connect to the server."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: protocol, LOOPBACK, self._relay.server_port)
        return transport


@asynccontextmanager
async def relaying(
    server_port: int,
    changing: Callable[[], Change] = leave_alone,
    faults: Faults = Faults(),  # noqa: B008 - frozen
    port: int = 0,
    keeps: bool = True,
) -> AsyncIterator[Relay]:
    """Relay to a server on this machine while the block runs, at `port` (0: any free one). Raises OSError.

    `changing` makes what changes one connection. With `keeps` all that crosses is kept in `pieces`, up to MOST_BYTES.
    """
    relay = Relay(server_port, changing, faults, keeps)
    listening = await asyncio.get_running_loop().create_server(
        lambda: Connection(relay).client, LOOPBACK, port, backlog=BACKLOG
    )
    relay.port = listening.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        listening.close()
        await relay.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await listening.wait_closed()
