"""What each transport costs a reader that is alone: bytes, requests, lag, smoothness.

The one thing to notice: every run is a new answer, a new client and new connections, and the runs of all variants are
interleaved in random order. What the machine does meanwhile hits all of them alike.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import aiohttp
from rich.progress import Progress
from yarl import URL

from clients import CLIENTS
from clients.answers import answering
from clients.chunk import Refused, StreamError
from clients.connection import connecting
from clients.request import requesting, session
from lab.figures import cost, figures
from lab.limits import Failure, check
from lab.load import Parameters as Load
from lab.load import allow_files, load
from lab.result import Row
from lab.session import Variant, read, variants
from lab.spread import interleaved
from lab.subject import Subject, serving
from server.settings import Settings
from server.sources.presets import ENGLISH
from server.sources.typewriter import split

FIRST_TOKEN_MS = 100.0
MOST_TOKENS = 10_000
"""Of one answer: the raw times of all of them are kept."""
WARM_UP_TOKENS = 5
ROOMY = Settings(max_text=10**6, max_answer=10**6, max_body_bytes=10**7)
"""The server's limits on texts are not what is measured."""
CROWD_TOKEN_MS = 100.0
SETTLING_S = 0.03
"""Between two looks at the ledger; when both see the same, it is final."""


LIMITS = {
    "runs": (1, 1000),
    "tokens": (1, MOST_TOKENS),
    "poll_ms": (1, 60_000),
    "token_ms": (0, 60_000),
    "cookie_bytes": (0, 7000),  # a header line of more than 8 KiB is refused by aiohttp
    "readers": (0, 10_000),
}
LONGEST_S = 3600


class Different(Failure):
    """A transport delivered another text than the server wrote; figures about it would mean nothing."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What to measure. Every combination of the lists is one condition."""

    runs: int = 5
    tokens: int = 50
    transports: tuple[str, ...] = tuple(CLIENTS)
    poll_ms: tuple[int, ...] = (100, 200, 500)
    token_ms: tuple[float, ...] = (40.0,)
    unit: tuple[str, ...] = ("word",)
    cookie_bytes: tuple[int, ...] = (0,)
    tls: tuple[bool, ...] = (False,)
    deflate: tuple[bool, ...] = (False,)
    seed: int = 0
    readers: int = 150
    """Of the crowd in which CPU and memory are measured; 0 leaves them out."""

    def __post_init__(self) -> None:
        check(self, LIMITS)
        if self.tokens * max(self.token_ms) > LONGEST_S * 1000:
            raise ValueError("An answer may take an hour at most: choose a smaller --tokens or --token-ms.")
        if not plan(self):
            raise ValueError("There is nothing to measure: --deflate on changes websocket alone.")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a run is measured under, beside its variant."""

    token_ms: float
    unit: str
    cookie_bytes: int
    tls: bool
    deflate: bool


def plan(parameters: Parameters) -> list[tuple[Variant, Condition]]:
    """Every variant under every condition. With deflate only what it changes is measured again."""
    p = parameters
    return [
        (variant, Condition(token_ms, unit, cookie_bytes, tls, deflate))
        for token_ms, unit, cookie_bytes, tls, deflate in product(p.token_ms, p.unit, p.cookie_bytes, p.tls, p.deflate)
        for variant in variants(p.transports, p.poll_ms, deflate)
        if not deflate or variant.transport == "websocket"
    ]


QUICK = Parameters(tokens=40, token_ms=(20.0,), poll_ms=(200, 500), readers=0)


@cache
def text_of(tokens: int, unit: str) -> str:
    """A text of so many tokens."""
    text = ENGLISH
    while len(cut := split(text, unit)) <= tokens:  # its last token may go on where the text does
        text += " " + text
    return "".join(cut[:tokens])


async def overhead(parameters: Parameters, report: Callable[[Row], None], progress: Progress) -> None:
    """Measure; each row goes to `report` at once.

    Raises TooFewFiles before anything is measured, SubjectDied when the server ends, Different when a transport
    delivers something else than was written, StreamError or Refused when reading fails.
    """
    allow_files(parameters.readers)
    cases = plan(parameters)
    async with _subjects(cases) as subjects:
        checking = progress.add_task("same text?", total=len(cases))
        for variant, condition in cases:
            subject = subjects[condition.tls, condition.deflate]
            await _try(subject, variant, condition, WARM_UP_TOKENS)
            progress.advance(checking)
        measuring = progress.add_task("overhead", total=len(cases) * parameters.runs)
        for run, (variant, condition) in interleaved(cases, parameters.runs, parameters.seed):
            progress.update(measuring, description=f"overhead {variant.name}")
            subject = subjects[condition.tls, condition.deflate]
            row = await _try(subject, variant, condition, parameters.tokens)
            report({"run": run, **row})
            progress.advance(measuring)
    if parameters.readers:
        await load(_crowd(parameters), report, progress)


async def _try(subject: Subject, variant: Variant, condition: Condition, tokens: int) -> Row:
    """Measure once. Where the server has died, that is the error, and not that the connection broke."""
    try:
        return await measure(subject, variant, condition, text_of(tokens, condition.unit))
    except (StreamError, Refused, Different):
        await subject.check_soon()
        raise


def _crowd(parameters: Parameters) -> Load:
    """CPU and memory show only in a crowd: one for each transport, plain in all other respects."""
    return Load((parameters.readers,), parameters.transports, runs=1, token_ms=CROWD_TOKEN_MS, seed=parameters.seed)


async def measure(subject: Subject, variant: Variant, condition: Condition, text: str) -> Row:
    """One reading of a new answer, as a row without its run."""
    fields = {"text": text, "unit": condition.unit, "token_ms": condition.token_ms, "first_token_ms": FIRST_TOKEN_MS}
    headers = (
        {"Cookie": f"c={'x' * condition.cookie_bytes}"[: condition.cookie_bytes]} if condition.cookie_bytes else {}
    )
    with connecting(subject.cafile, headers):
        began = time.monotonic() * 1000
        async with answering(subject.url, **fields) as links:
            url = URL(links[variant.transport])
            reading = await read(variant, str(url % {"reader": "lab"}))
            if reading.text != text or not reading.whole:
                raise Different(f"{variant.name} did not deliver the text that the server wrote.")
            timeline, ledger_row = await evidence(str(url.parent))
    entries = timeline[: len(reading.received)]
    received = [at * 1000 - began for at in reading.received]
    appended = [entry["appended_ms"] - began for entry in entries]
    due = [entry["due_ms"] - began for entry in entries]
    return {
        "transport": variant.transport,
        "variant": variant.name,
        "readers": 1,
        "poll_ms": variant.poll_ms,
        **asdict(condition),
        **figures(received, appended, due, reading.reads, condition.token_ms),
        **cost(ledger_row, text, reading.envelope_bytes),
        "empty_polls": reading.requests - len(reading.fruitful),
        "times": {
            name: [round(at, 3) for at in times]
            for name, times in (("received_ms", received), ("appended_ms", appended), ("due_ms", due))
        },
    }


async def evidence(answer: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """When each entry of an answer was due and appended, and what its one reader cost, once that is final."""
    async with session() as http:
        rows = await _rows(http, answer)
        while (later := await _rows(http, answer)) != rows:  # the last bytes of a connection come after the last chunk
            rows = later
        async with requesting(http, "GET", URL(f"{answer}/timeline")) as response:
            entries = (await response.json())["entries"]
    (row,) = rows
    return entries, row


async def _rows(http: aiohttp.ClientSession, answer: str) -> list[dict[str, Any]]:
    await asyncio.sleep(SETTLING_S)
    async with requesting(http, "GET", URL(f"{answer}/ledger")) as response:
        rows: list[dict[str, Any]] = (await response.json())["rows"]
        return rows


@asynccontextmanager
async def _subjects(
    cases: Sequence[tuple[Variant, Condition]],
) -> AsyncIterator[Mapping[tuple[bool, bool], Subject]]:
    """A server for each combination of TLS and deflate. All at once: one that is not asked uses no CPU."""
    kinds = {(condition.tls, condition.deflate) for _, condition in cases}
    async with AsyncExitStack() as stack:
        yield {
            (tls, deflate): await stack.enter_async_context(serving(replace(ROOMY, deflate=deflate), tls))
            for tls, deflate in kinds
        }
