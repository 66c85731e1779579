"""One run of one peer: a fresh server, all answers, all readers, an idle time, the typing. One run makes one row.

The one thing to notice: the server has a core for itself where there are two, and so has the load process. What the
kernel does for one of them is then not done in the time of the other.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from lab.crowd.processes import LoadDied, LoadProcess, load_process
from lab.crowd.row import Span
from lab.crowd.watching import Books, Watch, wait_until
from lab.peers.catalogue import PEERS, Peer
from lab.peers.row import Noted, Pinned, failure, row
from lab.peers.schedule import PATIENCE_S, SETTLE_S, STAGES, Run, Schedule, order, schedule
from lab.subject import Subject, SubjectDied, running


async def measure(run: Run, watch: Watch) -> dict[str, Any]:
    """One run. A peer or a load process that fails makes a row that says so, and the experiment goes on."""
    peer, pinned = PEERS[run.peer], cores()
    try:
        async with (
            load_process("lab.peers.reader", _core(pinned, "load")) as load,
            _started(peer, run, pinned) as subject,
        ):
            return row(run, pinned, await _run(run, subject, load, watch))
    except (SubjectDied, LoadDied) as effect:
        return failure(run, pinned, f"{peer.name}: {effect}")


def cores() -> Pinned:
    """A core for the server and one for the load process; None where there are no two, or none can be chosen."""
    if not hasattr(os, "sched_getaffinity") or len(ours := sorted(os.sched_getaffinity(0))) < 2:
        return None
    return {"server": ours[0], "load": ours[1]}


def _core(pinned: Pinned, name: str) -> int | None:
    return None if pinned is None else pinned[name]


@asynccontextmanager
async def _started(peer: Peer, run: Run, pinned: Pinned) -> AsyncIterator[Subject]:
    """The peer while the block runs; if something fails because it died, that is what is said."""
    command = peer.command(run.readers)
    async with running(command, _core(pinned, "server"), getattr(peer, "measured", None) or int) as subject:
        try:
            yield subject
        except (LoadDied, SubjectDied):  # the kernel forgets a process before we are told how it ended
            await subject.check_soon()
            raise


async def _run(run: Run, subject: Subject, load: LoadProcess, watch: Watch) -> Noted:
    def progress(phase: str) -> Callable[[int], None]:
        return lambda done: watch(phase, done, run.readers)

    await load.ready()
    await load.carry_out({"warm_up": subject.url, "transport": run.transport}, progress("warming up"))
    warm_bytes = await subject.settled_memory(SETTLE_S / (STAGES + 1))
    when = schedule(run, time.monotonic())
    await load.carry_out(order(run, subject.url, when), progress("starting answers"))
    points = [(0, await subject.settled_memory(SETTLE_S / (STAGES + 1)))]
    for readers in run.stages:
        await load.carry_out({"connect": readers}, progress("connecting"))
        points.append((readers, await subject.settled_memory(SETTLE_S / (STAGES + 1))))
    reading = load.carry_out({"until": when.last_due + PATIENCE_S}, progress("reading"))
    report, (idle, began) = await _both(reading, _look_on(subject, when, watch))
    typing = Books.of(subject).since(began)
    return Noted(
        idle=idle,
        typing=typing,
        warm_bytes=warm_bytes,
        points=points,
        client_cpu=report["cores"],
        replies=report["replies"],
        connections=report["connections"],
        result=await load.carry_out({"account": True}, progress("adding up")),
    )


async def _both(reading: Any, looking: Any) -> tuple[Mapping[str, Any], tuple[Span, Books]]:
    """Both at once; if one fails, so does this, and the other is given up."""
    tasks = [asyncio.ensure_future(reading), asyncio.ensure_future(looking)]
    try:
        report, books = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return report, books


async def _look_on(subject: Subject, when: Schedule, watch: Watch) -> tuple[Span, Books]:
    """The idle time, and the books at its end; returns when the last token is due."""
    connected = Books.of(subject)
    await wait_until(when.read_at, "idle", subject, watch)
    began = Books.of(subject)
    await wait_until(when.last_due, "typing", subject, watch)
    return began.since(connected), began
