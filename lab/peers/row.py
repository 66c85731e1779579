"""The row of one run of a peer. Pure: from what was noted to what is published.

The one thing to notice: a saturated server is a finding, and is published as such. A saturated instrument is none: then
`void` comes instead of every figure, for the run measured the instrument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.crowd.row import MOST_CLIENT_CPU, Span
from lab.peers.schedule import ENOUGH_REQUESTS, ENOUGH_TOKENS, Run
from lab.spread import Histogram, slope

LEAST_IDLE_S = 1.5
"""A shorter idle time says nothing about CPU."""
SATURATED = 0.95
"""Cores of a server that has one thread: with more than this it comes late because it has no time left."""
ENOUGH_READERS = 100
"""For memory per connection; what a few take drowns in what the process allocates anyway."""

Pinned = Mapping[str, int] | None
"""The core of the `server` and that of the `load` process; None where they shared what there is."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What was noted in one run."""

    idle: Span
    typing: Span
    warm_bytes: int
    """The server's memory before the first answer."""
    points: Sequence[tuple[int, int]]
    """(connections, bytes) while nothing was typed."""
    client_cpu: float
    """Cores of the load process while typing."""
    replies: int
    """To polls, while typing."""
    connections: int
    result: Mapping[str, Any]
    """What all readers got (`Account.result`)."""


def row(run: Run, pinned: Pinned, noted: Noted) -> dict[str, Any]:
    """The row of the result."""
    void = void_because(noted)
    proof = conditions(run, pinned) | {
        "server_cpu": round(noted.typing.cores, 3),
        "client_cpu": [round(noted.client_cpu, 3)],
        "saturated": noted.typing.cores > SATURATED,
        "void": void,
    }
    return proof if void else proof | _figures(run, noted)


def failure(run: Run, pinned: Pinned, sentence: str) -> dict[str, Any]:
    """The row of a run that did not come to its end."""
    return conditions(run, pinned) | {"void": sentence, "failed": True}


def conditions(run: Run, pinned: Pinned) -> dict[str, Any]:
    """What the run was measured under."""
    return {
        "peer": run.peer,
        "transport": run.transport,
        "variant": f"{run.transport} by {run.peer}",
        "crowd": run.crowd,
        "run": run.run,
        "readers": run.readers,
        "poll_ms": run.poll_ms,
        "token_ms": run.token_ms,
        "unit": "word",
        "cookie_bytes": 0,
        "tls": False,
        "deflate": False,
        "pinned": None if pinned is None else dict(pinned),
    }


def void_because(noted: Noted) -> str | None:
    """Why the run is not to be published, in a sentence."""
    if noted.idle.seconds < LEAST_IDLE_S:
        return (
            "The answers took so long to start, and the readers to connect, that too little idle time was left before "
            "the first token."
        )
    if noted.client_cpu > MOST_CLIENT_CPU:
        return (
            f"The load process used {noted.client_cpu:.2f} cores; above {MOST_CLIENT_CPU:g} it is late itself. "
            "Measure a smaller crowd, or a slower one."
        )
    return None


def _figures(run: Run, noted: Noted) -> dict[str, Any]:
    result = noted.result
    lag = Histogram.decode(result["corrected_lag_us"])
    return {
        "tokens": result["tokens"],
        "missing_tokens": result["missing_tokens"],
        "unended": result["unended"],
        "error": result["error"],
        "requests": noted.replies if run.polls else run.readers,
        "connections": noted.connections,
        "corrected_lag_ms": lag.summary() if len(lag) else None,
        "start_error_ms": result["start_error_ms"],
        **_cpu(run, noted),
        **_memory(run, noted),
        "histograms": {"corrected_lag_us": result["corrected_lag_us"]},
    }


def _cpu(run: Run, noted: Noted) -> dict[str, Any]:
    """What typing used, without what as much idle time with the same connections would have used."""
    used_us = (noted.typing.cpu_s - noted.idle.cores * noted.typing.seconds) * 1e6
    none = {"cpu_us_per_token": None, "cpu_us_per_request": None}
    if note := _noise(run, noted):
        return none | {"cpu_note": note}
    found = {"cpu_us_per_token": round(used_us / noted.result["tokens"], 3)}
    if run.polls:
        found["cpu_us_per_request"] = round(used_us / noted.replies, 3)
    return none | found


def _noise(run: Run, noted: Noted) -> str | None:
    """Why there is no CPU per token, in a sentence."""
    tokens, enough, what = noted.result["tokens"], ENOUGH_TOKENS, "tokens"
    if noted.result["missing_tokens"]:
        return f"{noted.result['missing_tokens']} tokens did not arrive; what came in part has no cost to compare."
    counted = tokens
    if run.polls:
        counted, enough, what = noted.replies, ENOUGH_REQUESTS, "polls"
    if counted < enough:
        return f"CPU needs {enough} {what} to be more than noise; these were {counted}."
    return None


def _memory(run: Run, noted: Noted) -> dict[str, Any]:
    enough = run.readers >= ENOUGH_READERS
    return {
        "memory_points": [list(point) for point in noted.points],
        "memory_bytes_per_connection": {"idle": round(slope(noted.points)) if enough else None},
        "memory_bytes_per_answer": round((noted.points[0][1] - noted.warm_bytes) / run.readers) if enough else None,
    }
