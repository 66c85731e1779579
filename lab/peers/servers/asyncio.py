"""The floor: what delivering a token costs in Python when nothing is done but what must be.

HTTP by hand on an asyncio.Protocol, one timer for all, one format for a frame and one write for it. It trusts who asks:
there is no limit, no deadline, and no back-pressure beyond what asyncio buffers.

The one thing to notice: nothing in Python is much cheaper. What a server costs beyond this is what its checks, its log
and its library cost.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from functools import partial
from json.encoder import encode_basestring as quoted  # a string's JSON, Chinese not escaped
from typing import Any

from lab.peers.servers.answer import Answer, Answers, compact
from lab.peers.servers.clock import Clock
from lab.peers.servers.lifetime import live

REQUEST = re.compile(rb"(GET|POST) /answers(?:/(\w+)/(\w+))?(?:\?(?:\S*&)?cursor=(\d+))?\S* HTTP/1\.1\r\n")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

REPLY = "HTTP/1.1 %s\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n%s"
STREAM = (
    "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-cache, no-transform\r\nTransfer-Encoding: chunked\r\n"
)
LAST_PIECE = b"0\r\n\r\n"

Frame = Callable[[int, str], bytes]
"""From the cursor and the text of a token."""
End = Callable[[dict[str, Any]], bytes]
"""From the last chunk."""


def piece(text: str) -> bytes:
    """Of a response without a length (RFC 9112 7.1)."""
    data = text.encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(cursor: int, text: str) -> bytes:
    """A token as a server-sent event."""
    return piece(f'id: {cursor}\ndata: {{"cursor":{cursor},"text":{quoted(text)}}}\n\n')


def last_event(chunk: dict[str, Any]) -> bytes:
    """The end of server-sent events."""
    return piece(f"id: {chunk['cursor']}\nevent: end\ndata: {compact(chunk)}\n\n")


def script(nonce: str, cursor: int, text: str) -> bytes:
    """A token as a script element."""
    return element(nonce, f'{{"cursor":{cursor},"text":{quoted(text)}}}')


def last_script(nonce: str, chunk: dict[str, Any]) -> bytes:
    """The end of a page."""
    return element(nonce, compact(chunk))


def element(nonce: str, chunk: str) -> bytes:
    """A script element, which no text can end."""
    chunk = chunk.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
    return piece(f'<script nonce="{nonce}">push({chunk})</script>\n')


def prelude(nonce: str) -> str:
    """The head of a page, 1024 bytes of it, with what the scripts call."""
    code = "const push = (chunk) => { parent.postMessage(chunk, location.origin); document.currentScript.remove(); };"
    return f'<!doctype html><meta charset="utf-8"><script nonce="{nonce}">{code}</script>'.ljust(1023) + "\n"


class Stream:
    """An answer on its way down one connection."""

    __slots__ = ("answer", "cursor", "end", "frame", "transport")

    def __init__(self, answer: Answer, cursor: int, transport: asyncio.Transport, frame: Frame, end: End) -> None:
        self.answer, self.cursor, self.transport, self.frame, self.end = answer, cursor, transport, frame, end

    def turn(self) -> float | None:
        """Send the token that is due; gives when the next is."""
        if self.transport.is_closing():
            return None
        answer, cursor = self.answer, self.cursor
        if cursor < len(answer.tokens):
            self.cursor = cursor + 1
            self.transport.write(self.frame(cursor + 1, answer.tokens[cursor]))
            return answer.due(cursor + 1)
        self.transport.write(self.end(answer.entry(cursor)) + LAST_PIECE)
        return None


class Connection(asyncio.Protocol):
    """A connection: a request at a time."""

    def __init__(self, answers: Answers, clock: Clock) -> None:
        self.answers, self.clock, self.received = answers, clock, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what it is written to."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - as all of TCP
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Serve a request once all of it is here."""
        self.received += data
        head, complete, body = self.received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if complete and len(body) >= (int(length[1]) if length else 0):
            self.received = b""
            self.serve(head, body)

    def serve(self, head: bytes, body: bytes) -> None:
        """Start an answer, or read one."""
        request = REQUEST.match(head)
        method, name, transport, cursor = request.groups(b"") if request else [b""] * 4
        read, answer = READ.get(transport), self.answers.find(name.decode())
        if method == b"POST":
            self.reply(compact(self.answers.start(body)), "201 Created")
        elif read and answer:
            read(self, answer, int(cursor or 0))
        else:
            self.reply("{}", "404 Not Found")

    def reply(self, body: str, status: str = "200 OK") -> None:
        """Send a whole response."""
        self.transport.write((REPLY % (status, len(body.encode()), body)).encode())

    def news(self, answer: Answer, cursor: int) -> None:
        """Reply with what is due now."""
        chunk = answer.read(cursor, time.monotonic())
        self.reply(
            compact(chunk) if "done" in chunk else f'{{"cursor":{chunk["cursor"]},"text":{quoted(chunk["text"])}}}'
        )

    def news_once_due(self, answer: Answer, cursor: int) -> None:
        """The same, when there is some."""
        self.clock.at(answer.due(cursor), partial(self.news, answer, cursor))

    def events(self, answer: Answer, cursor: int) -> None:
        """Begin a stream of server-sent events."""
        head = STREAM % "text/event-stream" + "\r\n"
        first = piece(f'retry: 1000\nid: {cursor}\ndata: {{"cursor":{cursor},"text":""}}\n\n')
        self.transport.write(head.encode() + first)
        self.clock.at(answer.due(cursor), Stream(answer, cursor, self.transport, event, last_event).turn)

    def page(self, answer: Answer, cursor: int) -> None:
        """Begin a page of scripts."""
        nonce = secrets.token_urlsafe(16)
        policy = f"Content-Security-Policy: default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'self'\r\n"
        head = STREAM % "text/html; charset=utf-8" + policy + "\r\n"
        frame, end = partial(script, nonce), partial(last_script, nonce)
        self.transport.write(head.encode() + piece(prelude(nonce)) + frame(cursor, ""))
        self.clock.at(answer.due(cursor), Stream(answer, cursor, self.transport, frame, end).turn)


READ: dict[bytes, Callable[[Connection, Answer, int], Any]] = {
    b"sse": Connection.events,
    b"iframe": Connection.page,
    b"polling": Connection.news,
    b"long_polling": Connection.news_once_due,
}


async def main() -> None:
    """Serve."""
    answers, clock = Answers([transport.decode() for transport in READ]), Clock()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(answers, clock), "127.0.0.1", 0)
    await live(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


if __name__ == "__main__":
    asyncio.run(main())
