"""Whole: ask once. The first reply is the last.

The one thing to notice: nothing here waits for tokens. The server holds the reply back until it is whole. Nothing
notices either when the server is gone: this is the one transport whose silence is its nature.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from clients.chunk import Chunk, Malformed
from clients.polling import polls


async def whole(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
    """One chunk: all that comes after `cursor`."""
    async with aclosing(polls(url, cursor, interval=0)) as replies:
        async for chunk in replies:
            yield chunk
            if not chunk.done:
                raise Malformed("The server was asked for the whole answer, and sent a part of it.")
