"""Replay: the tokens of a recorded answer at their recorded times. Pure, like the typewriter.

The one thing to notice: real models do not type evenly. They come in bursts with stalls between, and a transport that
looks smooth on an even pace may not look so here. docs/traces.md says how the traces were made.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.sources import Schedule

TRACES = Path(__file__).parent / "traces"


@dataclass(frozen=True, slots=True)
class Trace:
    """A recorded answer: (milliseconds after the request, token) in order, and how it came about."""

    title: str
    how: str
    tokens: tuple[tuple[float, str], ...]

    @property
    def texts(self) -> list[str]:
        """The tokens without their times."""
        return [token for _, token in self.tokens]

    @classmethod
    def read(cls, path: Path) -> "Trace":
        """The trace in a file. Raises BadTrace, which says what is wrong with it."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(_text(document["title"]), _text(document["how"]), _tokens(document["tokens"]))
        except OSError as error:
            raise BadTrace(f"{path} cannot be read: {error.strerror}.") from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise BadTrace(
                f'{path} is no trace: JSON with "title", "how" and "tokens", a list of [milliseconds, text] in order '
                "of time, is what `python -m lab record` writes."
            ) from None


class BadTrace(Exception):
    """A file that cannot be replayed; the message says why."""


def _tokens(pairs: Any) -> tuple[tuple[float, str], ...]:
    tokens = tuple((_time(ms), _text(token)) for ms, token in pairs)
    times = [ms for ms, _ in tokens]
    if not tokens or times != sorted(times) or times[0] < 0 or not all(token for _, token in tokens):
        raise ValueError
    return tokens


def _time(ms: Any) -> float:
    if isinstance(ms, bool) or not isinstance(ms, int | float) or not math.isfinite(ms):
        raise ValueError
    return float(ms)


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError
    text.encode()  # half a character could not be sent
    return text


def replay(trace: Trace, repeat: int = 1) -> Schedule:
    """The schedule of `trace`; each further repeat is asked for when the one before has ended."""
    length = trace.tokens[-1][0]
    dues_ms = (lap * length + ms for lap in range(repeat) for ms, _ in trace.tokens)
    return Schedule(trace.texts, dues_ms, repeat)
