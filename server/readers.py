"""How many requests for an answer are being served, and how many may be.

The one thing to notice: who is served is counted by a block that ends, however it ends. No place is ever lost.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from server.refusal import Refusal


class Readers:
    """How many requests for an answer are being served, and how many may be."""

    def __init__(self, limit: int) -> None:
        self.count, self._limit = 0, limit
        self.nobody = asyncio.Event()
        self.nobody.set()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count one while the block runs. Raises Refusal 503 when the server is full."""
        if self.count >= self._limit:
            raise Refusal(
                503,
                f"All {self._limit} readers that this server takes are here. Try again in a moment (--max-readers).",
                {"Retry-After": "5"},
            )
        self.count += 1
        self.nobody.clear()
        try:
            yield
        finally:
            self.count -= 1
            if not self.count:
                self.nobody.set()


READERS = web.AppKey("readers", Readers)
