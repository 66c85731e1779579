"""The faults experiment: every fault on every transport, and what became of each token.

The one thing to notice: the reader is the client that everybody uses, behind a relay that it knows nothing of. What it
is given is written down as it comes; what is right is asked of the server afterwards.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from rich.progress import Progress
from yarl import URL

from clients import CLIENTS
from clients.answers import answering
from clients.chunk import Chunk, Client, Refused, StreamError
from clients.request import requesting, session
from clients.resume import resuming
from lab.faults.kinds import FAULTS, Fault
from lab.faults.tokens import Fate, fates
from lab.limits import check
from lab.relay import Relay, relaying
from lab.relay.faults import Faults
from lab.result import Row
from lab.subject import Subject, serving
from server.settings import Settings
from server.transports import TRANSPORTS

TEXT = " ".join(f"Word {number} of a text that must come once, and whole." for number in range(1, 13))
LONGEST_S = 60.0
"""After that a reader that is still waiting is said to have hung."""
LOOK_S = 0.01
LOST = (Fate.LOST_PREFIX, Fate.LOST_MIDDLE, Fate.LOST_END)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What to try."""

    fault: tuple[str, ...] = tuple(FAULTS)
    transport: tuple[str, ...] = tuple(TRANSPORTS)
    token_ms: float = 20.0

    def __post_init__(self) -> None:
        check(self, {"token_ms": (1, 1000)})


@dataclass(slots=True)
class Seen:
    """What one reader was given, and when."""

    raw: list[Chunk] = field(default_factory=list)
    """As it crossed, what was dropped as known included."""
    used: list[tuple[float, Chunk]] = field(default_factory=list)
    """Monotonic seconds, and what was new."""
    says: str | None = None
    """Why it ended without the whole answer."""


async def faults(parameters: Parameters, report: Callable[[Row], None], progress: Progress) -> None:
    """Try them; all transports of one fault side by side, each row goes to `report` at once. Raises SubjectDied."""
    trying = progress.add_task("faults", total=len(parameters.fault) * len(parameters.transport))
    async with serving(Settings(port=0)) as subject:
        for name in parameters.fault:
            progress.update(trying, description=name)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_row(subject, name, each, parameters)) for each in parameters.transport]
            for task in tasks:
                report(task.result())
                progress.advance(trying)


async def _row(subject: Subject, fault: str, transport: str, parameters: Parameters) -> Row:
    order: dict[str, Any] = {"text": TEXT, "unit": "word", "token_ms": parameters.token_ms, "first_token_ms": 100}
    port = URL(subject.url).port
    assert port  # noqa: S101 - every URL of a server has one
    async with relaying(port) as relay, answering(subject.url, **order) as links:
        answer, seen = URL(links[transport]).parent, Seen()
        reading = _read(CLIENTS[transport], relay.through(links[transport]), seen)
        over = await _suffer(FAULTS[fault], relay, reading, answer, seen)
        tokens = [entry["text"] for entry in (await _asked(answer / "timeline"))["entries"]]
        struck = FAULTS[fault].struck(relay.counts)
    row = {"fault": fault, "transport": transport, "run": 1, "struck": struck, "bytes_down": relay.counts.bytes_down}
    return row | told(tokens, seen, over if struck else None)


async def _suffer(
    fault: Fault, relay: Relay, reading: Coroutine[Any, Any, None], answer: URL, seen: Seen
) -> float | None:
    """Read with the fault on the way. Gives when it was over, in monotonic seconds; None if it lasted to the end."""
    over = None
    if fault.lasts_s is None:
        relay.faults = fault.faults
    try:
        async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as group:
            group.create_task(reading)
            if fault.lasts_s is not None:
                over = await _strike(fault, relay, fault.lasts_s, answer)
    except TimeoutError:
        seen.says = f"It was still waiting after {LONGEST_S:g} s."
    return over


async def _strike(fault: Fault, relay: Relay, lasts_s: float, answer: URL) -> float:
    """Have it happen once a third of the answer is written. Gives when it was over, in monotonic seconds."""
    while (await _asked(answer))["cursor"] < len(TEXT.split()) / 3:  # noqa: ASYNC110 - in another process
        await asyncio.sleep(LOOK_S)
    relay.faults = fault.faults
    if lasts_s:
        await asyncio.sleep(lasts_s)
        relay.faults = Faults()
    return time.monotonic()


async def _read(client: Client, url: str, seen: Seen) -> None:
    """Read to the end, whatever that is, and write down what came."""

    async def tapped(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        async with aclosing(client(url, cursor)) as chunks:
            async for chunk in chunks:
                seen.raw.append(chunk)
                yield chunk

    try:
        async with aclosing(resuming(tapped)(url)) as chunks:
            async for chunk in chunks:
                seen.used.append((time.monotonic(), chunk))
    except (StreamError, Refused) as error:
        seen.says = str(error)


async def _asked(url: URL) -> Any:
    """What the server itself says, past the relay."""
    async with session() as http, requesting(http, "GET", url) as response:
        return await response.json()


def told(tokens: Sequence[str], seen: Seen, over: float | None) -> Row:
    """The row of one reader: what became of the tokens, and how it came back. Pure."""
    chunks = [chunk for _, chunk in seen.used]
    counts = fates(tokens, chunks)
    back = next((at for at, chunk in seen.used if over is not None and at >= over and chunk.text), None)
    return {
        "tokens": len(tokens),
        **{fate.value: counts[fate] for fate in Fate},
        "lost": sum(counts[fate] for fate in LOST),
        "recovery_ms": None if over is None or back is None else round((back - over) * 1000, 1),
        "read_again_bytes": size(seen.raw) - size(chunks),
        "requests": chunks[-1].request if chunks else 0,
        "ended": chunks[-1].done if chunks else None,
        "says": seen.says,
    }


def size(chunks: Sequence[Chunk]) -> int:
    """Bytes of their text in UTF-8."""
    return sum(len(chunk.text.encode()) for chunk in chunks)
