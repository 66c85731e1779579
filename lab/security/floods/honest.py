"""An honest reader beside an attack: how late its text was, and whether all of it came.

The one thing to notice: lateness is counted from when a token was due. A server that is held up types late as well, so
from the moment of typing nothing would be seen of it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from yarl import URL

from clients.answers import answering
from clients.chunk import Refused, StreamError
from clients.request import requesting, session
from lab.security.scene import Scene
from lab.session import read, variants
from lab.spread import summary

ANSWER = {"text": "abcdefghijklmnop", "first_token_ms": 0, "token_ms": 30}
"""Half a second long. The one that is being read when the attack ends is read to its own end."""
MOMENT_S = 0.01
LONGEST_S = 10.0
"""How long the reader waits for all of an answer."""


class Experience(NamedTuple):
    """What became of one answer."""

    late_ms: Sequence[float]
    whole: bool


def lateness_ms(due_ms: Sequence[float], received_s: Sequence[float], at_end: bool) -> list[float]:
    """For each token how much later it came than due; `at_end`, than the last one was, with which all come. Pure."""
    earliest = [max(due_ms)] * len(due_ms) if at_end else due_ms
    return [seconds * 1000 - due for due, seconds in zip(earliest, received_s, strict=True)]


@asynccontextmanager
async def honest(scene: Scene) -> AsyncIterator[dict[str, float]]:
    """Read one short answer after the other from 127.0.0.1, over the transport under attack, while the block runs.

    Gives the figures, which are there after the block: `honest_p50_ms` and `honest_p99_ms`, how late the tokens came;
    `honest_whole`, 1 if nothing was lost; `lab_p99_ms`, how late this process itself woke up meanwhile, which is
    the attacker's, too: as much of the reader's lateness may be its own. Polling is late by its pause in any case.
    """
    figures: dict[str, float] = {}
    over = asyncio.Event()
    reading, waking = asyncio.create_task(_read_on(scene, over)), asyncio.create_task(_wake(over))
    try:
        yield figures
        over.set()
        answers, own_ms = await asyncio.gather(reading, waking)
    finally:
        reading.cancel()
        waking.cancel()
        await asyncio.wait([reading, waking])
    figures |= _figures(answers, own_ms)


def _figures(answers: Sequence[Experience], own_ms: Sequence[float]) -> dict[str, float]:
    late = summary([ms for answer in answers for ms in answer.late_ms])
    return {
        "honest_p50_ms": late["p50"],
        "honest_p99_ms": late["p99"],
        "honest_whole": int(all(answer.whole for answer in answers)),
        "lab_p99_ms": summary(own_ms)["p99"],
    }


async def _read_on(scene: Scene, over: asyncio.Event) -> list[Experience]:
    answers = [await _answer(scene)]
    while not over.is_set():
        answers.append(await _answer(scene))
    return answers


async def _wake(over: asyncio.Event) -> list[float]:
    """Sleep for a moment, again and again; by how much each was too long (ms)."""
    late_ms: list[float] = []
    while not (over.is_set() and late_ms):
        due = time.monotonic() + MOMENT_S
        await asyncio.sleep(MOMENT_S)
        late_ms.append((time.monotonic() - due) * 1000)
    return late_ms


async def _answer(scene: Scene) -> Experience:
    """Ask for an answer and read it. One that did not come to its end is one token, as late as that is known."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(LONGEST_S), answering(scene.target.url, **ANSWER) as links:
            reading = await read(variants((scene.transport,))[0], links[scene.transport])
            due_ms = await _due_ms(URL(links[scene.transport]).parent)
    except (StreamError, Refused, TimeoutError):
        return Experience([(time.monotonic() - began) * 1000], whole=False)
    return Experience(lateness_ms(due_ms, reading.received, scene.transport == "whole"), reading.whole)


async def _due_ms(answer: URL) -> list[float]:
    """When each token was due, as the server tells; the end is an entry without text, and no token."""
    async with session() as http, requesting(http, "GET", answer / "timeline") as response:
        timeline: dict[str, Any] = json.loads(await response.read())
    return [entry["due_ms"] for entry in timeline["entries"] if entry["text"]]
