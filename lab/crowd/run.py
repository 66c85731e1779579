"""A crowd: N readers, each with an answer of its own, against a fresh server. One run makes one row.

The one thing to notice: the order of things. All answers exist before the first reader comes, so what memory grows by
is the readers' alone. And all readers are there before the first token is due, so there is an idle time with the same
connections, whose CPU is taken off that of the typing.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import aiohttp

from clients.chunk import Refused, StreamError
from lab.crowd.account import merged
from lab.crowd.processes import LoadDied, LoadProcess, all_carry_out, load_processes
from lab.crowd.row import Noted, row
from lab.crowd.schedule import PATIENCE_S, SETTLE_S, STAGES, Crowd, Schedule, connect_orders, orders, schedule
from lab.crowd.watching import Books, Watch, wait_until
from lab.session import read
from lab.subject import Subject, SubjectDied, serving
from server.settings import Settings

QUIET_S = 300.0
"""The server's hold time, heartbeat and keep-alive. None of them ends within a run: a heartbeat in the idle time and
none in the typing, or the other way round, would be booked to the tokens."""
AT_ONCE = 8
"""Answers that are started side by side."""


async def measure(crowd: Crowd, watch: Watch) -> dict[str, Any]:
    """One run. Raises SubjectDied or LoadDied, in a sentence."""
    room = crowd.readers + 10
    quiet = Settings(max_answers=room, max_readers=room, hold_s=QUIET_S, heartbeat_s=QUIET_S, keepalive_s=QUIET_S)
    # All readers share one address.
    settings = replace(quiet, max_address_connections=4 * room, address_requests_per_s=10**6)
    async with load_processes(crowd.processes) as processes, serving(settings) as subject:
        try:
            return await _run(crowd, subject, processes, watch)
        except (SubjectDied, LoadDied, Refused, StreamError, TimeoutError, aiohttp.ClientError) as effect:
            await subject.check_soon()  # had it died, that was the cause, and this says how
            raise LoadDied(str(effect) or "The server did not answer in time.") from effect


async def _run(crowd: Crowd, subject: Subject, processes: Sequence[LoadProcess], watch: Watch) -> dict[str, Any]:
    async with aiohttp.ClientSession(subject.url, raise_for_status=True) as http:
        await _warm_up(crowd, http, subject.url)
        await asyncio.gather(*(process.ready() for process in processes))
        when = schedule(crowd, time.monotonic())
        answers = await _post(crowd, http, when, watch)
    points = [(0, await subject.settled_memory(SETTLE_S / (STAGES + 1)))]
    await all_carry_out(processes, orders(crowd, subject.url, answers, when), _quietly)
    points += [await _connect(readers, crowd, subject, processes, watch) for readers in crowd.stages]
    connected = Books.of(subject)
    reading = {"read_at": when.read_at, "until": when.last_due + PATIENCE_S}
    reports, (began, typing_bytes) = await asyncio.gather(
        all_carry_out(processes, [reading] * len(processes), _quietly), _look_on(subject, when, watch)
    )
    ended = Books.of(subject)
    accounts = await all_carry_out(
        processes, [{"account": True}] * len(processes), lambda done: watch("fetching", done, crowd.readers)
    )
    noted = Noted(
        idle=began.since(connected),
        typing=ended.since(began),
        points=points,
        typing_bytes=typing_bytes,
        client_cpu=[report["cores"] for report in reports],
        result=merged(accounts),
    )
    return row(crowd, noted)


async def _warm_up(crowd: Crowd, http: aiohttp.ClientSession, server: str) -> None:
    """Read one answer, so that what the server does only once is not booked to the first reader."""
    async with http.post("/answers", json={"text": "warm up", "first_token_ms": 50, "token_ms": 1}) as response:
        links = (await response.json())["links"]
    await read(crowd.variant, server + links[crowd.variant.transport])


async def _post(crowd: Crowd, http: aiohttp.ClientSession, when: Schedule, watch: Watch) -> list[str]:
    """Start all answers; gives their ids."""
    answers: list[str] = []
    fields = {"text": crowd.text, "unit": "word", "token_ms": crowd.token_ms}

    async def start(phase_s: float) -> str:
        first_token_ms = max(0.0, when.first_due + phase_s - time.monotonic()) * 1000
        async with http.post("/answers", json={**fields, "first_token_ms": first_token_ms}) as response:
            return str((await response.json())["id"])

    for at in range(0, crowd.readers, AT_ONCE):
        answers += await asyncio.gather(*map(start, when.phases_s[at : at + AT_ONCE]))
        watch("posting", len(answers), crowd.readers)
    return answers


async def _connect(
    readers: int, crowd: Crowd, subject: Subject, processes: Sequence[LoadProcess], watch: Watch
) -> tuple[int, int]:
    """Have readers connect until there are so many; gives that and the server's memory then."""
    commands = connect_orders(crowd, readers)
    await all_carry_out(processes, commands, lambda connected: watch("connecting", connected, crowd.readers))
    return readers, await subject.settled_memory(SETTLE_S / (STAGES + 1))


async def _look_on(subject: Subject, when: Schedule, watch: Watch) -> tuple[Books, int]:
    """The books when the reading begins, and the memory when three quarters have been typed."""
    await wait_until(when.read_at, "idle", subject, watch)
    began = Books.of(subject)
    await wait_until(when.look_at, "typing", subject, watch)
    memory = subject.memory_bytes()
    await wait_until(when.last_due, "typing to the end", subject, watch)
    return began, memory


def _quietly(_: int) -> None:
    """For orders whose progress nobody needs to be told."""
