"""The readers: each reads one answer after the other, through a network that is cut at random, until time is over.

The one thing to notice: they are the clients that everybody uses, and know nothing of the relay. Some of them leave in
the middle and never say so, which is what people do.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from yarl import URL

from clients import CLIENTS
from clients.answers import answering
from clients.chunk import Chunk, Client, Refused, StreamError
from clients.polling import polling
from clients.resume import resuming
from lab.soak.account import UNIT, Reading, Tally, text_of
from server.sources.typewriter import split

LEAVING = 0.1
"""The share of answers that are left in the middle."""
FIRST_TOKEN_MS = 100


class Begin(NamedTuple):
    """Where to read, and when."""

    server: str
    """Where answers are started: a lost start is not what this is about."""
    ports: Sequence[int]
    """Of the relays through which they are read, in turn."""
    spread_s: float
    """How long it takes until all readers have begun."""
    until: float
    """When to begin no more answers (monotonic seconds)."""


@dataclass(slots=True)
class Crowd:
    """Who reads, and what came of it."""

    transports: Sequence[str]
    readers: int
    token_ms: float
    seed: int
    tallies: Mapping[str, Tally] = field(init=False)
    """By transport."""

    def __post_init__(self) -> None:
        self.tallies = {name: Tally() for name in self.transports}

    @property
    def poll_ms(self) -> float:
        """How often polling asks: once for each token."""
        return self.token_ms

    @property
    def answers(self) -> int:
        """How many were read so far."""
        return sum(tally.answers for tally in self.tallies.values())

    def sizes(self) -> dict[str, int]:
        """How many readers each transport has."""
        return {name: len(range(at, self.readers, len(self.transports))) for at, name in enumerate(self.transports)}

    def client(self, transport: str) -> Client:
        """What reads it."""
        return partial(polling, interval=self.poll_ms / 1000) if transport == "polling" else CLIENTS[transport]


async def read_all(crowd: Crowd, begin: Begin) -> None:
    """Have them all read; what is under way when the time is over is read to its end.

    Raises StreamError or Refused when no answer can be started.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(crowd.readers):
                group.create_task(read_on(crowd, number, begin))
    except* (StreamError, Refused) as errors:
        raise errors.exceptions[0] from None


async def read_on(crowd: Crowd, number: int, begin: Begin) -> None:
    """One reader, from its first answer to its last."""
    dice = random.Random(f"{crowd.seed} {number}")  # noqa: S311 - the same texts each time
    transport = crowd.transports[number % len(crowd.transports)]
    port = begin.ports[number // len(crowd.transports) % len(begin.ports)]
    client, tally = crowd.client(transport), crowd.tallies[transport]
    await asyncio.sleep(dice.uniform(0, begin.spread_s))
    answer = 0
    while time.monotonic() < begin.until:
        answer += 1
        reading = Reading(text_of(number + 1, answer, dice))
        lasts_s = (FIRST_TOKEN_MS + len(split(reading.text, UNIT)) * crowd.token_ms) / 1000
        leave_s = dice.uniform(0, lasts_s) if dice.random() < LEAVING else None
        order = {"unit": UNIT, "first_token_ms": FIRST_TOKEN_MS, "token_ms": crowd.token_ms}
        async with answering(begin.server, text=reading.text, **order) as links:
            url = str(URL(links[transport]).with_port(port))
        try:
            await read(resumed(client, reading, tally), url, reading, leave_s)
        finally:
            tally.add(reading)


def resumed(client: Client, reading: Reading, tally: Tally) -> Client:
    """The client as everybody uses it, and what crossed noted on the way."""

    async def tapped(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        reading.connections += 1
        async with aclosing(client(url, cursor)) as chunks:
            async for chunk in chunks:
                reading.raw_bytes += len(chunk.text.encode())
                yield chunk

    return resuming(tapped, tally.note)


async def read(client: Client, url: str, reading: Reading, leave_s: float | None) -> None:
    """Read to the end, or leave after so many seconds. Cancelled in the middle, it has left as well."""
    try:
        async with asyncio.timeout(leave_s), aclosing(client(url)) as chunks:
            async for chunk in chunks:
                reading.used.append(chunk)
    except TimeoutError:
        reading.left = True
    except asyncio.CancelledError:
        reading.left = True
        raise
    except (StreamError, Refused) as error:
        reading.says = str(error)
