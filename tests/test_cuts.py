"""A whole session over each transport, cut at every byte that comes down: in the head, in a frame, in a character.

The one thing to notice: an answer is written no faster than it is read. So a session has the same bytes each time,
however busy the machine is, and every cut is where the test says. The two ways in which a connection ends take turns.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable
from contextlib import aclosing
from functools import partial
from itertools import count

import pytest

from clients import CLIENTS, resume
from clients.chunk import Refused, StreamError
from clients.polling import polling
from clients.resume import resuming
from lab.relay import DOWN, FIN, RST, Faults, relaying
from server import order
from server.answer import Answer
from server.settings import Settings
from server.sources import Source
from tests.conftest import Start

TEXT = "a世😀"
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()
READERS = {name: resuming(client) for name, client in (CLIENTS | {"polling": partial(polling, interval=0)}).items()}
WAITS = (1, 3)
"""The cursors at which the writer waits for its reader: the chunks are one token, two of them, and the end alone."""
AT_ONCE = 6
"""Sessions, each behind a relay of its own."""
ENOUGH = 50
"""Wrong ones, after which it is clear that something is."""


class Pace:
    """Lets each answer be written no faster than its reader reads it."""

    def __init__(self) -> None:
        self._read: defaultdict[str, asyncio.Queue[int]] = defaultdict(asyncio.Queue)

    def scripted(self, schedule: Iterable[tuple[float, str]]) -> Source:
        async def source(answer: Answer) -> None:
            for _, token in schedule:
                answer.append(token)
                while answer.cursor in WAITS and await self._read[answer.id].get() < answer.cursor:
                    pass

        return source

    def read(self, answer_id: str, cursor: int) -> None:
        self._read[answer_id].put_nowait(cursor)


@pytest.fixture
def settings() -> Settings:
    return Settings(port=0, first_token_ms=0, token_ms=0, address_requests_per_s=10_000)


@pytest.fixture
def pace(name: str, monkeypatch: pytest.MonkeyPatch) -> Pace:
    """None for the reader who gets nothing before the end: there each session has the same bytes anyhow."""
    monkeypatch.setattr(resume, "pause", lambda _cuts: 0)
    pace = Pace()
    if name != "whole":
        monkeypatch.setattr(order, "scripted", pace.scripted)
    return pace


async def test_cut_at_any_byte_a_reader_comes_back_and_has_the_exact_text(
    server: str, start: Start, name: str, pace: Pace
) -> None:
    port = int(server.rpartition(":")[2])
    places, uncut, wrong = count(), set[int](), dict[int, str]()

    async def read(url: str) -> tuple[str, str | None]:
        text, sha256, answer_id = "", None, url.split("/")[-2]
        async with aclosing(READERS[name](url)) as chunks:
            async for chunk in chunks:
                text, sha256 = text + chunk.text, chunk.sha256
                pace.read(answer_id, chunk.cursor)
        return text, sha256

    async def cut_everywhere() -> None:
        async with relaying(port, keeps=False) as relay:
            while not uncut and len(wrong) < ENOUGH:
                place, before = next(places), relay.counts.cuts
                url = relay.through((await start(text=TEXT))[name])
                relay.faults = Faults(cut_after=place, cut=(FIN, RST)[place % 2])
                try:
                    if (came := await read(url)) != (TEXT, DIGEST):
                        wrong[place] = f"read {came}"
                except (StreamError, Refused) as error:
                    wrong[place] = repr(error)
                if relay.counts.cuts == before:
                    uncut.add(place)

    async with relaying(port) as relay:
        assert await read(relay.through((await start(text=TEXT))[name])) == (TEXT, DIGEST)
        session = b"".join(piece.data for piece in relay.pieces if piece.way == DOWN)
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(cut_everywhere())
    assert not wrong
    assert min(uncut) >= session.index(DIGEST.encode()) + len(DIGEST)
