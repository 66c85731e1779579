"""Long polling: the client asks, the server holds the question until there is news.

The one thing to notice: the reply comes as early as a stream's chunk would; what costs is asking again after each.
"""

import asyncio
from contextlib import suppress

from aiohttp import web

from server.answer import Answer
from server.push import reply
from server.settings import SETTINGS
from server.wire import encode

frame = encode  # the body is the chunk and nothing else


async def long_polling(request: web.Request, answer: Answer, cursor: int) -> web.Response:
    """Reply when there is news, or after the hold time without."""
    with suppress(TimeoutError):
        async with asyncio.timeout(request.app[SETTINGS].hold_s):
            await answer.wait(cursor)
    return await reply(request, cursor, answer.read(cursor), frame)
