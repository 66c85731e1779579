"""The figures of one reading: from the times of its tokens, and from its row in the ledger.

The one thing to notice: a read that brings five tokens gives all five the same time, so four of their gaps are 0. They
are kept, or bursts would look smooth; and that is why a median gap is never shown without the burst and the maximum.

For token k: s is when it was due, e when it was appended to the answer, r when the client had it. All are milliseconds
after q, the moment at which the reading was meant to start.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from lab.spread import Histogram, Summary, summary

SEGMENT_BYTES = 52
"""The IPv4 header (20), the TCP header (20) and its timestamps (12) of a segment."""
DEADLINE = 2
"""Token intervals after which a token is late, for the fluidity."""


def figures(
    received: Sequence[float], appended: Sequence[float], due: Sequence[float], reads: Sequence[int], token_ms: float
) -> dict[str, Any]:
    """What the times of all tokens say; `reads` are the tokens of each read that brought some.

    A figure that has no value, like the gap of a single token, is None.
    """
    if sum(reads) != len(received):
        raise ValueError(f"{len(received)} tokens cannot have come in reads of {list(reads)}")
    gaps = [later - earlier for earlier, later in pairwise(received)]
    lags = _differences(received, appended)
    corrected_lags = _differences(received, due)
    return {
        "tokens": len(received),
        "chunks": len(reads),
        "ttft_ms": _summary(received[:1]),
        "itl_ms": _summary(gaps),
        "tpot_ms": _summary([sum(gaps) / len(gaps)] if gaps else []),
        "e2e_ms": _summary(received[-1:]),
        "lag_ms": _summary(lags),
        "corrected_lag_ms": _summary(corrected_lags),
        "jitter_ms": _summary(_differences(appended, due)),
        "burst": _summary(reads),
        "fluidity": fluidity([*corrected_lags[:1], *gaps], token_ms),
        "histograms": {
            "lag_us": _histogram(lags),
            "corrected_lag_us": _histogram(corrected_lags),
            "itl_us": _histogram(gaps),
        },
    }


def fluidity(waits: Sequence[float], token_ms: float) -> float | None:
    """The share of tokens that came before the reader ran out of text: 1 is smooth, 0 is one long stall.

    `waits` are what was waited for each token: for the first since it was due, for the others since the one before.
    A token has two token intervals. What it leaves of them is slack for those after it; one that takes longer misses
    every deadline that passes meanwhile. This is Etalon's fluidity index (arXiv 2407.07000). None without a pace.
    """
    deadline = DEADLINE * token_ms
    if not waits or deadline <= 0:
        return None
    missed, slack = 0.0, 0.0
    for wait in waits:
        late = wait - slack - deadline
        if late > 0:
            missed += late // deadline + 1
        slack = max(0.0, -late)
    return round(max(0.0, 1 - missed / len(waits)), 4)


def cost(row: Mapping[str, Any], text: str, envelope_bytes: int) -> dict[str, Any]:
    """What reading `text` cost, from its row in the ledger; `envelope_bytes` is the JSON around the text.

    Where only bytes could be counted, segments and all that needs them are None.
    """
    text_bytes = len(text.encode())
    payload = row["bytes_up"] + row["bytes_down"]
    segments = None if row["segments_up"] is None else row["segments_up"] + row["segments_down"]
    return {
        "source": row["source"],
        "requests": row["requests"],
        "connections": row["connections"],
        "bytes_up": row["bytes_up"],
        "bytes_down": row["bytes_down"],
        "segments_up": row["segments_up"],
        "segments_down": row["segments_down"],
        "retransmits": row["retransmits"],
        "text_bytes": text_bytes,
        "envelope_bytes": envelope_bytes,
        "framing_bytes": payload - text_bytes - envelope_bytes,
        "wire_bytes": None if segments is None else payload + SEGMENT_BYTES * segments,
        "overhead_factor": round(payload / text_bytes, 3) if text_bytes else None,
    }


def _differences(later: Sequence[float], earlier: Sequence[float]) -> list[float]:
    return [end - start for end, start in zip(later, earlier, strict=True)]


def _summary(values: Sequence[float]) -> Summary | None:
    return summary(values) if values else None


def _histogram(values: Iterable[float]) -> str:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram.encode()
