"""What the readers of one run received, held against what they should have. Pure.

The one thing to notice: when an answer was started is known only to lie between its request and the reply. The middle
is taken for it, and half of the round trip is how wrong that can be; the row tells it beside the lag.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from clients.chunk import Chunk
from lab.spread import Histogram, summary


class Started(NamedTuple):
    """One answer, as it was started (monotonic seconds)."""

    asked: float
    replied: float
    first_token_s: float

    @property
    def first_due(self) -> float:
        """When its first token is due, as well as that is known."""
        return (self.asked + self.replied) / 2 + self.first_token_s

    @property
    def error_ms(self) -> float:
        """How far from that it can be."""
        return (self.replied - self.asked) / 2 * 1000


Timed = Sequence[tuple[float, Chunk]]
"""Chunks, each with the time at which it was here."""


@dataclass(slots=True)
class Account:
    """What all readers got."""

    words: Sequence[str]
    """The tokens of every answer."""
    token_ms: float
    tokens: int = 0
    """That came, in order and right."""
    missing: int = 0
    unended: int = 0
    """Readers whose answer did not end, or not with its digest."""
    lag: Histogram = field(default_factory=Histogram)

    def count(self, chunks: Timed, first_due: float) -> None:
        """Count what one reader got. Nothing of it counts unless all is what was written, to the byte."""
        text = "".join(chunk.text for _, chunk in chunks)
        last = chunks[-1][1] if chunks else Chunk(0, "")
        came = last.cursor - (last.done is not None)
        right = came <= len(self.words) and text == "".join(self.words[:came])
        self.tokens += came if right else 0
        self.missing += len(self.words) - (came if right else 0)
        self.unended += last.done != "finished" or last.sha256 != sha256(text.encode()).hexdigest()
        if right:
            self._time(chunks, first_due)

    def _time(self, chunks: Timed, first_due: float) -> None:
        """Count how late each token was."""
        token, interval_s = 0, self.token_ms / 1000
        for at, chunk in chunks:
            for due in range(token, chunk.cursor - (chunk.done is not None)):
                self.lag.record((at - first_due - due * interval_s) * 1000)
            token = chunk.cursor

    def result(self, started: Iterable[Started], error: str | None) -> dict[str, Any]:
        """All of it, as JSON."""
        return {
            "tokens": self.tokens,
            "missing_tokens": self.missing,
            "unended": self.unended,
            "error": error,
            "start_error_ms": summary([each.error_ms for each in started])["p99"],
            "corrected_lag_us": self.lag.encode(),
        }
