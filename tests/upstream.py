"""A model's API that does what it likes, for tests of what happens to an answer then: bytes on a socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

Script = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
"""What is done once a request is here: its head and body are the bytes."""

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
"""The head of a stream that ends with its connection."""


@asynccontextmanager
async def upstream(script: Script) -> AsyncIterator[str]:
    """The base URL of such an API while the block runs."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or b"0")
                await script(writer, head + await reader.readexactly(length))
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def event(document: Any) -> bytes:
    """One event."""
    return f"data: {json.dumps(document)}\n\n".encode()


def said(text: Any = None, reason: Any = None, **more: Any) -> bytes:
    """The event of one delta."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event(
        {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice], **more}
    )


def replying(*parts: bytes) -> Script:
    """A script that sends these bytes, and closes."""

    async def script(writer: asyncio.StreamWriter, _request: bytes) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return script


NO = b'{"error":{"message":"no","type":"x","param":null,"code":null}}'


def refusing(status: str, body: bytes = NO, **fields: str) -> Script:
    """A script that answers with that status."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return replying(head.encode() + body)


async def mute(_writer: asyncio.StreamWriter, _request: bytes) -> None:
    """Says nothing, ever."""
    await asyncio.Event().wait()


def then_mute(*parts: bytes) -> Script:
    """Sends these bytes, and then nothing, ever."""

    async def script(writer: asyncio.StreamWriter, request: bytes) -> None:
        await replying(*parts)(writer, request)
        await mute(writer, request)

    return script


def endless(head: bytes, block: bytes) -> Script:
    """Sends the head, and then the block again and again for as long as anybody reads."""

    async def script(writer: asyncio.StreamWriter, _request: bytes) -> None:
        writer.write(head)
        while True:
            writer.write(block)
            await writer.drain()

    return script


async def telling_the_key(writer: asyncio.StreamWriter, request: bytes) -> None:
    """Quotes the request that it refuses, as some do."""
    body = json.dumps({"error": {"message": f"Wrong: {request.decode()}", "type": "x", "code": request.decode()}})
    head = f"HTTP/1.1 401 Wrong {request[:9].decode()}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
