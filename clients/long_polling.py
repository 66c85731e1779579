"""Long polling: the client of polling without its pause.

The one thing to notice: all the difference is on the server, which keeps the question until it has news.
"""

from collections.abc import AsyncGenerator

from clients.chunk import Chunk
from clients.polling import polling


def long_polling(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
    """Every reply from `cursor` to the end."""
    return polling(url, cursor, interval=0)
