"""Whole: the baseline without streaming. The client asks once and waits for everything.

The one thing to notice: the connection is held exactly as long as a stream's, with nothing to see meanwhile.
"""

from aiohttp import web

from server.answer import Answer, Chunk
from server.reply import reply
from server.wire import encode

frame = encode  # the body is the chunk and nothing else


async def whole(request: web.Request, answer: Answer, cursor: int) -> web.StreamResponse:
    """Reply once, when the answer has ended, with all that comes after the cursor in one chunk."""
    await answer.wait_for_end()
    chunks = [chunk async for chunk in answer.follow(cursor)]
    end = chunks[-1]
    text = "".join(chunk.text for chunk in chunks)
    return await reply(request, cursor, Chunk(end.cursor, text, end.done, end.sha256, end.error), frame)
