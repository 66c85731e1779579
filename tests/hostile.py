"""A server that does what it likes, for tests of the clients: bytes on a socket, and no library that would forbid them.

The one thing to notice: it sends as fast as it is read from and keeps nothing, so whatever memory is used is the
client's.
"""

import asyncio
import base64
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

KINDS = {
    "polling": "application/json",
    "long_polling": "application/json",
    "iframe": "text/html; charset=utf-8",
    "sse": "text/event-stream",
    "whole": "application/json",
}
"""Media types; `websocket` has none."""

STREAMS = ("iframe", "sse", "websocket")
"""The transports with many chunks in one response."""

BLOCK = b"x" * 65536
MOST = 2000
"""Writes after which it hangs up: a client that would read on for ever ends, too, and has failed its test."""
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
CONTINUATION, TEXT, CLOSE, PING = 0, 1, 8, 9
FIN, RSV1 = 0x80, 0x40


@dataclass(slots=True)
class Peer:
    """One request that arrived, and the means to answer it."""

    name: str
    number: int
    """Which request it is, from 1."""
    fields: dict[str, str]
    writer: asyncio.StreamWriter
    count: Callable[[], None]
    """Told of each write. Raises ConnectionError when it is one too many."""

    async def send(self, data: bytes) -> None:
        """Send raw bytes; returns once there is room for more."""
        self.count()
        self.writer.write(data)
        await self.writer.drain()
        await asyncio.sleep(0)  # the client lives in the same loop, and `drain` may come back without letting it run

    async def head(self, status: str = "200 OK", **fields: str) -> None:
        """The head of a response, or the handshake of a WebSocket; `fields` are named with _ for -."""
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        if self.name == "websocket" and status == "200 OK":
            status, accept = "101 Switching Protocols", hashlib.sha1(self.fields["sec-websocket-key"].encode() + GUID)  # noqa: S324 - RFC 6455 4.2.2
            fields |= {"Upgrade": "websocket", "Connection": "Upgrade"}
            fields["Sec-WebSocket-Accept"] = base64.b64encode(accept.digest()).decode()
        else:
            fields = {"Content-Type": KINDS.get(self.name, "text/plain"), **fields}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        await self.send(f"HTTP/1.1 {status}\r\n{lines}\r\n".encode())

    async def reply(self, status: str, body: bytes = b"", **fields: str) -> None:
        """A whole response of any status."""
        await self.head(status, Content_Length=str(len(body)), **fields)
        await self.send(body)

    async def chunk(self, cursor: Any, text: str = "", **more: Any) -> None:
        """A chunk as this transport carries it: of a poll, the whole response."""
        data = json.dumps({"cursor": cursor, "text": text, **more}).encode()
        if self.name not in STREAMS:
            data = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data
        await self.send(framed(self.name, data))

    async def open(self, **fields: str) -> None:
        """The head before chunks, where chunks have one in common."""
        if self.name in STREAMS:
            await self.head(**fields)


def framed(name: str, data: bytes) -> bytes:
    """Data as one chunk of a transport."""
    if name == "sse":
        return b"data: %b\n\n" % data
    if name == "iframe":
        return b'<script nonce="n">push(%b)</script>\n' % data
    return frame(TEXT, data) if name == "websocket" else data


def frame(opcode: int, data: bytes, flags: int = FIN, length: int = 0) -> bytes:
    """A WebSocket frame of a server (RFC 6455 5.2); `length` is what it claims to be, if not the truth."""
    length = length or len(data)
    head = (
        struct.pack("!BB", flags | opcode, length) if length < 126 else struct.pack("!BBQ", flags | opcode, 127, length)
    )
    return head + data


Script = Callable[[Peer], Awaitable[None]]


@dataclass(slots=True)
class Hostile:
    """A running one."""

    url: str
    requests: int = 0
    writes: int = 0


@asynccontextmanager
async def hostile(name: str, script: Script) -> AsyncIterator[Hostile]:
    """Answer every request on loopback by `script`, as the transport `name`; the connection ends when it returns.

    Unless the response was of known length: then the next request of the same connection is answered, too.
    """
    connections: set[asyncio.Task[None]] = set()

    def count() -> None:
        server.writes += 1
        if server.writes > MOST:
            raise ConnectionAbortedError("It has sent enough.")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in head[1:])}
            await reader.readexactly(int(fields.get("content-length", 0)))
            server.requests += 1
            await script(Peer(name, server.requests, fields, writer, count))
            if name in STREAMS:
                return

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, EOFError):
                await answer(reader, writer)
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            connections.discard(task)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server = Hostile(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/answers/1/{name}")
    try:
        yield server
    finally:
        listener.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections)
