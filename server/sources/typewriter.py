"""The typewriter: any text, cut into units, at a chosen pace. Pure: it makes schedules and types nothing itself.

The one thing to notice: text is cut by what people see as one character. 👨‍👩‍👧 is five code points, and é may be two;
cutting by code point, or by the UTF-16 unit of JavaScript's `answer[i]`, would show broken pieces on the way.
"""

import random
from collections.abc import Iterator
from itertools import count

import regex

from server.sources import Schedule

# UAX #29 extended grapheme cluster. A flag is a pair, so on a row of flags \X alone counts from the first one for each.
# Two regional indicators before a third are a flag in any case (GB12): taking them so keeps any text linear.
GRAPHEME = regex.compile(r"\p{GCB=RI}{2}(?=\p{GCB=RI})|\X")

UNITS = {
    "grapheme": GRAPHEME,
    # White space goes with the word after it, punctuation with the word before it, as language models have it.
    # Chinese is written without spaces, so there each character counts as a word.
    "word": regex.compile(r"\s*(?:\p{Han}[^\s\p{Han}\p{L}\p{N}]*|[^\s\p{Han}]+)|\s+"),
    # A full stop ends a sentence only before white space, so 3.14 stays whole. Possessive (++): linear on any text.
    "sentence": regex.compile(
        r"""(?:[^。！？.!?\n]++|[.!?]++(?!["')”’]*(?:\s|$)))*+(?:[。！？]++[”’」』）]*|[.!?]++["')”’]*|\n++|$)"""
    ),
}
"""What one token can be. The values match a whole unit each, one after the other."""


def split(text: str, unit: str) -> list[str]:
    """The tokens of `text`; joined again they are `text`. No unit cuts through a grapheme."""
    graphemes = {match.end() for match in GRAPHEME.finditer(text)}
    cuts = sorted(graphemes & {match.end() for match in UNITS[unit].finditer(text)} | {len(text)})
    return [text[start:end] for start, end in zip([0, *cuts], cuts, strict=False) if start < end]


def typewriter(
    tokens: list[str], *, first_token_ms: float, token_ms: float, jitter: float = 0.0, seed: int = 0, repeat: int = 1
) -> Schedule:
    """The schedule of `tokens`, `repeat` times over.

    The first is due at `first_token_ms`, each later one `token_ms` after the one before, give or take the share
    `jitter` (0 to 1) of it. The same `seed` gives the same schedule.
    """
    dues_ms = _jittered(first_token_ms, token_ms, jitter, seed) if jitter else count(first_token_ms, token_ms)
    return Schedule(tokens, dues_ms, repeat)


def _jittered(due: float, token_ms: float, jitter: float, seed: int) -> Iterator[float]:
    dice = random.Random(seed)  # noqa: S311 - a pace, not a secret
    while True:
        yield due
        due += token_ms * (1 + jitter * dice.uniform(-1, 1))
