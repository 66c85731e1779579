"""When a source had its tokens, apart from when any transport brought them. Pure.

The one thing to notice: a model's own first token and its own stalls are in every lane alike. Only what a reader sees
beyond them is its transport's doing.
"""

from statistics import median
from typing import Any

from server.answer import Answer


def pace(answer: Answer) -> dict[str, Any]:
    """Milliseconds to the first token, and between one token and the next; the end is none."""
    times = [entry.due for entry in answer.entries if entry.token]
    gaps = sorted((later - earlier) * 1000 for earlier, later in zip(times, times[1:], strict=False))
    return {
        "ttft_ms": round((times[0] - answer.started) * 1000, 3) if times else None,
        "gap_ms": {"p50": round(median(gaps), 3), "max": round(gaps[-1], 3)} if gaps else None,
    }
