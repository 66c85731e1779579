"""What became of each token of an answer, for one reader. Pure.

The one thing to notice: a reader that has the right text at the end may have been lucky. So not texts are compared but
what every single read brought, in the order in which it came; the classes are those of Jepsen's set tests, and three
more that a stream can have.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from clients.chunk import Chunk


class Fate(StrEnum):
    """What became of a token."""

    OK = "ok"
    LOST_PREFIX = "lost_prefix"
    """Never came, nor did any before it."""
    LOST_MIDDLE = "lost_middle"
    """Never came, though one before it and one after it did."""
    LOST_END = "lost_end"
    """Never came, nor did any after it."""
    DUPLICATE = "duplicate"
    """Came more than once."""
    REORDERED = "reordered"
    """Came after one that it stands before."""
    DIVERGENT = "divergent"
    """Something else came in its place."""


def fates(tokens: Sequence[str], reads: Sequence[Chunk]) -> Counter[Fate]:
    """How many tokens had which fate. `reads` are what the reader used, in the order in which it came."""
    places = [place for read in reads for place in carried(tokens, read)]
    wrong = {place for read in reads for place in replaced(tokens, read)}
    times, late = Counter(places), overtaken(places)
    first, last = min(times, default=len(tokens)), max(times, default=-1)

    def fate(place: int) -> Fate:
        if place in wrong:
            return Fate.DIVERGENT
        if times[place] > 1:
            return Fate.DUPLICATE
        if place in late:
            return Fate.REORDERED
        if place in times:
            return Fate.OK
        if place < first:
            return Fate.LOST_PREFIX if times else Fate.LOST_END
        return Fate.LOST_END if place > last else Fate.LOST_MIDDLE

    return Counter(fate(place) for place in range(len(tokens)))


def carried(tokens: Sequence[str], read: Chunk) -> range:
    """The places of the tokens that a read brought: those before its cursor that make up its text; none if none do.

    The end is an entry of the log, too, so the last cursor is one beyond the last token.
    """
    end = min(read.cursor, len(tokens))
    start, rest = end, read.text
    while rest and start and rest.endswith(tokens[start - 1]):
        start -= 1
        rest = rest.removesuffix(tokens[start])
    return range(end, end) if rest else range(start, end)


def replaced(tokens: Sequence[str], read: Chunk) -> range:
    """The place of the token in whose stead a read brought another text: the one before its cursor."""
    end = min(read.cursor, len(tokens))
    return range(max(end - 1, 0), end) if read.text and not carried(tokens, read) else range(0)


def overtaken(places: Sequence[int]) -> set[int]:
    """Those that came after a later one."""
    late, highest = set(), -1
    for place in places:
        if place < highest:
            late.add(place)
        highest = max(highest, place)
    return late
