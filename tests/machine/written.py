"""The oracle: what was written, and whether a chunk or an end is what a reader of it may get. Pure.

The one thing to notice: a chunk is judged by two cursors, the one before it and its own. What is lost, doubled, out of
order or from another answer cannot be the tokens between them.
"""

import hashlib
from dataclasses import dataclass, field

from clients.chunk import Chunk

LONGEST_ENTRY = 16 * 1024
"""Characters; a longer token is several entries of the log (docs/wire.md)."""
MOST = 250_000
"""Characters that long tokens fill an answer up to, since the baseline gets all of them in one chunk."""
FORGOTTEN = "There is no answer of this id"


@dataclass(eq=False, repr=False)
class Written:
    """One answer, as its writer knows it."""

    answer_id: str
    links: dict[str, str]
    """The address for each transport, and the answer's own as "self"."""
    tokens: list[str] = field(default_factory=list)
    end: str | None = None
    """`finished`, `stopped` or `failed`."""
    why: str | None = None
    """With `failed`: how the sentence begins that says so."""
    gone: bool = False
    """Whether the server knows it no longer, and says so to whoever asks."""

    blocked: set[str] = field(default_factory=set)
    """The transports over which whoever came was cut, too, for a while."""

    @property
    def typing(self) -> bool:
        """Whether more may be written."""
        return self.end is None

    @property
    def last(self) -> int:
        """The newest cursor: the end is an entry of its own."""
        return len(self.tokens) + (not self.typing)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.tokens)

    def write(self, token: str) -> str:
        """Add a token, and give it back."""
        self.tokens += [token[at : at + LONGEST_ENTRY] for at in range(0, len(token), LONGEST_ENTRY)]
        return token

    def finish(self, end: str, why: str | None = None) -> None:
        """Write the end, unless there is one."""
        if self.typing:
            self.end, self.why = end, why

    def judge(self, cursor: int, chunk: Chunk) -> None:
        """Fail unless a reader at `cursor` may get this chunk."""
        assert cursor <= chunk.cursor <= self.last, f"went from {cursor} to {chunk.cursor} of {self.last}"
        assert chunk.text == "".join(self.tokens[cursor : chunk.cursor]), f"wrong text from {cursor} to {chunk.cursor}"
        if chunk.done:
            assert (chunk.cursor, chunk.done) == (self.last, self.end), "an end that is none"
            assert chunk.sha256 == hashlib.sha256(self.text.encode()).hexdigest()
            assert (chunk.error or "").startswith(self.why or "")
            assert bool(chunk.error) == bool(self.why)
        else:
            assert chunk.cursor <= len(self.tokens), "the end came, and was not said to be one"
