"""Whole replies: what a poll gets, and `whole` in the end.

The one thing to notice: of two replies only the length, the date and the body differ. So the head is put together once
a second, and goes out with the body in one write; to a class that polls, that is most of what a reply costs.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion11, web
from aiohttp.http import SERVER_SOFTWARE

from server import guard, push
from server.answer import Answer, Chunk
from server.clock import Course, clock
from server.hold import hold
from server.ledger import delivered, tap_of
from server.poll import Again, Poll
from server.push import Frame, written
from server.readers import READERS
from server.sent import Sent
from server.sessions import RENEWED
from server.settings import SETTINGS

HEADERS = {"Cache-Control": "no-store", "Content-Type": "application/json"}
"""A reply is true for its moment only, so nobody may keep it."""


async def news(answer: Answer, cursor: int, most_s: float) -> None:
    """Return once there is news after `cursor`, or after so long without."""
    if answer.cursor > cursor or answer.done or not most_s:
        return
    heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell() -> None:
        if not heard.done():
            heard.set_result(None)

    holding = _at(time.monotonic() + most_s, tell)
    answer.add_listener(tell)
    clock().start(holding)
    try:
        await heard
    finally:
        answer.remove_listener(tell)
        clock().stop(holding)


async def poll(
    request: web.Request, answer: Answer, cursor: int, frame: Frame, hold_s: float = 0
) -> web.StreamResponse:
    """Reply with what there is after `cursor`, or with what there will be within so long."""
    tap, settings = tap_of(request), request.app[SETTINGS]
    if _is_usual(request) and tap and not (tap.heard or push.is_followed(request)):
        again = Again(request, tap, answer, lambda chunk: _whole(push.shape(frame(chunk), settings)), hold_s)
        return hold(request, web.StreamResponse(), Poll(again, cursor), again)
    await news(answer, cursor, hold_s)
    return await reply(request, cursor, answer.read(cursor), frame)


async def reply(request: web.Request, cursor: int, chunk: Chunk, frame: Frame) -> web.StreamResponse:
    """Send one chunk as a whole response."""
    send = _at_once if _is_usual(request) else _by_aiohttp
    response = await send(request, push.shape(frame(chunk), request.app[SETTINGS]))
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
        and "Origin" not in request.headers  # what is said to other origins depends on which (CORS)
        and not ("Cookie" in request.headers and RENEWED in request)
    )


async def _at_once(request: web.Request, body: bytes) -> web.StreamResponse:
    """Hand all of it to the socket, and wait only for a reader that does not take it."""
    data = _whole(body)
    sent, transport = Sent(len(data)), request.transport
    if transport and not transport.is_closing():
        transport.write(data)
        sent.prepared = True
        if transport.get_write_buffer_size():
            transport.set_write_buffer_limits(1, 0)  # draining is waiting for all of it then
            sent.prepared = await written(request, request.writer.drain())
            transport.set_write_buffer_limits()
    return sent


async def _by_aiohttp(request: web.Request, body: bytes) -> web.StreamResponse:
    """Let aiohttp put it together, with what belongs to this request alone."""
    response = web.Response(body=body, headers=HEADERS)
    with suppress(ConnectionError):
        await response.prepare(request)
        await written(request, response.write_eof())
    return response


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


def _at(due: float, call: Callable[[], None]) -> Course:
    yield due
    call()
