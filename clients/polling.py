"""Polling: ask, wait a little, ask again.

The one thing to notice: the pause is a bet. Too long and the text comes late, too short and most requests are empty.
"""

import asyncio
import time
from collections.abc import AsyncGenerator

from clients.attention import attentive
from clients.chunk import Chunk, parse
from clients.request import at, body, expect, requesting, session

INTERVAL = 0.2
"""Seconds between a reply and the next request."""


def polling(url: str, cursor: int = 0, interval: float = INTERVAL) -> AsyncGenerator[Chunk, None]:
    """Every reply from `cursor` to the end, also those without news."""
    return attentive(polls(url, cursor, interval), cursor)


async def polls(url: str, cursor: int, interval: float) -> AsyncGenerator[Chunk, None]:
    """The same, however long the server takes for a reply.

    One that has no news and did not hold the question either is asked again at the pace of polling.
    """
    request = 0
    async with session() as connections:
        while True:
            request, asked = request + 1, time.monotonic()
            async with requesting(connections, "GET", at(url, cursor)) as response:
                if response.status == 204:  # we have read the end before
                    return
                expect(response, "application/json")
                chunk = parse(await body(response), request)
            yield chunk
            if chunk.done:
                return
            early = 0 if chunk.cursor > cursor else asked + INTERVAL - time.monotonic()
            cursor = max(cursor, chunk.cursor)
            await asyncio.sleep(max(interval, early))
