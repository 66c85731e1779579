"""Polling: ask, wait a little, ask again.

The one thing to notice: the pause is a bet. Too long and the text comes late, too short and most requests are empty.
"""

import asyncio
from collections.abc import AsyncGenerator

from clients.chunk import Chunk, parse
from clients.request import at, requesting, session

INTERVAL = 0.2
"""Seconds between a reply and the next request."""


async def polling(url: str, cursor: int = 0, interval: float = INTERVAL) -> AsyncGenerator[Chunk, None]:
    """Every reply from `cursor` to the end, also those without news."""
    request = 0
    async with session() as connections:
        while True:
            request += 1
            async with requesting(connections, "GET", at(url, cursor)) as response:
                if response.status == 204:  # we have read the end before
                    return
                chunk = parse(await response.read(), request)
            yield chunk
            if chunk.done:
                return
            cursor = chunk.cursor
            await asyncio.sleep(interval)
