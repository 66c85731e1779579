"""aiohttp as everyone writes it: each reader has a handler, which sleeps until its next token is due and writes it.

The one thing to notice: there is a task, a timer and a coroutine for each reader, so nothing has to be shared, and
nothing can be.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from aiohttp import web

from lab.peers.servers.answer import Answer, Answers, compact
from lab.peers.servers.lifetime import live

routes = web.RouteTableDef()
ANSWERS = Answers(("sse", "websocket", "polling", "long_polling"))


@routes.post("/answers")
async def start(request: web.Request) -> web.Response:
    """Start an answer."""
    return web.json_response(ANSWERS.start(await request.text()), status=201)


@routes.get("/answers/{answer}/sse")
async def sse(request: web.Request) -> web.StreamResponse:
    """An event for each token."""
    answer, cursor = asked(request)
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    await response.write(b"retry: 1000\n" + event({"cursor": cursor, "text": ""}))
    with suppress(ConnectionResetError):  # the reader has left
        async for chunk in typed(answer, cursor):
            await response.write(event(chunk))
        await response.write_eof()
    return response


@routes.get("/answers/{answer}/websocket")
async def websocket(request: web.Request) -> web.WebSocketResponse:
    """A message for each token."""
    answer, cursor = asked(request)
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    with suppress(ConnectionResetError):
        async for chunk in typed(answer, cursor):
            await socket.send_str(compact(chunk))
    await socket.close()
    return socket


@routes.get("/answers/{answer}/polling")
async def polling(request: web.Request) -> web.Response:
    """What is due."""
    return news(*asked(request))


@routes.get("/answers/{answer}/long_polling")
async def long_polling(request: web.Request) -> web.Response:
    """The same, once there is something."""
    answer, cursor = asked(request)
    await asyncio.sleep(answer.due(cursor) - time.monotonic())
    return news(answer, cursor, answer.due(cursor))


def news(answer: Answer, cursor: int, by: float = 0) -> web.Response:
    """All that is due now, or `by` then: a timer may come a little early."""
    chunk = answer.read(cursor, max(by, time.monotonic()))
    return web.json_response(chunk, dumps=compact, headers={"Cache-Control": "no-store"})


async def typed(answer: Answer, cursor: int) -> AsyncIterator[dict[str, Any]]:
    """Each chunk when it is due, the end included."""
    for at in range(cursor, len(answer.tokens) + 1):
        await asyncio.sleep(answer.due(at) - time.monotonic())
        yield answer.entry(at)


def event(chunk: dict[str, Any]) -> bytes:
    """Of server-sent events."""
    name = "event: end\n" if "done" in chunk else ""
    return f"id: {chunk['cursor']}\n{name}data: {compact(chunk)}\n\n".encode()


def asked(request: web.Request) -> tuple[Answer, int]:
    """The answer, and from where on."""
    if not (answer := ANSWERS.find(request.match_info["answer"])):
        raise web.HTTPNotFound
    return answer, int(request.query.get("cursor", 0))


async def main() -> None:
    """Serve."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await live(f"http://127.0.0.1:{runner.addresses[0][1]}")


if __name__ == "__main__":
    asyncio.run(main())
