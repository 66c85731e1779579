"""The soak: many readers on all transports, cut off at random for minutes; nothing may be lost, and nothing be left.

The one thing to notice: it ends only when the last reader has read its last answer and the server has forgotten it.
What is left then was left behind.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.progress import Progress

from clients.chunk import Refused, StreamError
from lab.limits import Failure, check
from lab.load import TooFewFiles, allow_files
from lab.relay.faults import FIN, RST
from lab.result import Row
from lab.soak import verdict
from lab.soak.account import MOST_WORDS
from lab.soak.books import Books, Sample
from lab.soak.readers import FIRST_TOKEN_MS, Begin, Crowd, read_all
from lab.soak.relays import RelayProcess, relays
from lab.subject import serving
from server.settings import Settings
from server.transports import TRANSPORTS

KEEP_S = 30.0
"""How long the server keeps an answer that has ended: longer than a reader may be away that was cut off twice."""
SAMPLE_S = 2.0
SETTLE_S = 15.0
"""How long after the last answer is forgotten everything else may take."""
SPREAD = 1 / 8
"""Of the time, until all readers have begun."""
UNBOUNDED = 10**9

LIMITS = {"readers": (1, 10_000), "minutes": (0.01, 1440), "token_ms": (10, 5000), "cut_every": (1000, 10**9)}


@dataclass(frozen=True, slots=True)
class Parameters:
    """How many read what, for how long, through how bad a network."""

    readers: int = 2000
    minutes: float = 2.0
    token_ms: float = 2500.0
    cut_every: int = 8000
    """Bytes down a relay between one cut and the next, on average. With much less, heads of responses alone are cut so
    often that a reader may be away for longer than its answer is kept."""
    transport: tuple[str, ...] = tuple(TRANSPORTS)
    seed: int = 0

    def __post_init__(self) -> None:
        check(self, LIMITS)

    @property
    def time_s(self) -> float:
        """How long answers are begun."""
        return self.minutes * 60

    @property
    def longest_s(self) -> float:
        """Of an answer."""
        return (FIRST_TOKEN_MS + MOST_WORDS * self.token_ms) / 1000

    @property
    def expected_s(self) -> float:
        """About how long all of it takes."""
        return self.time_s + self.longest_s + KEEP_S

    @property
    def warm_up_s(self) -> float:
        """When the first answers of all readers have been forgotten, from when on as much goes as comes; and half
        of the time at least, for a heap takes a while to find its size."""
        return max(self.time_s / 2, SPREAD * self.time_s + self.longest_s + KEEP_S)


@dataclass(slots=True)
class Noted:
    """What was seen so far, whatever becomes of the rest."""

    crowd: Crowd
    before: Sample = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    after: Sample = field(default_factory=dict)
    """Empty when it did not come so far."""
    written: dict[str, str] = field(default_factory=dict)
    """What each process wrote to standard error."""

    def entries(self, parameters: Parameters) -> Iterator[Row]:
        """The rows, and what can be observed by now."""
        if not self.samples:
            return
        for (name, tally), readers in zip(self.crowd.tallies.items(), self.crowd.sizes().values(), strict=True):
            yield tally.row(name, readers, self.crowd.poll_ms if name == "polling" else None)
        if self.after:
            yield from verdict.left_behind(self.before, self.samples, self.after)
        yield verdict.memory(self.samples, parameters.warm_up_s, parameters.time_s)
        if self.written:
            yield verdict.log(self.written)
        yield verdict.cuts(self.samples[-1], complete=bool(self.after))
        yield verdict.cores([sample for sample in self.samples if sample["at_s"] <= parameters.time_s])


async def soak(parameters: Parameters, report: Callable[[Row], None], progress: Progress) -> None:
    """Soak; samples go to `report` at once, rows and observations when it is over, whatever ended it.

    Raises TooFewFiles before anything starts, SubjectDied or RelayDied when a process ends in the middle.
    """
    _allow_files(parameters.readers)
    shown = progress.add_task("starting", total=round(parameters.expected_s))
    noted = Noted(Crowd(parameters.transport, parameters.readers, parameters.token_ms, parameters.seed))
    try:
        async with _stage(parameters, noted) as (books, server, ports):

            async def look(phase: str) -> Sample:
                sample = await books.sample(noted.crowd.answers)
                noted.samples.append(sample)
                report(sample)
                progress.update(shown, description=_words(phase, sample), completed=round(sample["at_s"]))
                return sample

            begin = Begin(server, ports, SPREAD * parameters.time_s, books.began + parameters.time_s)
            try:
                await _read(read_all(noted.crowd, begin), look)
            except (StreamError, Refused) as effect:
                await books.subject.check_soon()  # had it died, that was the cause, and this says how
                raise Failure(f"An answer could not be started: {effect}") from effect
            noted.after = await _settle(books, noted.before, look)
    finally:
        for entry in noted.entries(parameters):
            report(entry)


@asynccontextmanager
async def _stage(parameters: Parameters, noted: Noted) -> AsyncIterator[tuple[Books, str, list[int]]]:
    """The server and the relays while the block runs: their books, the server's URL, the relays' ports."""
    quiet = Settings(keep_s=KEEP_S, max_answers=UNBOUNDED, max_readers=UNBOUNDED)
    settings = replace(quiet, max_address_connections=UNBOUNDED, address_requests_per_s=UNBOUNDED)
    with tempfile.TemporaryDirectory(prefix="pushlab-") as folder:
        log, cutting = Path(folder) / "log", list[RelayProcess]()
        try:
            async with serving(settings, log=log) as subject:
                noted.before = await Books(subject, ()).holds()
                async with relays(subject.url, (FIN, RST), parameters.cut_every) as cutting:
                    yield Books(subject, cutting), subject.url, [each.port for each in cutting]
        finally:
            noted.written = {"server": log.read_text(errors="replace") if log.exists() else ""}
            noted.written |= {each.name: each.complaints.result().decode() for each in cutting}


async def _read(reading: Coroutine[Any, Any, None], look: Callable[[str], Awaitable[Sample]]) -> None:
    """Read, and look at the books meanwhile. However it ends, what was read is accounted for."""
    task = asyncio.create_task(reading)
    try:
        while not task.done():
            due = time.monotonic() + SAMPLE_S
            await look("reading")
            await asyncio.wait([task], timeout=max(0.0, due - time.monotonic()))
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _settle(books: Books, before: Sample, look: Callable[[str], Awaitable[Sample]]) -> Sample:
    """What the server holds once it holds nothing more than before, or will not let go in time."""
    late = time.monotonic() + KEEP_S + SETTLE_S
    while True:
        sample = await look("waiting until all is forgotten")
        over = time.monotonic() > late
        if over or verdict.settled(before, sample):
            sample |= await books.inside("kept")
            if over or verdict.settled(before, sample):
                return sample
        await asyncio.sleep(SAMPLE_S)


def _words(phase: str, sample: Sample) -> str:
    return f"{phase}: {sample['answers']:,} answers, {sum(sample['cuts'].values()):,} cuts (in seconds)"


def _allow_files(readers: int) -> None:
    """Let this process, the server and the relays open what it takes. Raises TooFewFiles."""
    try:
        allow_files(2 * readers)
    except TooFewFiles as error:
        raise TooFewFiles(f"A reader that comes back counts twice here, for a moment. {error}") from None
