"""Whole replies: what a poll gets, and `whole` in the end.

The one thing to notice: of the replies to two polls only the length, the date and the body differ. So the head is put
together once a second, and goes out with the body in one write (poll.py). What is not in all heads (`Set-Cookie`,
`Content-Location`, an older HTTP) makes a request one for aiohttp.
"""

import asyncio
import time
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion11, web
from aiohttp.http import SERVER_SOFTWARE

from server import guard, push
from server.answer import Answer, Chunk
from server.hold import hold
from server.ledger import delivered, tap_of
from server.poll import Again, Poll
from server.push import Frame, written
from server.readers import READERS
from server.sessions import RENEWED
from server.settings import SETTINGS

HEADERS = {"Cache-Control": "no-store", "Content-Type": "application/json"}
"""A reply is true for its moment only, so nobody may keep it."""


async def poll(
    request: web.Request, answer: Answer, cursor: int, frame: Frame, hold_s: float = 0
) -> web.StreamResponse:
    """Reply with what there is after `cursor`, or with what there will be within so long."""
    tap, settings = tap_of(request), request.app[SETTINGS]
    if _is_usual(request) and tap and not (tap.heard or push.is_followed(request)):
        again = Again(request, tap, answer, lambda chunk: _whole(push.shape(frame(chunk), settings)), hold_s)
        return hold(request, web.StreamResponse(), Poll(again, cursor), again)
    with suppress(TimeoutError):
        async with asyncio.timeout(hold_s):
            await answer.wait(cursor)
    return await reply(request, cursor, answer.read(cursor), frame)


async def reply(request: web.Request, cursor: int, chunk: Chunk, frame: Frame) -> web.StreamResponse:
    """Send one chunk as a whole response, which aiohttp puts together."""
    response = web.Response(body=push.shape(frame(chunk), request.app[SETTINGS]), headers=HEADERS)
    with suppress(ConnectionError):
        await response.prepare(request)
        await written(request, response.write_eof())
    if response.prepared:
        delivered(request, cursor, chunk)
    if not chunk.done:
        request.app[READERS].expect_back()
    return response


def _is_usual(request: web.Request) -> bool:
    """Whether nothing belongs in the head but what is in all of them."""
    return (
        request.keep_alive
        and request.version == HttpVersion11
        and "id" in request.match_info  # else the reader started the answer by reading it, and is told where it is
        and "Origin" not in request.headers  # pages that say it are few, and checked anew each time
        and not ("Cookie" in request.headers and RENEWED in request)
    )


def _whole(body: bytes) -> bytes:
    head, tail = _head(int(time.time()))
    return b"%b%d%b%b" % (head, len(body), tail, body)


@lru_cache(maxsize=1)
def _head(second: int) -> tuple[bytes, bytes]:
    """What comes before and after the length in the head of a reply that is sent in this second (Unix time)."""
    before = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    after = {"Date": formatdate(second, usegmt=True), "Server": SERVER_SOFTWARE} | guard.HEADERS
    lines = "".join(f"\r\n{name}: {value}" for name, value in after.items())
    return f"HTTP/1.1 200 OK\r\n{before}Content-Length: ".encode(), f"{lines}\r\n\r\n".encode()
