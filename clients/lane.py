"""What one reader has read so far: a figure for everything, and the text itself only as far as a screen shows it.

The one thing to notice: a digest needs no text. However long an answer is, a reader that only shows it keeps none.
"""

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clients.chunk import Chunk, NoServer, Refused, StreamError
from clients.course import Trouble

if TYPE_CHECKING:
    from hashlib import _Hash

SHOWN = 4_000
"""Characters at the end that are kept to be shown: more than any screen has."""


@dataclass(slots=True)
class Lane:
    """What one client has read so far."""

    name: str
    started: float
    shown: str = ""
    characters: int = 0
    state: str = "waiting"
    ttft: float | None = None
    requests: int = 0
    chunks: int = 0
    returns: int = 0
    """How often it was cut off and came back."""
    sha256: str | None = None
    error: str | None = None
    _read: "_Hash" = field(default_factory=hashlib.sha256)

    def take(self, chunk: Chunk) -> None:
        """Add a chunk."""
        self.requests = chunk.request
        if chunk.text:
            self.chunks += 1
            self.characters += len(chunk.text)
            self.shown = (self.shown + chunk.text)[-SHOWN:]
            self._read.update(chunk.text.encode())
            self.state = "typing"
            if self.ttft is None:
                self.ttft = time.monotonic() - self.started
        if chunk.done:
            self.state, self.sha256, self.error = chunk.done, chunk.sha256, chunk.error

    def note(self, trouble: Trouble) -> None:
        """It is cut off, or back."""
        self.returns += trouble.back
        self.state = "cut off" if not trouble.back else "typing" if self.characters else "waiting"

    def lose(self, error: StreamError | Refused) -> str:
        """It will not come back. The sentence says so: what was read is not to be taken for the whole."""
        self.state, self.error = "failed", str(error)
        if isinstance(error, NoServer):
            self.error = f"The server at {error.origin} is gone, and the answer with it."
        elif isinstance(error, Refused) and error.status == 404:
            self.error = f"The answer is gone; was the server started anew? It says: {error}"
        if self.characters:
            self.error += " What was read until then is not the whole answer."
        return self.error

    @property
    def figures(self) -> str:
        """What it took, in one line."""
        ttft = "no text" if self.ttft is None else f"first text after {self.ttft * 1000:.0f} ms"
        return f"{self.name}: {self.state}, {ttft}, {self.chunks} chunks with text in {self.requests} requests"

    @property
    def digest(self) -> str:
        """SHA-256 of what was read."""
        return self._read.hexdigest()

    @property
    def whole(self) -> bool:
        """Whether what was read is what the server wrote."""
        return self.sha256 == self.digest


def verdict(lanes: list[Lane]) -> str | None:
    """What is wrong, in a sentence; None when every lane read the same, whole text."""
    if errors := dict.fromkeys(lane.error for lane in lanes if lane.error):  # each once, in the order of the lanes
        return " ".join(f"{', '.join(lane.name for lane in lanes if lane.error == error)}: {error}" for error in errors)
    if wrong := [lane.name for lane in lanes if not lane.whole]:
        return f"Not the text that the server wrote: {', '.join(wrong)}."
    return None
