"""How much one address may ask for: connections at once, requests a second.

The one thing to notice: an address is all that is known of somebody before the first byte is read. Behind a proxy or a
router many share one, so the limits leave room for a class: sixty pages of six lanes each, and thirty of them at a
hundred tokens a second.
"""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

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

    def admit(self, request: web.Request, cost: float = 1) -> None:
        """Raise Refusal 429 when the request is one too many of its address. A dear one counts as several."""
        if not self.takes(request.remote or "", cost):
            most = self._settings.address_requests_per_s
            raise Refusal(
                429,
                f"More than {most} requests a second came from your address. Ask less often; "
                "or start the server with a larger --address-requests-per-s.",
                {"Retry-After": "1", "Connection": "close"},
                "request-rate",
            )

    def takes(self, name: str, cost: float = 1) -> bool:
        """Book a request to an address, unless it is one too many."""
        address = self._addresses.get(name)
        return not address or address.requests.take(cost)

    def accepted(self, name: str) -> bool:
        """An address has one more connection; False when that is one too many."""
        address = self._addresses.setdefault(name, Address(self._settings.address_requests_per_s))
        address.connections += 1
        return address.connections <= self._settings.max_address_connections

    def closed(self, name: str) -> None:
        """An address has one connection less."""
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


LIMITS = web.AppKey("limits", Limits)


def upstream(request: web.Request) -> Bucket:
    """What the reader of a WebSocket may send: a stop, pongs, the time; nothing that would take more."""
    rate = request.app[SETTINGS].upstream_bytes_per_s
    return Bucket(rate, rate * 16)
