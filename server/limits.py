"""How much one address may ask for: connections at once, requests a second; and when a silent peer is given up.

The one thing to notice: an address is all that is known of somebody before the first byte is read. Behind a proxy or a
router many share one, so the limits are far above what a class needs, and far below what would hurt.
"""

import asyncio
import socket
import time
from collections.abc import Callable

from aiohttp import web

from server.connections import watch
from server.refusal import Refusal
from server.settings import SETTINGS, Settings

BURST_S = 2
"""How many seconds' worth of requests may come at once."""


class Bucket:
    """A token bucket: `rate` a second, and at most `burst` at once."""

    __slots__ = ("_burst", "_clock", "_filled", "_left", "_rate")

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._filled = burst, clock()

    @property
    def full(self) -> bool:
        """Whether nothing was taken that has not come back."""
        return self.take(0) and self._left >= self._burst

    def take(self, amount: float = 1) -> bool:
        """Take so much, if there is so much; what was refused is not taken."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._filled) * self._rate)
        self._filled = now
        if self._left < amount:
            return False
        self._left -= amount
        return True


class Address:
    """What one peer address has and may."""

    __slots__ = ("connections", "requests")

    def __init__(self, requests_per_s: float) -> None:
        self.connections = 0
        self.requests = Bucket(requests_per_s, requests_per_s * BURST_S)


class Limits:
    """All addresses that have a connection, or had one a moment ago."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._addresses: dict[str, Address] = {}
        self._peers: dict[web.RequestHandler, str] = {}

    def watch(self, server: web.Server) -> None:
        """Keep to the limits from now on."""
        watch(server, self._made, self._lost)

    def admit(self, request: web.Request, cost: float = 1) -> None:
        """Raise Refusal 429 when the request is one too many of its address. A dear one counts as several."""
        address = self._addresses.get(self._peers.get(request.protocol, ""))
        if address and not address.requests.take(cost):
            most = self._settings.address_requests_per_s
            raise Refusal(
                429,
                f"More than {most} requests a second came from your address. Ask less often; "
                "or start the server with a larger --address-requests-per-s.",
                {"Retry-After": "1", "Connection": "close"},
                "request-rate",
            )

    def _made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        self._give_up_on_silence(transport)
        peer = transport.get_extra_info("peername")
        name = str(peer[0]) if peer else ""
        address = self._addresses.setdefault(name, Address(self._settings.address_requests_per_s))
        self._peers[handler] = name
        address.connections += 1
        if address.connections > self._settings.max_address_connections:
            transport.abort()  # saying why would cost more than it takes to ask again

    def _lost(self, handler: web.RequestHandler) -> None:
        name = self._peers.pop(handler, None)
        if name is None:
            return
        self._addresses[name].connections -= 1
        self._forget(name)

    def _forget(self, name: str) -> None:
        """Forget an address that has no connection, but not what it has taken: else it would come back for more."""
        address = self._addresses.get(name)
        if not address or address.connections:
            return
        if address.requests.full:
            del self._addresses[name]
        else:
            asyncio.get_running_loop().call_later(BURST_S, self._forget, name)

    def _give_up_on_silence(self, transport: asyncio.Transport) -> None:
        """Have the kernel drop the connection when nothing is acknowledged for so long (RFC 5482, Linux tcp(7))."""
        sock = transport.get_extra_info("socket")
        if sock and hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._settings.vanished_s * 1000))


LIMITS = web.AppKey("limits", Limits)


def upstream(request: web.Request) -> Bucket:
    """What the reader of a WebSocket may send: a stop, pongs, the time; nothing that would take more."""
    rate = request.app[SETTINGS].upstream_bytes_per_s
    return Bucket(rate, rate * 16)
