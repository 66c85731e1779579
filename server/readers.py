"""How many requests for an answer are being served, and how many may be.

The one thing to notice: who finds no place is told when to come back, at a time of its own.
"""

import asyncio
import math
import random
import time

from aiohttp import web

from server.refusal import Refusal

RETRY_MS = (1000, 3000)
"""When somebody who found no place should come back: at random between these, or all would come in one instant."""
BETWEEN_S = 1.0
"""How long a poller may be between two requests, while the server waits for it to hear of the end."""


class Busy(Refusal):
    """There is no place for a reader now. Each transport says so in its own way, see DECLINES."""

    def __init__(self, limit: int) -> None:
        self.retry_ms = random.randint(*RETRY_MS)  # noqa: S311 - not a secret
        """When to try again: milliseconds."""
        super().__init__(
            429,
            f"All {limit} readers that this server takes are here. Try again in a moment (--max-readers).",
            {"Retry-After": str(math.ceil(self.retry_ms / 1000))},
        )


class Readers:
    """How many requests for an answer are being served, and how many may be."""

    def __init__(self, limit: int) -> None:
        self.count, self._limit = 0, limit
        self._replied_at = -math.inf
        self._nobody = asyncio.Event()
        self._nobody.set()

    def take(self) -> None:
        """Count one more. Raises Busy when the server is full."""
        if self.count >= self._limit:
            raise Busy(self._limit)
        self.count += 1
        self._nobody.clear()

    def give_back(self) -> None:
        """Count one less."""
        self.count -= 1
        if not self.count:
            self._nobody.set()

    def expect_back(self) -> None:
        """Somebody got a reply that was not the end, and will ask again."""
        self._replied_at = time.monotonic()

    async def gone(self) -> None:
        """Return once nobody is served, and nobody who will ask again is still expected."""
        await asyncio.sleep(self._replied_at + BETWEEN_S - time.monotonic())
        await self._nobody.wait()


READERS = web.AppKey("readers", Readers)
