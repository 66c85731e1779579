"""What the peers in Python deliver: an answer as a schedule, and its chunks. Pure but for the clock at its start.

The one thing to notice: nothing is typed by anybody. Token k is there once it is due, so every reader sees to its own
pace, which is what a server without a log does.
"""

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(r"\s*\S+|\s+")
"""A word with the space before it."""

HOLD_S = 300.0
"""How long a question may be held, a connection idle, or a heartbeat away: none of them comes in a run."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Tokens, and when each is due."""

    tokens: Sequence[str]
    first_due: float
    """Monotonic seconds."""
    token_s: float

    def due(self, entry: int) -> float:
        """When it can be read (monotonic seconds). The end is an entry of its own, due with the last token."""
        return self.first_due + min(entry, len(self.tokens) - 1) * self.token_s

    def entry(self, at: int) -> dict[str, Any]:
        """The chunk of one token, from 0; after the last token, the end."""
        return {"cursor": at + 1, "text": self.tokens[at]} if at < len(self.tokens) else self._end("")

    def read(self, cursor: int, now: float) -> dict[str, Any]:
        """One chunk of all that is due since `cursor`; without news its text is empty."""
        reached = cursor
        while reached < len(self.tokens) and self.due(reached) <= now:
            reached += 1
        text = "".join(self.tokens[cursor:reached])
        return {"cursor": reached, "text": text} if reached < len(self.tokens) else self._end(text)

    def _end(self, text: str) -> dict[str, Any]:
        sha256 = hashlib.sha256("".join(self.tokens).encode()).hexdigest()
        return {"cursor": len(self.tokens) + 1, "text": text, "done": "finished", "sha256": sha256}


@dataclass(frozen=True, slots=True)
class Answers:
    """Those that were started. None is forgotten: the process lives no longer than a run."""

    transports: Sequence[str]
    base: str = ""
    """Where they are read, if not where they are started."""
    _started: dict[str, Answer] = field(default_factory=dict)

    def start(self, body: bytes | str) -> dict[str, Any]:
        """Start the answer that the body of `POST /answers` asks for; gives what to reply."""
        asked = json.loads(body)
        first_due = time.monotonic() + asked["first_token_ms"] / 1000
        name = str(len(self._started) + 1)
        self._started[name] = Answer(TOKEN.findall(asked["text"]), first_due, asked["token_ms"] / 1000)
        paths = {transport: f"{self.base}/answers/{name}/{transport}" for transport in self.transports}
        return {"id": name, "links": paths}

    def find(self, name: str) -> Answer | None:
        """The one of that name, if it was started."""
        return self._started.get(name)


def compact(document: Any) -> str:
    """JSON as pushlab sends it: without spaces, Chinese not escaped."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
