"""Starlette with sse-starlette, on uvicorn with uvloop and httptools: the usual stack for an API in Python.

The one thing to notice: a response is an async generator of events. Who writes them to the socket, who notices that
the reader has left and who pings it are tasks of the library, four to a reader.
"""

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from sse_starlette import EventSourceResponse, JSONServerSentEvent
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lab.peers.servers.answer import HOLD_S, Answer, Answers
from lab.peers.servers.lifetime import when_left

ANSWERS = Answers(("sse", "polling", "long_polling"))


async def start(request: Request) -> JSONResponse:
    """Start an answer."""
    return JSONResponse(ANSWERS.start(await request.body()), status_code=201)


async def sse(request: Request) -> EventSourceResponse:
    """An event for each token."""
    return EventSourceResponse(events(*asked(request)), sep="\n", ping=HOLD_S)


async def events(answer: Answer, cursor: int) -> AsyncIterator[JSONServerSentEvent]:
    """Each when it is due, the end included."""
    yield JSONServerSentEvent({"cursor": cursor, "text": ""}, id=str(cursor), retry=1000, sep="\n")
    for at in range(cursor, len(answer.tokens) + 1):
        await asyncio.sleep(answer.due(at) - time.monotonic())
        chunk = answer.entry(at)
        name = "end" if "done" in chunk else None
        yield JSONServerSentEvent(chunk, id=str(chunk["cursor"]), event=name, sep="\n")


async def polling(request: Request) -> JSONResponse:
    """What is due."""
    return news(*asked(request))


async def long_polling(request: Request) -> JSONResponse:
    """The same, once there is something."""
    answer, cursor = asked(request)
    await asyncio.sleep(answer.due(cursor) - time.monotonic())
    return news(answer, cursor, answer.due(cursor))


def news(answer: Answer, cursor: int, by: float = 0) -> JSONResponse:
    """All that is due now, or `by` then: a timer may come a little early."""
    chunk = answer.read(cursor, max(by, time.monotonic()))
    return JSONResponse(chunk, headers={"Cache-Control": "no-store"})


def asked(request: Request) -> tuple[Answer, int]:
    """The answer, and from where on."""
    if not (answer := ANSWERS.find(request.path_params["answer"])):
        raise HTTPException(404)
    return answer, int(request.query_params.get("cursor", 0))


ROUTES = [
    Route("/answers", start, methods=["POST"]),
    Route("/answers/{answer}/sse", sse),
    Route("/answers/{answer}/polling", polling),
    Route("/answers/{answer}/long_polling", long_polling),
]


def main() -> None:
    """Serve, on a socket of our own: so its port is known, and connections wait from when it is told."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        when_left(partial(server.handle_exit, signal.SIGTERM, None))
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        yield

    config = uvicorn.Config(
        Starlette(routes=ROUTES, lifespan=lifespan),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=int(HOLD_S),
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
