"""One answer, read through a relay by a client in Python.

The one thing to notice: client and server are those that are always used. Neither knows of the relay.
"""

import statistics
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from yarl import URL

from clients import CLIENTS
from clients.answers import answering
from clients.chunk import Chunk
from clients.connection import connecting
from clients.polling import polling
from clients.request import requesting, session
from lab.relay import relaying
from lab.security import HEADER
from lab.security.leaks.pairing import Observation, Read, observation
from lab.security.scene import Target

POLL_S = 0.001
"""Between a reply and the next poll: a poller that asks less often than tokens come gets several at once."""

TRIPS = 15
"""Requests that are timed."""

READERS = CLIENTS | {"polling": partial(polling, interval=POLL_S)}


async def observe(target: Target, transport: str, order: Mapping[str, Any], until: int | None = None) -> Observation:
    """Start an answer and read it through a relay; stop it after `until` tokens, if given.

    `order` are the fields of `POST /answers`. Raises StreamError or Refused when the answer cannot be read.
    """
    with connecting(target.subject.cafile):
        async with relaying(target.port) as relay, answering(target.url, **order) as links:
            answer = URL(links[transport]).parent
            reads = await chunks_of(READERS[transport](relay.through(links[transport])), answer, until)
            pieces = list(relay.pieces)
            return observation(pieces, reads, await timeline_of(answer), banner(target))


def banner(target: Target) -> str:
    """The line that a weakened server adds to every head."""
    return f"{HEADER}: {' '.join(target.without)}\r\n" if target.without else ""


async def round_trip_ms(target: Target) -> float:
    """The mean time that a request through a relay takes here and now."""
    times = []
    with connecting(target.subject.cafile):
        async with relaying(target.port) as relay, session() as http:
            for _ in range(TRIPS):
                began = time.monotonic()
                async with requesting(http, "GET", URL(relay.through(target.url)) / "healthz") as response:
                    await response.read()
                times.append((time.monotonic() - began) * 1000)
    return statistics.fmean(times)


async def chunks_of(chunks: AsyncGenerator[Chunk, None], answer: URL, until: int | None = None) -> list[Read]:
    """What a reader gets, until the end; after `until` tokens it stops the answer."""
    reads = []
    async with aclosing(chunks):
        async for chunk in chunks:
            reads.append(Read(chunk.cursor, chunk.done is not None, chunk.request))
            if until and chunk.cursor >= until:
                until = None
                async with session() as http, requesting(http, "DELETE", answer):
                    pass
    return reads


async def timeline_of(answer: URL) -> list[dict[str, Any]]:
    """The server's own entries of an answer."""
    async with session() as http, requesting(http, "GET", answer / "timeline") as response:
        entries: list[dict[str, Any]] = (await response.json())["entries"]
        return entries
