"""Replay: the tokens of a recorded answer at their recorded times. Pure, like the typewriter.

The one thing to notice: real models do not type evenly. They come in bursts with stalls between, and a transport that
looks smooth on an even pace may not look so here. docs/traces.md says how the traces were made.
"""

import json
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
    def load(cls, name: str) -> "Trace":
        """The trace `name` that ships with the server."""
        document: dict[str, Any] = json.loads((TRACES / f"{name}.json").read_text(encoding="utf-8"))
        tokens = tuple((float(ms), str(token)) for ms, token in document["tokens"])
        return cls(document["title"], document["how"], tokens)


def replay(trace: Trace, repeat: int = 1) -> Schedule:
    """The schedule of `trace`; each further repeat is asked for when the one before has ended."""
    length = trace.tokens[-1][0]
    dues_ms = (lap * length + ms for lap in range(repeat) for ms, _ in trace.tokens)
    return Schedule(trace.texts, dues_ms, repeat)
