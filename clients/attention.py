"""A reader's attention: it notices when nothing comes any more, and when what comes is nothing.

The one thing to notice: a server in order is never silent. It sends a chunk without text now and then (a heartbeat, a
poll without news), so silence means that the other side is gone, though no connection was closed.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from clients.chunk import Chunk, Malformed, StreamError

SILENCE_S = 40.0
"""How long to wait for the next chunk: more than a hold of 25 s, and than two heartbeats of 15 s."""

MOST_IDLE = 100_000
"""Chunks in a row that do not move the cursor, after which the server only keeps us busy."""

SILENT = "The server has sent nothing for {:g} seconds, not even a sign of life."


async def attentive(chunks: AsyncGenerator[Chunk, None], cursor: int) -> AsyncGenerator[Chunk, None]:
    """Pass `chunks` on. Raises StreamError after too long a silence, Malformed after too many chunks without news."""
    idle = 0
    async with aclosing(chunks):
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):  # of the server: how long our caller takes does not count
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise StreamError(SILENT.format(SILENCE_S)) from None
            idle = 0 if chunk.cursor > cursor else idle + 1
            if idle > MOST_IDLE:
                raise Malformed(f"The server sent {MOST_IDLE} chunks in a row that bring nothing new.")
            cursor = max(cursor, chunk.cursor)
            yield chunk
