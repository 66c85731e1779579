"""The row of one run of a crowd. Pure: from what was noted to what is published.

The one thing to notice: `void` comes before every figure. A run whose instrument was overloaded measured the
instrument, so nothing but the proof of that is kept of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.crowd.schedule import ENOUGH_TOKENS, Crowd
from lab.figures import cost
from lab.spread import Histogram, slope

MOST_CLIENT_CPU = 0.8
"""Cores. A load process that uses more comes late itself, and would book that to the server."""
MOST_JITTER_MS = 5.0
"""Of the source, at p50: when the typical token is later, the source cannot keep its pace, and the load was another one
than stated. Pauses that hit a few tokens void nothing, since the corrected lag has them in it."""
LEAST_IDLE_S = 1.0
"""A shorter idle time says nothing about CPU."""
ENOUGH_READERS = 100
"""For memory per connection; what a few take drowns in what the process allocates anyway."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, and the CPU seconds that the server used in it."""

    seconds: float
    cpu_s: float

    @property
    def cores(self) -> float:
        """How many it kept busy, on average."""
        return self.cpu_s / self.seconds


@dataclass(frozen=True, slots=True)
class Noted:
    """What was noted in one run."""

    idle: Span
    typing: Span
    points: Sequence[tuple[int, int]]
    """(connections, bytes) while nothing was typed."""
    typing_bytes: int
    """The same with all connections, when three quarters had been typed."""
    client_cpu: Sequence[float]
    """Cores, for each load process."""
    result: Mapping[str, Any]
    """What the load processes added up, as one (`merged`)."""


def row(crowd: Crowd, noted: Noted) -> dict[str, Any]:
    """The row of the result."""
    histograms: dict[str, Histogram] = noted.result["histograms"]
    jitter = _summary(histograms["jitter_us"])
    void = void_because(noted, jitter["p50"] if jitter else 0)
    proof = {
        "transport": crowd.variant.transport,
        "variant": crowd.variant.name,
        "run": crowd.run,
        "readers": crowd.readers,
        "poll_ms": crowd.variant.poll_ms,
        "token_ms": crowd.token_ms,
        "unit": "word",
        "cookie_bytes": 0,
        "tls": False,
        "deflate": False,
        "server_cpu": round(noted.typing.cores, 3),
        "client_cpu": [round(cores, 3) for cores in noted.client_cpu],
        "jitter_ms": jitter,
        "void": void,
    }
    return proof if void else proof | _figures(crowd, noted, histograms)


def void_because(noted: Noted, jitter_ms: float) -> str | None:
    """Why the run is not to be published, in a sentence."""
    busiest = max(noted.client_cpu)
    if noted.idle.seconds < LEAST_IDLE_S:
        return "The readers took so long to connect that no idle time was left before the first token."
    if busiest > MOST_CLIENT_CPU:
        return (
            f"A load process used {busiest:.2f} cores; above {MOST_CLIENT_CPU:g} it is late itself. "
            "Use more of them (--processes), where there are cores for them."
        )
    if jitter_ms > MOST_JITTER_MS:
        return (
            f"The answers were not typed at their pace: half of the tokens were more than {jitter_ms:.1f} ms late, "
            f"and {MOST_JITTER_MS:g} ms is the most; the server used {noted.typing.cores:.2f} cores."
        )
    return None


def meets(row: Mapping[str, Any], objective_ms: float) -> bool:
    """Whether a row that is not void keeps the objective: nothing missing, and 95 % of the tokens in time."""
    in_time = row["corrected_lag_ms"] and row["corrected_lag_ms"]["p95"] <= objective_ms
    return bool(in_time and not row["missing_tokens"] and not row["error"])


def _figures(crowd: Crowd, noted: Noted, histograms: Mapping[str, Histogram]) -> dict[str, Any]:
    result = noted.result
    figures: dict[str, Any] = {
        "tokens": result["ledger"]["tokens"],
        "chunks": result["ledger"]["chunks"],
        "missing_tokens": result["missing_tokens"],
        "error": result["error"],
        **{f"{name}_ms": _summary(histograms[f"{name}_us"]) for name in ("lag", "corrected_lag", "itl")},
        **_cpu(crowd, noted),
        **_memory(crowd, noted),
        "histograms": {name: histogram.encode() for name, histogram in histograms.items()},
    }
    if not result["missing_tokens"]:  # what came in part has no cost that could be compared
        figures |= cost(result["ledger"], crowd.text * crowd.readers, result["envelope_bytes"])
    return figures | {"objective_met": meets(figures, crowd.objective_ms)}


def _summary(histogram: Histogram) -> dict[str, float] | None:
    return histogram.summary() if len(histogram) else None


def _cpu(crowd: Crowd, noted: Noted) -> dict[str, Any]:
    """CPU per token: what typing used, without what as much idle time with the same connections would have used."""
    tokens = crowd.readers * crowd.tokens
    if tokens < ENOUGH_TOKENS:
        return {
            "cpu_us_per_token": None,
            "cpu_note": f"CPU per token needs {ENOUGH_TOKENS} tokens to be more than noise; these were {tokens}.",
        }
    used = noted.typing.cpu_s - noted.idle.cores * noted.typing.seconds
    return {"cpu_us_per_token": round(used / tokens * 1e6, 3)}


def _memory(crowd: Crowd, noted: Noted) -> dict[str, Any]:
    """Memory per connection: idle, the slope over all points; active, what was added in all, text typed included."""
    enough = crowd.readers >= ENOUGH_READERS
    active = (noted.typing_bytes - noted.points[0][1]) / crowd.readers
    return {
        "memory_points": [list(point) for point in noted.points],
        "memory_bytes_per_connection": {
            "idle": round(slope(noted.points)) if enough else None,
            "active": round(active) if enough else None,
        },
    }
