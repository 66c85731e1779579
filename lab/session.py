"""One reader of one answer: what it got, and when.

The one thing to notice: the clock is read when the client hands a chunk over, and before anything is done with it. All
tokens of one chunk came at one time.
"""

import hashlib
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from clients import CLIENTS
from clients.chunk import Chunk, Client
from clients.polling import polling
from clients.websocket import websocket
from server.answer import Chunk as server_chunk
from server.wire import encode


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of reading: a transport and, where there is something to choose, the choice."""

    name: str
    transport: str
    client: Client
    poll_ms: int | None = None


@dataclass(slots=True)
class Reading:
    """What one reader got."""

    received: list[float] = field(default_factory=list)
    """For each token when it was here: monotonic seconds."""
    reads: list[int] = field(default_factory=list)
    """Tokens of each chunk that brought some."""
    text: str = ""
    envelope_bytes: int = 0
    """The JSON around the text, of all chunks."""
    requests: int = 0
    fruitful: set[int] = field(default_factory=set)
    """The numbers of those that brought tokens or the end."""
    done: str | None = None
    sha256: str | None = None

    @property
    def whole(self) -> bool:
        """Whether this is, to the byte, what the server wrote, to its end."""
        return self.done == "finished" and self.sha256 == hashlib.sha256(self.text.encode()).hexdigest()


def variants(
    transports: Sequence[str] = tuple(CLIENTS), poll_ms: Sequence[int] = (200,), deflate: bool = False
) -> list[Variant]:
    """Every way of reading to be compared: polling once for each interval, all others as they are."""
    chosen: dict[str, list[Variant]] = {
        "polling": [
            Variant(f"polling {every} ms", "polling", partial(polling, interval=every / 1000), every)
            for every in poll_ms
        ],
        "websocket": [Variant("websocket", "websocket", partial(websocket, deflate=deflate))],
    }
    return [variant for name in transports for variant in chosen.get(name, [Variant(name, name, CLIENTS[name])])]


async def read(variant: Variant, url: str) -> Reading:
    """Read the answer at `url` to its end. Raises what the client raises: StreamError, Refused."""
    reading = Reading()
    cursor = 0
    async with aclosing(variant.client(url)) as chunks:
        async for chunk in chunks:
            now = time.monotonic()
            tokens = chunk.cursor - cursor - (chunk.done is not None)
            cursor = chunk.cursor
            reading.requests = chunk.request
            reading.text += chunk.text
            reading.envelope_bytes += envelope_bytes(chunk)
            if tokens > 0:
                reading.received += [now] * tokens
                reading.reads.append(tokens)
            if tokens > 0 or chunk.done:
                reading.fruitful.add(chunk.request)
            reading.done, reading.sha256 = chunk.done, chunk.sha256
    return reading


def envelope_bytes(chunk: Chunk) -> int:
    """Length of a chunk's JSON without its text."""
    same = server_chunk(chunk.cursor, chunk.text, chunk.done, chunk.sha256, chunk.error)
    return len(encode(same)) - len(chunk.text.encode())
