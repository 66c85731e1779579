"""Raw TCP connections for attackers: they send what no HTTP library would, and take as little as they like.

The one thing to notice: an attacker comes from an address of its own, which is loopback like the honest reader's. So a
limit for each address can tell the two apart.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

from yarl import URL

from lab.limits import CouldNotRun
from lab.security.scene import Target

SERVER, ATTACKER = "127.0.0.1", "127.0.0.2"

MOST = 900
"""Connections of one attack at a time."""
AT_ONCE = 64 * 1024
LONGEST_S = 5.0
"""How long an attacker waits for the server to send or to take something."""

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}
"""What makes a request a WebSocket's handshake (RFC 6455 §4.1)."""


def request(url: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> bytes:
    """The head of a request. Pure."""
    lines = [f"{method} {URL(url).raw_path_qs} HTTP/1.1", f"Host: {SERVER}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode()


def asking(url: str, transport: str) -> bytes:
    """The head of the request that reads over a transport. Pure."""
    return request(url, UPGRADE if transport == "websocket" else None)


@dataclass(slots=True, eq=False)
class Wire:
    """One connection. Nothing is taken from it until somebody says so."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)
    open: bool = True

    async def send(self, data: bytes, seconds: float = LONGEST_S) -> bool:
        """Send it. False when the server has closed the connection, or takes nothing for so long."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_sendall(self.sock, data)
        except ConnectionError:
            self.open = False
        except TimeoutError:
            return False
        return self.open

    async def read(self, enough: Callable[[bytearray], bool], seconds: float = LONGEST_S) -> bool:
        """Take what comes until it is enough. False when the connection is closed or the time is over before that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.open and not enough(self.received):
                    await self._take()
        return enough(self.received)

    def look(self) -> bool:
        """Take what has come already. Whether the connection is still open."""
        try:
            while self.open:
                self._keep(self.sock.recv(AT_ONCE))
        except BlockingIOError:
            pass
        except ConnectionError:
            self.open = False
        return self.open

    async def _take(self) -> None:
        try:
            self._keep(await asyncio.get_running_loop().sock_recv(self.sock, AT_ONCE))
        except ConnectionError:
            self.open = False

    def _keep(self, data: bytes) -> None:
        self.received += data
        self.open = bool(data)


@asynccontextmanager
async def wires(target: Target, count: int, source: str = ATTACKER, narrow: bool = False) -> AsyncIterator[list[Wire]]:
    """So many connections to the server, closed when the block ends; narrow ones take little before it has to wait.

    Raises ValueError for more than MOST, CouldNotRun when this system has no such address to come from.
    """
    if count > MOST:
        raise ValueError(f"{count} connections are more than the {MOST} that an attack may have.")
    with ExitStack() as opened:
        yield [Wire(opened.enter_context(await _connected(target.port, source, narrow))) for _ in range(count)]


async def _connected(port: int, source: str, narrow: bool) -> socket.socket:
    sock = socket.socket()
    try:
        sock.setblocking(False)
        if narrow:
            _make_narrow(sock)
        _bind(sock, source)
        await asyncio.get_running_loop().sock_connect(sock, (SERVER, port))
        check_loopback(sock.getpeername()[0])
    except BaseException:
        sock.close()
        raise
    return sock


def _make_narrow(sock: socket.socket) -> None:
    """Like a path with small packets, and a receiver with little room.

    Loopback's packets hold 64 KiB, and a server's kernel takes ten of them at once: megabytes would go before any write
    has to wait.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # what every IPv4 path takes (RFC 9293 §3.7.1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)


def _bind(sock: socket.socket, source: str) -> None:
    try:
        sock.bind((source, 0))
    except OSError:
        raise CouldNotRun(
            f"This system has no address {source} to attack from: on macOS, `sudo ifconfig lo0 alias {source} up`."
        ) from None


def check_loopback(address: str) -> None:
    """Raise ValueError unless the peer is this machine itself. Before anything is sent."""
    if not ipaddress.ip_address(address).is_loopback:
        raise ValueError(f"{address} is not loopback: attacks stay on this machine.")
