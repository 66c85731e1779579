"""Attacks of programs that reach the port: they know the id of an answer, guess one, or know nothing at all.

The one thing to notice: no browser stands between them and the server, so nothing that only browsers say can tell them
apart. What they lack is a secret: a session, an id, the access token.
"""

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import aiohttp

from lab.limits import Failure
from lab.security.origins.program import begin, new_session, read_at
from lab.security.probe import Outcome
from lab.security.scene import Scene, Target

TOKEN = secrets.token_urlsafe(16)
"""The access token of the servers that ask for one, made for this run."""
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}

GUESSES = 1000
CONNECTIONS = 4

RANDOM_DIGITS = 32
"""So many digits are no count, even where all of them happen to be decimal."""


async def know(scene: Scene) -> Outcome:
    """Who knows the id of a session's answer asks for it: once without a session, once with another one."""
    target = scene.target
    answer = await begin(target, Cookie=await new_session(target))
    path = f"/answers/{answer}/{scene.transport}"
    seen = {
        "without a session": await read_at(target, scene.transport, path),
        "with another session": await read_at(target, scene.transport, path, Cookie=await new_session(target)),
    }
    readers = [who for who, reading in seen.items() if target.canary in reading.text]
    unknown, foreign = await told(target, secrets.token_hex(16)), await told(target, answer)
    return Outcome(
        succeeded=bool(readers),
        says=f"{len(readers)} of {len(seen)} strangers who knew the id read the answer; they are told "
        f"{'the same' if foreign == unknown else 'something else'} of an id that there is not.",
        figures={
            "strangers": len(seen),
            "strangers_that_read": len(readers),
            "responses_that_differ": int(foreign != unknown),
        },
        evidence={
            **{who: reading._asdict() for who, reading in seen.items()},
            "foreign id": foreign,
            "unknown id": unknown,
        },
    )


async def told(target: Target, answer: str) -> dict[str, Any]:
    """All that a program without a session is told of an id, but for the time."""
    async with aiohttp.ClientSession(target.url) as session, session.get(f"/answers/{answer}") as response:
        headers = {name: value for name, value in response.headers.items() if name != "Date"}
        return {"status": response.status, "headers": headers, "body": await response.text()}


async def guess(scene: Scene) -> Outcome:
    """Who has an answer of its own, and so has seen an id, tries those that come next, until one is the victim's."""
    target = scene.target
    guesses = Guesses(after(await begin(target)))
    await begin(target, Cookie=await new_session(target))
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(target.url, connector=connector) as session:
        await asyncio.gather(*(guesses.work(session, scene) for _ in range(CONNECTIONS)))
    if guesses.too_many:
        raise Failure(f"{guesses.too_many} guesses were one too many a second for the server, and so were none.")
    return Outcome(
        succeeded=guesses.done,
        says=f"Of {guesses.made} guesses, {len(guesses.found)} met an answer of others; "
        f"the secret was {'read' if guesses.done else 'not read'}.",
        figures={"guesses": guesses.made, "answers_met": len(guesses.found), "secrets_read": int(guesses.done)},
        evidence={"met": guesses.found[:8]},
    )


class Guesses:
    """What came of trying one id after the other."""

    def __init__(self, ids: Iterator[str]) -> None:
        self._ids = ids
        self.made = self.too_many = 0
        self.found: list[str] = []
        self.done = False

    async def work(self, session: aiohttp.ClientSession, scene: Scene) -> None:
        """Try ids until there are none left, or the secret has been read."""
        for answer in self._ids:
            if self.done:
                return
            path = f"/answers/{answer}/{scene.transport}"
            async with session.get(path) as response:
                status = response.status
            self.made += 1
            self.too_many += status == 429
            if status not in (404, 429):
                self.found.append(path)
                reading = await read_at(scene.target, scene.transport, path)
                self.done = self.done or scene.target.canary in reading.text


def after(own: str) -> Iterator[str]:
    """The ids that come after one, as numbers: of a decimal number, or else of a hexadecimal one of as many digits."""
    base, form = (10, "d") if own.isdecimal() and len(own) < RANDOM_DIGITS else (16, f"0{len(own)}x")
    first = int(own, base) + 1
    return (format(number, form) for number in range(first, first + GUESSES))


async def enter(scene: Scene) -> Outcome:
    """Who reaches the port, and does not know the access token, reads an answer and starts one."""
    target = scene.target
    answer = await begin(target, **AUTHORIZED)
    reading = await read_at(target, scene.transport, f"/answers/{answer}/{scene.transport}")
    async with aiohttp.ClientSession(target.url) as session, session.post("/answers", json={}) as response:
        started = response.status == 201
        said = await response.text()
    read = target.canary in reading.text
    return Outcome(
        succeeded=read,
        says=f"Without the access token, the answer was {'read' if read else 'not read'}, and another one was "
        f"{'started' if started else 'not started'}.",
        figures={"answers_read": int(read), "answers_started": int(started)},
        evidence={"read": reading._asdict(), "start": {"status": response.status, "body": said}},
    )
