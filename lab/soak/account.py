"""What the readers of one transport got, added up. Pure.

The one thing to notice: a reading is held against the very text that was asked for, token by token, and no other text
is like it. So what was lost is found, what came twice, and what belongs to somebody else.
"""

import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field

from clients.chunk import Chunk
from clients.course import Trouble
from lab.faults.tokens import Fate, fates
from lab.result import Row
from lab.spread import Histogram
from server.sources.presets import ENGLISH
from server.sources.typewriter import split

UNIT = "word"
WORDS = ENGLISH.split()
LEAST_WORDS, MOST_WORDS = 8, 16
"""Of one answer."""
LOST = (Fate.LOST_PREFIX, Fate.LOST_MIDDLE, Fate.LOST_END)
MOST_SENTENCES = 3
"""That a row quotes."""
NO_END = "It ended without a last chunk."
OTHER_TEXT = "The text is not what its digest says."


def text_of(reader: int, answer: int, dice: random.Random) -> str:
    """A text that no other answer has: whose it is, and words in an order of its own."""
    words = dice.choices(WORDS, k=dice.randint(LEAST_WORDS, MOST_WORDS) - 4)
    return " ".join(("Reader", f"{reader},", "answer", f"{answer}:", *words))


@dataclass(slots=True)
class Reading:
    """One answer, as one reader got it."""

    text: str
    """What was asked for."""
    used: list[Chunk] = field(default_factory=list)
    """What came and was new."""
    raw_bytes: int = 0
    """Text that came, what was known already included."""
    connections: int = 0
    """How often the reader began to read, the first time included."""
    left: bool = False
    """Whether the reader went away in the middle."""
    says: str | None = None
    """Why it gave up."""

    def fault(self) -> str | None:
        """Why this is no whole answer, though nobody left it; None when it is."""
        if self.says or self.left:
            return self.says
        if not self.used or self.used[-1].done != "finished":
            return self.used[-1].error if self.used and self.used[-1].error else NO_END
        return None if self.used[-1].sha256 == hashlib.sha256(self.text.encode()).hexdigest() else OTHER_TEXT


@dataclass(slots=True)
class Tally:
    """What all readers of one transport got."""

    answers: int = 0
    """That were read, those that were left or given up included."""
    left: int = 0
    gave_up: int = 0
    tokens: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)
    cuts: int = 0
    requests: int = 0
    read_again_bytes: int = 0
    recovery: Histogram = field(default_factory=Histogram)
    said: Counter[str] = field(default_factory=Counter)

    def note(self, trouble: Trouble) -> None:
        """A reader was cut off, or failed to come back; or it is back."""
        if trouble.back:
            self.recovery.record(trouble.seconds * 1000)
        else:
            self.cuts += 1

    def add(self, reading: Reading) -> None:
        """Count a reading that is over. Of one that was left, only the tokens up to there."""
        tokens = split(reading.text, UNIT)
        if reading.left:
            tokens = tokens[: reading.used[-1].cursor if reading.used else 0]
        self.answers += 1
        self.left += reading.left
        self.tokens += len(tokens)
        self.fates += fates(tokens, reading.used)
        self.requests += max(reading.connections, reading.used[-1].request if reading.used else 0)
        self.read_again_bytes += reading.raw_bytes - sum(size(chunk) for chunk in reading.used)
        if why := reading.fault():
            self.gave_up += 1
            self.said[why] += 1

    def row(self, transport: str, readers: int, poll_ms: float | None) -> Row:
        """The row of that transport."""
        return {
            "transport": transport,
            "run": 1,
            "readers": readers,
            "poll_ms": poll_ms,
            "answers": self.answers,
            "left": self.left,
            "tokens": self.tokens,
            **{fate.value: self.fates[fate] for fate in Fate},
            "lost": sum(self.fates[fate] for fate in LOST),
            "cuts": self.cuts,
            "recovery_ms": self.recovery.summary() if len(self.recovery) else None,
            "read_again_bytes": self.read_again_bytes,
            "requests": self.requests,
            "gave_up": self.gave_up,
            "says": self._says(),
        }

    def _says(self) -> str | None:
        """What was said where a reading failed, most often said first."""
        sentences = [f"{says} ({count:,} times)" for says, count in self.said.most_common(MOST_SENTENCES)]
        return " ".join(sentences) or None


def size(chunk: Chunk) -> int:
    """Bytes of its text in UTF-8."""
    return len(chunk.text.encode())
