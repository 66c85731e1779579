"""A load process: many readers, in a process of their own, so that what they use is not booked to the server.

The one thing to notice: while answers are being typed it only notes (time, chunk). All that has to be computed waits
until the last token is here, or the instrument would slow down what it measures.

When it is {"ready": true}, it takes orders on standard input, and reports each as done on standard output, one JSON
object a line:

    {"server": URL, "answers": [ID, ...], "tokens": N, "transport": NAME, "poll_ms": MS, "phases_s": [S, ...]}
    {"connect": N}                        until N readers are connected
    {"read_at": S, "until": S}            to the end: {"done": {"cores": C}}
    {"account": true}                     {"done": {what all readers got and what it cost}}

Meanwhile come {"progress": N}, and instead, when something fails, {"failed": SENTENCE}. It ends when its input does, so
it never outlives who started it.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from clients.chunk import Chunk, Client, Refused, StreamError
from lab.crowd.account import HISTOGRAMS, delivered, record, total
from lab.session import envelope_bytes, variants
from lab.spread import Histogram

BATCH = 50
"""Readers that connect at once; the server lets 128 connections wait to be accepted."""
FREE_S = 5
"""How long the server may take to see the last reader off, which completes the ledger."""

Commands = asyncio.Queue[dict[str, Any]]


@dataclass(slots=True, eq=False)
class Reader:
    """One reader, and each chunk it heard with the time at which it was handed over (monotonic seconds)."""

    answer: str
    phase_s: float
    heard: list[tuple[float, Chunk]] = field(default_factory=list)
    error: str | None = None


async def main() -> None:
    """Take orders until there is nobody to give any."""
    commands: Commands = asyncio.Queue()
    working = asyncio.create_task(carry_out(commands))
    tell(ready=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        commands.put_nowait(json.loads(line))
    working.cancel()


async def carry_out(commands: Commands) -> None:
    """Carry out the orders; whatever fails is reported."""
    try:
        await work(commands)
    except* Exception as errors:
        tell(failed="; ".join(str(error) or repr(error) for error in errors.exceptions))


async def work(commands: Commands) -> None:
    """Connect, read, account: each when it is ordered."""
    order = await commands.get()
    (variant,) = variants([order["transport"]], [order["poll_ms"]] if order["poll_ms"] else [])
    readers = [Reader(*pair) for pair in zip(order["answers"], order["phases_s"], strict=True)]
    reading, tasks = asyncio.Event(), list[asyncio.Task[None]]()
    tell(done={})
    async with aiohttp.ClientSession(order["server"], raise_for_status=True) as http, asyncio.TaskGroup() as group:
        while "connect" in (command := await commands.get()):
            while len(tasks) < command["connect"]:
                batch = readers[len(tasks) : min(len(tasks) + BATCH, command["connect"])]
                for reader in batch:
                    url = f"{order['server']}/answers/{reader.answer}/{variant.transport}"
                    tasks.append(group.create_task(read(reader, variant.client, url, reading)))
                for reader in batch:
                    await connected(http, reader)
                tell(progress=len(tasks))
            tell(done={})
        await read_all(tasks, reading, **command)
        await commands.get()
        tell(done=await account(http, readers, order["tokens"]))


async def read(reader: Reader, client: Client, url: str, reading: asyncio.Event) -> None:
    """Read an answer to its end, but not before `reading` is set.

    A client that hands over a chunk before there is text is asked for no more until then. That makes an idle poller:
    it has asked once and keeps its connection. All others have their one request under way: `long_polling` and `whole`
    wait for its response, a stream for the next chunk of it.
    """
    try:
        async with aclosing(client(url)) as chunks:
            async for chunk in chunks:
                reader.heard.append((time.monotonic(), chunk))
                if not (chunk.text or reading.is_set()):
                    await reading.wait()
                    await asyncio.sleep(reader.phase_s)
    except (StreamError, Refused) as error:
        reader.error = str(error)


async def connected(http: aiohttp.ClientSession, reader: Reader) -> None:
    """Return when its first request has reached the server. Raises StreamError when that failed."""
    while not await rows(http, reader):
        if reader.error:
            raise StreamError(reader.error)
        await asyncio.sleep(0.01)


async def read_all(tasks: Sequence[asyncio.Task[None]], reading: asyncio.Event, read_at: float, until: float) -> None:
    """Have all readers read, from `read_at` until all have ended, but no longer than `until` (monotonic seconds)."""
    gc.collect()
    gc.freeze()  # else the collector would stop all readers now and then, to look through what all of them keep
    await asyncio.sleep(read_at - time.monotonic())
    began, cpu_s = time.monotonic(), time.process_time()
    reading.set()
    _, late = await asyncio.wait(tasks, timeout=until - time.monotonic())
    tell(done={"cores": (time.process_time() - cpu_s) / (time.monotonic() - began)})
    for task in late:
        task.cancel()


async def account(http: aiohttp.ClientSession, readers: Sequence[Reader], tokens: int) -> dict[str, Any]:
    """What all readers got and what it cost, held against what the server says it wrote, and when."""
    await nobody_reads(http)
    histograms = {name: Histogram() for name in HISTOGRAMS}
    ledger: list[dict[str, Any]] = []
    missing = 0
    for number, reader in enumerate(readers, 1):
        async with http.get(f"/answers/{reader.answer}/timeline") as response:
            entries = [entry for entry in (await response.json())["entries"] if entry["text"]]
        record(reader.heard, entries, histograms)
        missing += tokens - delivered(reader.heard, entries)
        ledger += await rows(http, reader)
        if number % BATCH == 0:
            tell(progress=number)
    return {
        "missing_tokens": missing,
        "envelope_bytes": sum(envelope_bytes(chunk) for reader in readers for _, chunk in reader.heard),
        "error": next((reader.error for reader in readers if reader.error), None),
        "ledger": total(ledger),
        "histograms": {name: histogram.encode() for name, histogram in histograms.items()},
    }


async def nobody_reads(http: aiohttp.ClientSession) -> None:
    """Return when the server serves no reader any more, or will not stop to."""
    for _ in range(FREE_S * 20):
        async with http.get("/healthz") as response:
            if (await response.json())["readers"] == 0:
                return
        await asyncio.sleep(0.05)


async def rows(http: aiohttp.ClientSession, reader: Reader) -> list[dict[str, Any]]:
    """What a reader cost by the server's ledger: one row, or none before its first request."""
    async with http.get(f"/answers/{reader.answer}/ledger") as response:
        return list((await response.json())["rows"])


def tell(**report: Any) -> None:
    """Report."""
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
