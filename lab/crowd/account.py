"""What the readers of a crowd got and what it cost, added up. Pure.

The one thing to notice: a token counts as delivered only if all of the reader's text is what was written, in order and
to the byte. A count alone would take a repeated token for a missing one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from clients.chunk import Chunk
from lab.spread import Histogram
from server.ledger import Counters

HISTOGRAMS = ("lag_us", "corrected_lag_us", "itl_us", "jitter_us")
SUMS = ("requests", "connections", "tokens", "chunks", *Counters._fields)
"""What adds up over the rows of the ledger."""

Heard = Sequence[tuple[float, Chunk]]
"""The chunks of one reader, each with the time at which it was handed over (monotonic seconds)."""
Entries = Sequence[Mapping[str, Any]]
"""The tokens of one answer as its timeline tells them."""


def record(heard: Heard, entries: Entries, histograms: Mapping[str, Histogram]) -> None:
    """Count the times of one reader's tokens."""
    at, before = 0, None
    for seconds, chunk in heard:
        now = seconds * 1000
        for entry in entries[at : chunk.cursor]:
            histograms["lag_us"].record(now - entry["appended_ms"])
            histograms["corrected_lag_us"].record(now - entry["due_ms"])
            if before is not None:
                histograms["itl_us"].record(now - before)
            before = now
        at = chunk.cursor
    for entry in entries:
        histograms["jitter_us"].record(entry["appended_ms"] - entry["due_ms"])


def delivered(heard: Heard, entries: Entries) -> int:
    """How many tokens one reader got: none, unless they are what was written, in order and to the byte."""
    if not heard:
        return 0
    last = heard[-1][1]
    text = "".join(chunk.text for _, chunk in heard)
    written = [entry["text"] for entry in entries[: last.cursor]]
    broken = last.done and last.sha256 != hashlib.sha256(text.encode()).hexdigest()
    return 0 if broken or text != "".join(written) else len(written)


def total(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of the ledger as one. Nothing is the sum of what was not counted (null)."""
    sums: dict[str, Any] = {"source": rows[0]["source"] if rows else None}
    for key in SUMS:
        values = [row[key] for row in rows]
        sums[key] = None if None in values else sum(values)
    return sums


def merged(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all load processes added up, as one."""
    histograms = {name: Histogram() for name in HISTOGRAMS}
    for result in results:
        for name, histogram in histograms.items():
            histogram.add(Histogram.decode(result["histograms"][name]))
    return {
        "missing_tokens": sum(result["missing_tokens"] for result in results),
        "envelope_bytes": sum(result["envelope_bytes"] for result in results),
        "error": next((result["error"] for result in results if result["error"]), None),
        "ledger": total([result["ledger"] for result in results]),
        "histograms": histograms,
    }
