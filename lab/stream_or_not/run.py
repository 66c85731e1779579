"""One run of one way with so many askers: a fresh server, an idle time, the asking. One run makes one row.

The one thing to notice: memory and CPU are those of our server's process alone. A model has its own, wherever it runs.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import aiohttp

from lab.crowd.processes import LoadDied, LoadProcess, load_process
from lab.crowd.watching import Books, Watch, wait_until
from lab.peers.run import cores
from lab.stream_or_not.row import Noted, Run, failure, row
from lab.stream_or_not.ways import AT_ONCE, COMPLETIONS, WAYS, asked, short
from lab.subject import Subject, SubjectDied, running
from server.settings import Settings
from server.sources.presets import PRESETS

IDLE_S, SETTLE_S, SPREAD_S = 2.0, 1.0, 1.0
"""For idling, for letting the memory settle, and over which a crowd's questions are spread."""
LOOK_S = 0.25
"""How often the memory is looked at."""
PATIENCE_S = 120.0
"""How long the last answer is waited for."""


async def measure(run: Run, model: str, base_url: str, prompt: str, watch: Watch) -> dict[str, Any]:
    """One run. What fails makes a row that says so, and the experiment goes on.

    Raises SubjectDied when the server does not even start.
    """
    room = run.askers + 10
    settings = Settings(
        port=0,
        model=model,
        base_url=base_url,
        max_answers=2 * room,
        max_readers=room,
        max_address_connections=4 * room,  # all askers share one address
        address_requests_per_s=10**6,
    )
    pinned = cores() if model in PRESETS and not base_url else None  # a real model needs the cores itself
    command = (sys.executable, "-m", "lab.served", json.dumps(asdict(settings)))
    async with (
        load_process("lab.stream_or_not.asker", pinned["load"] if pinned else None) as load,
        running(command, pinned["server"] if pinned else None) as subject,
    ):
        try:
            await _warm_up(subject.url, short(model))
            await load.ready()
            return row(run, pinned, await _run(run, model, prompt, subject, load, watch))
        except (SubjectDied, LoadDied, TimeoutError, aiohttp.ClientError) as effect:
            return failure(run, pinned, await _explained(subject, effect))


async def _explained(subject: Subject, effect: Exception) -> str:
    """What went wrong, as a sentence: that the server died, if it did, for that is the cause of all else."""
    try:
        await subject.check_soon()
    except SubjectDied as died:
        return str(died)
    return str(effect) or "The server did not answer in time."


async def _warm_up(server: str, model: str) -> None:
    """Have one short answer in each way, so that what the server does only once is not booked to an asker."""
    async with aiohttp.ClientSession(server, raise_for_status=True) as http:
        for stream in (True, False):
            async with http.post(COMPLETIONS, json=asked(model, "Warm up.", stream) | AT_ONCE) as response:
                await response.read()
        for name in ("sse", "whole"):
            async with http.get(f"/{name}?preset={model}&first_token_ms=0&token_ms=0") as response:
                await response.read()


async def _run(run: Run, model: str, prompt: str, subject: Subject, load: LoadProcess, watch: Watch) -> Noted:
    sdk = WITH_SDK and run.askers == 1 and WAYS[run.way].transport == "completions"
    question = {"server": subject.url, "model": model, "prompt": prompt, "way": run.way, "sdk": sdk}
    await load.carry_out(question, _quietly)
    memory = [await subject.settled_memory(SETTLE_S)]
    resting, due = Books.of(subject), times(run, time.monotonic() + IDLE_S)
    when = {"due": due, "until": due[-1] + PATIENCE_S}
    asking = asyncio.create_task(load.carry_out(when, lambda done: watch("asking", done, run.askers)))
    try:
        await wait_until(due[0] - LOOK_S, "idle", subject, watch)
        idle = Books.of(subject)
        while not asking.done():
            await asyncio.wait([asking], timeout=LOOK_S)
            memory.append(subject.memory_bytes())
        used = Books.of(subject).since(idle)
        return Noted(
            client=f"openai {metadata.version('openai')}" if sdk else "lean",
            idle=idle.since(resting),
            asking=used,
            memory=memory,
            client_cpu=asking.result()["cores"],
            result=await load.carry_out({"account": True}, _quietly),
        )
    finally:
        asking.cancel()


def _quietly(_done: int) -> None:
    """For orders whose progress nobody needs to be told."""


def times(run: Run, first: float) -> Sequence[float]:
    """When each asker asks (monotonic seconds): at random within SPREAD_S, the same for every way. Pure."""
    dice = random.Random(f"{run.seed} {run.run} {run.askers}")  # noqa: S311 - the same for every way
    return [first] if run.askers == 1 else sorted(first + dice.uniform(0, SPREAD_S) for _ in range(run.askers))


WITH_SDK = bool(find_spec("openai"))
