"""The one place where chunks meet a socket: replies and streams, heartbeat, slow readers, gone readers.

The one thing to notice: the loop reads the log only after the last write went through. A slow reader therefore gets
fewer and larger chunks, and nothing is queued for it: its queue is the log, which exists once for all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from aiohttp import HttpVersion11, WSMsgType, web

from server.answer import Answer, Chunk
from server.ledger import delivered
from server.padding import padded
from server.readers import READERS
from server.settings import SETTINGS, Settings
from server.sockets import goodbye, open_socket

Frame = Callable[[Chunk], bytes]

STREAM_HEADERS = {
    "Cache-Control": "no-cache, no-transform",  # no-transform: a proxy that compresses would hold small chunks back
    "X-Accel-Buffering": "no",  # the same request to nginx
    "Incremental": "?1",  # and to any intermediary (RFC 10036)
}


def shape(frame: bytes, settings: Settings) -> bytes:
    """The last step before the socket, on every transport: what goes out for one chunk."""
    return padded(frame, settings.pad_bytes)


async def reply(request: web.Request, cursor: int, chunk: Chunk, frame: Frame) -> web.Response:
    """Send one chunk as a whole response. It is true for this moment only, so nobody may keep it."""
    body = shape(frame(chunk), request.app[SETTINGS])
    response = web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})
    with suppress(ConnectionError):
        await response.prepare(request)
        if await written(request, response.write_eof()):
            delivered(request, cursor, chunk)
    if not chunk.done:
        request.app[READERS].expect_back()
    return response


async def written(request: web.Request, writing: Awaitable[object]) -> bool:
    """Whether it could be written before the write deadline; otherwise the connection is gone now, or given up."""
    try:
        async with asyncio.timeout(request.app[SETTINGS].write_s):
            await writing
    except ConnectionError:
        return False
    except TimeoutError:
        _give_up(request)
        return False
    return True


async def push(
    request: web.Request, answer: Answer, cursor: int, frame: Frame, send: Callable[[bytes], Awaitable[None]]
) -> None:
    """Send every chunk from `cursor` to the end. Returns early when the reader is gone or takes nothing any more."""
    settings = request.app[SETTINGS]
    delivered(request, cursor, Chunk(cursor, ""))  # what went out before opened the stream, and was for no token
    while not answer.past_end(cursor):
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.heartbeat_s):
                await answer.wait(cursor)
        chunk = answer.read(cursor)  # without news, its text is empty: that is the heartbeat
        if not await written(request, send(shape(frame(chunk), settings))):
            return
        delivered(request, cursor, chunk)
        cursor = chunk.cursor


async def stream(
    request: web.Request, answer: Answer, cursor: int, frame: Frame, prelude: bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    """An HTTP response without a length, open until the answer ends.

    An empty chunk follows the prelude at once: the reader knows that it is connected, and where to resume.
    """
    response = web.StreamResponse(headers=STREAM_HEADERS | dict(headers))
    if request.version < HttpVersion11:  # it knows no chunks: without a length, only closing tells the end
        response.force_close()
    await response.prepare(request)
    first = shape(frame(Chunk(cursor, "")), request.app[SETTINGS])
    if await written(request, response.write(prelude + first)):
        await push(request, answer, cursor, frame, response.write)
        await written(request, response.write_eof())
    return response


async def messages(
    request: web.Request, answer: Answer, cursor: int, frame: Frame, socket: web.WebSocketResponse
) -> None:
    """The same over an open WebSocket, a text message for each chunk."""

    async def send(data: bytes) -> None:
        await socket.send_frame(data, WSMsgType.TEXT)

    await push(request, answer, cursor, frame, send)


async def nothing_left(request: web.Request) -> web.StreamResponse:
    """What a reader gets that has read the end already: 204, which also stops an EventSource for good.

    A WebSocket handshake cannot be answered 204 without failing, so it is accepted and closed with 1000.
    """
    if not web.WebSocketResponse().can_prepare(request):
        return web.Response(status=204)
    socket = await open_socket(request, "")
    await written(request, goodbye(request, socket))
    return socket


def _give_up(request: web.Request) -> None:
    """Drop the connection without the courtesies: they would wait for the same reader."""
    if request.transport:
        request.transport.abort()
