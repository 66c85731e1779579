"""Which record carried which token: what an attack is judged by, and the attacker does not know. Pure.

The one thing to notice: a server that writes each chunk as soon as it is there has it in a record of its own. So the
records before the end of the answer are its chunks, one by one and in order; counting is all that it takes.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from lab.relay import Piece
from lab.security.leaks.records import HEADER_BYTES, Record, data_down

END_BYTES = 100
"""The last chunk holds a digest, so its record is longer than this; what closes a connection is shorter."""
SHOWN = 50
"""Records that are kept as evidence: the last ones."""


class Read(NamedTuple):
    """A chunk as the reader got it."""

    cursor: int
    """Entries read so far."""
    done: bool
    request: int
    """Which request brought it; always 1 on a stream."""


class Token(NamedTuple):
    """A token and the record that carried it, maybe along with others."""

    text: str
    due_ms: float
    """When its source had it: monotonic milliseconds."""
    cursor: int
    """Of its chunk."""
    record: Record

    @property
    def length(self) -> int:
        """Bytes in UTF-8."""
        return len(self.text.encode())


@dataclass(frozen=True, slots=True)
class Observation:
    """What a relay saw of an answer, and what it was."""

    tokens: Sequence[Token]
    """All but those in the last chunk, which holds the digest as well."""
    bytes: int
    """Of the records that carried them: what the answer took, without handshakes, and replies without news."""

    @property
    def delay_ms(self) -> float:
        """How long a token took from its source to the relay: the median, which a pause of the machine hardly moves."""
        return statistics.median(token.record.at * 1000 - token.due_ms for token in self.tokens)

    @property
    def token_ms(self) -> float:
        """How long there was between two tokens at their source: the median."""
        return round(statistics.median(later.due_ms - token.due_ms for token, later in pairwise(self.tokens)), 1)

    @property
    def evidence(self) -> dict[str, Any]:
        """The last tokens, and the bytes of the records that carried them."""
        return {"tokens": [(token.text, token.record.size) for token in self.tokens[-SHOWN:]]}


def observation(
    pieces: Sequence[Piece], reads: Sequence[Read], entries: Sequence[Mapping[str, Any]], banner: str = ""
) -> Observation:
    """Put together what crossed, what the reader got, and the server's own timeline.

    `banner` is the header with which a weakened server says what it lacks: it is no part of what its answers take.
    Raises ValueError when fewer records crossed than the reader got chunks.
    """
    carried = carriers(data_down(pieces), len(reads))
    extra = len(banner) if reads[-1].request > 1 else 0  # a stream has its head in a record of its own
    tokens, size, before = [], 0, 0
    for read, record in zip(reads, carried, strict=True):
        if read.cursor > before and not read.done:
            new = entries[before : read.cursor]
            tokens += [Token(entry["text"], entry["due_ms"], read.cursor, record) for entry in new]
            size += HEADER_BYTES + record.size - extra
        before = read.cursor
    return Observation(tokens, size)


def carriers(down: Sequence[Record], reads: int) -> Sequence[Record]:
    """The records of so many chunks, in order. Raises ValueError when that many did not cross."""
    end = max((at for at, record in enumerate(down, 1) if record.size >= END_BYTES), default=0)
    if end < reads:
        raise ValueError(f"{end} records cannot have carried {reads} chunks.")
    return down[end - reads : end]
