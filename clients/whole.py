"""Whole: ask once. The first reply is the last.

The one thing to notice: nothing here waits for tokens. The server holds the reply back until it is whole.
"""

from collections.abc import AsyncGenerator

from clients.chunk import Chunk
from clients.polling import polling


def whole(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
    """One chunk: all that comes after `cursor`."""
    return polling(url, cursor, interval=0)
