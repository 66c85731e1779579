"""Long polling: the client asks, the server holds the question until there is news.

The one thing to notice: the reply comes as early as a stream's chunk would; what costs is asking again after each.
"""

from aiohttp import web

from server.answer import Answer
from server.reply import poll
from server.settings import SETTINGS
from server.wire import encode

frame = encode  # the body is the chunk and nothing else


async def long_polling(request: web.Request, answer: Answer, cursor: int) -> web.StreamResponse:
    """Reply when there is news, or after the hold time without."""
    return await poll(request, answer, cursor, frame, request.app[SETTINGS].hold_s)
