"""The row of one run. Pure: from what was noted to what is published.

The one thing to notice: a saturated server is a finding. A saturated instrument is none: then `void` says so, and every
figure is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.crowd.row import MOST_CLIENT_CPU, Span
from lab.peers.row import SATURATED, Pinned
from lab.stream_or_not.ways import WAYS

ENOUGH_TOKENS = 20_000
"""For CPU: with fewer it is no larger than its noise."""
MOST_LATE_MS = 100
"""Of those who ask, at p95: what is asked later was another crowd than stated."""
ENOUGH_ASKERS = 100
"""For memory: what a few take drowns in what the process allocates anyway."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run is to be."""

    way: str
    askers: int
    run: int
    seed: int


@dataclass(frozen=True, slots=True)
class Noted:
    """What was noted in one run."""

    client: str
    """Who asked: `openai` and its version, or `lean`."""
    idle: Span
    asking: Span
    memory: Sequence[int]
    """Bytes of the server: before the first asker, and then again and again."""
    client_cpu: float
    """Cores of the process that asked."""
    result: Mapping[str, Any]
    """What all askers got (`asker.account`)."""


def row(run: Run, pinned: Pinned, noted: Noted) -> dict[str, Any]:
    """The row of the result."""
    void = void_because(run, noted)
    proof = conditions(run, pinned) | {
        "client": noted.client,
        "server_cpu": round(noted.asking.cores, 3),
        "client_cpu": [round(noted.client_cpu, 3)],
        "saturated": noted.asking.cores > SATURATED,
        "void": void,
    }
    return proof if void else proof | _figures(run, noted)


def failure(run: Run, pinned: Pinned, sentence: str) -> dict[str, Any]:
    """The row of a run that did not come to its end."""
    return conditions(run, pinned) | {"void": sentence, "failed": run.askers}


def conditions(run: Run, pinned: Pinned) -> dict[str, Any]:
    """What the run was measured under."""
    way = WAYS[run.way]
    return {
        "transport": way.transport,
        "variant": way.variant,
        "way": run.way,
        "streamed": way.streamed,
        "run": run.run,
        "readers": run.askers,
        "poll_ms": None,
        "token_ms": 0,
        "unit": "token",
        "cookie_bytes": 0,
        "tls": False,
        "deflate": False,
        "pinned": None if pinned is None else dict(pinned),
    }


def void_because(run: Run, noted: Noted) -> str | None:
    """Why the run is not to be published, in a sentence."""
    if not noted.result["answers"]:
        return f"Nobody got an answer. {noted.result['error']}"
    if run.askers > 1 and noted.client_cpu > MOST_CLIENT_CPU:
        return f"The process that asks used {noted.client_cpu:.2f} cores; above {MOST_CLIENT_CPU:g} it is late itself."
    late = noted.result["late_ms"]["p95"]
    if late > MOST_LATE_MS:
        return (
            f"Questions were asked too late: one in twenty by more than {late:.0f} ms, and {MOST_LATE_MS} is the most."
        )
    return None


def _figures(run: Run, noted: Noted) -> dict[str, Any]:
    result, (before, *during) = noted.result, noted.memory
    note = _note(noted)
    used_s = noted.asking.cpu_s - noted.idle.cores * noted.asking.seconds
    enough = run.askers >= ENOUGH_ASKERS and not result["failed"]
    return {
        **{name: result[name] for name in COPIED},
        "read_ms": result["read_ms"] if run.run == 1 else [],
        "cpu_ms_per_answer": None if note else round(used_s / result["answers"] * 1000, 3),
        "cpu_note": note,
        "memory_bytes_per_asker": round((max(during) - before) / run.askers) if enough else None,
    }


COPIED = (
    *("answers", "failed", "error", "tokens", "texts", "text_bytes", "ttft_ms", "tpot_ms", "gap_ms", "e2e_ms"),
    *("held_ms", "late_ms", "bytes_up", "bytes_down"),
)
"""As the process that asked has told them."""


def _note(noted: Noted) -> str | None:
    """Why there is no CPU per answer, in a sentence."""
    if count := noted.result["failed"]:
        return f"{count} askers got no answer, and what was spent on them cannot be told apart."
    if (tokens := noted.result["tokens"]) < ENOUGH_TOKENS:
        return f"CPU needs {ENOUGH_TOKENS} tokens to be more than noise; these were {tokens}."
    return None
