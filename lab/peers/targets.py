"""What this server is meant to reach beside its peers, and whether it does. Pure.

The one thing to notice: a ratio is made for each run from the two rows of that run, and only then is the median taken.
What the machine did to both of them is then in neither.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from lab.result import Row, values
from lab.sides import quoted
from lab.spread import median

OURS = "pushlab"
CROWD, SMALL, LARGE, HELD = "1000x50", "500x25", "8000x400", "10000x200"
STREAMS, POLLS = ("sse", "iframe", "websocket"), ("polling", "long_polling")
TOKEN, REQUEST = "cpu_us_per_token", "cpu_us_per_request"  # noqa: S105 - no password
IDLE = "memory_bytes_per_connection.idle"
KIB = 1024
HELD_MS, HELD_CORES = 100.0, 1.0
ENOUGH_READERS = 1000
"""For a target of memory."""


class Judged(NamedTuple):
    """What came of a target: `reached` is None where it was not measured."""

    reached: bool | None
    because: str


Judge = Callable[[Sequence[Row]], Judged]


class Target(NamedTuple):
    """A target in words, and how it is judged."""

    says: str
    judge: Judge


def cost_of(transport: str) -> str:
    """The figure that is compared: CPU for a token, or, where each token may take requests, for a request."""
    return REQUEST if transport in POLLS else TOKEN


def ratios(ours: Iterable[Row], theirs: Iterable[Row], figure: str) -> list[float]:
    """For each run that both have, by how much ours is what theirs is."""
    other = {row["run"]: found[0] for row in theirs if (found := values([row], figure))}
    pairs = [(found[0], other.get(row["run"])) for row in ours if (found := values([row], figure))]
    return [here / there for here, there in pairs if there and there > 0]


def of(rows: Iterable[Row], peer: str, transport: str, crowd: str) -> list[Row]:
    """The rows of one peer that are not void."""
    wanted = {"peer": peer, "transport": transport, "crowd": crowd}
    return [row for row in rows if not row.get("void") and all(row.get(key) == each for key, each in wanted.items())]


def at_most(most: float, transport: str, peer: str, theirs: str | None = None) -> Target:
    """CPU beside a peer's; `theirs` is the peer's transport where it is another one."""
    figure, other = cost_of(transport), theirs or transport
    what = "request" if figure == REQUEST else "token"
    beside = peer if other == transport else f"{other} of {peer}"

    def judge(rows: Sequence[Row]) -> Judged:
        found = ratios(of(rows, OURS, transport, CROWD), of(rows, peer, other, CROWD), figure)
        if not found:
            return Judged(None, f"This takes {transport} of {OURS} and {other} of {peer} with {CROWD}.")
        return Judged(median(found) <= most, f"{quoted(found)} × {beside}")

    return Target(f"{transport}: CPU per {what} at {CROWD} at most {most:g} × {beside}", judge)


def grows(most: float, transport: str) -> Target:
    """CPU per token of many slow answers beside that of fewer fast ones: as many tokens in a second."""

    def judge(rows: Sequence[Row]) -> Judged:
        found = ratios(of(rows, OURS, transport, LARGE), of(rows, OURS, transport, SMALL), TOKEN)
        if not found:
            return Judged(None, f"This takes {OURS} with {SMALL} and with {LARGE}.")
        return Judged(median(found) <= most, f"{quoted(found)} ×")

    return Target(f"{transport}: CPU per token at {LARGE} at most {most:g} × that at {SMALL}", judge)


def holds(transport: str) -> Target:
    """The largest crowd is served in time, whole, on one core, in every run."""

    def judge(rows: Sequence[Row]) -> Judged:
        found = of(rows, OURS, transport, HELD)
        if not found:
            return Judged(None, f"This takes {OURS} with {HELD}.")
        worst = max((row["corrected_lag_ms"] or {"p99": float("inf")})["p99"] for row in found)
        missing, cores = sum(row["missing_tokens"] for row in found), max(row["server_cpu"] for row in found)
        kept = worst <= HELD_MS and not missing and cores <= HELD_CORES
        says = f"p99 {worst:.0f} ms in the worst run, {missing} tokens missing, {cores:.2f} cores"
        return Judged(kept, says)

    words = f"p99 of corrected lag at most {HELD_MS:g} ms, nothing missing, at most {HELD_CORES:g} core"
    return Target(f"{transport}: {HELD} in every run with {words}", judge)


def weighs(most_kib: float, transport: str) -> Target:
    """Memory of an idle connection."""

    def judge(rows: Sequence[Row]) -> Judged:
        mine = [row for row in rows if row.get("peer") == OURS and row.get("transport") == transport]
        found = values((row for row in mine if not row.get("void") and row["readers"] >= ENOUGH_READERS), IDLE)
        if not found:
            return Judged(None, f"This takes {OURS} with {ENOUGH_READERS} readers or more.")
        kib = [size / KIB for size in found]
        return Judged(median(kib) <= most_kib, f"{quoted(kib)} KiB")

    return Target(f"{transport}: at most {most_kib:g} KiB for an idle connection", judge)


def _targets() -> Iterator[Target]:
    for transport in ("sse", "iframe"):
        yield at_most(1.25, transport, "asyncio")
        yield at_most(0.9, transport, "node", "sse")
        yield at_most(0.25, transport, "starlette", "sse")
    yield at_most(1.0, "websocket", "ws")
    yield at_most(0.4, "websocket", "websockets")
    for transport in POLLS:
        yield at_most(1.1, transport, "starlette")
        yield at_most(0.5, transport, "express")
    for transport in STREAMS:
        yield grows(1.2, transport)
    for transport in STREAMS:
        yield holds(transport)
    for transport, most_kib in (("sse", 12), ("iframe", 12), ("long_polling", 12), ("websocket", 16)):
        yield weighs(most_kib, transport)


TARGETS = tuple(_targets())
VERDICTS = {True: "holds", False: "does not hold", None: "not measured"}


def verdicts(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Each target as a verdict of the result document."""
    found = []
    for number, target in enumerate(TARGETS, 1):
        judged = target.judge(rows)
        found.append(
            {
                "claim": f"T{number}",
                "says": target.says,
                "verdict": VERDICTS[judged.reached],
                "because": judged.because,
            }
        )
    return found
