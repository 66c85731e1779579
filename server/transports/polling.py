"""Polling: the client asks again and again, the server answers at once.

The one thing to notice: most replies say "nothing new", and each costs a whole request and response.
"""

from aiohttp import web

from server.answer import Answer
from server.reply import poll
from server.wire import encode

frame = encode  # the body is the chunk and nothing else


async def polling(request: web.Request, answer: Answer, cursor: int) -> web.StreamResponse:
    """Reply at once with whatever is there."""
    return await poll(request, answer, cursor, frame)
