"""An answer is an append-only log; a reader holds a cursor. Read this module first.

The one thing to notice: the log knows nothing of its readers. There is no list of subscribers and no queue for each
of them. A reader asks "what came after my cursor?", so a late reader, a slow reader and a reader that comes back
after a cut are all the same case, and the cursor doubles as the acknowledgement.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

READ_LIMIT = 16 * 1024
"""Characters that one read returns at most, so that a late reader of a long answer cannot ask for it all at once."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one read returns."""

    cursor: int
    """Entries read so far, this chunk included; ask from here next time."""
    text: str
    """The tokens since the asked cursor, joined; empty when there is no news."""
    done: str | None = None
    """`finished`, `stopped` or `failed`, once the end has been reached."""
    sha256: str | None = None
    """With `done`: the digest of the whole answer's UTF-8 bytes, so that a reader can prove that it lost nothing."""
    error: str | None = None
    """With `done="failed"`: a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log: a token, or the end. Times are `time.monotonic()` seconds."""

    token: str
    due: float
    appended: float


class Answer:
    """The log. `append` and `end` write it, `read`, `wait` and `follow` read it.

    The end is an entry of its own, so a reader that is cut off just before the end still gets it later.
    """

    def __init__(self, answer_id: str) -> None:
        self.id = answer_id
        self.started = time.monotonic()
        self.entries: list[Entry] = []
        self.done: str | None = None
        self.error: str | None = None
        self._digest = hashlib.sha256()
        self._news = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def cursor(self) -> int:
        """The newest cursor: how many entries there are."""
        return len(self.entries)

    @property
    def text(self) -> str:
        """Everything that has been written so far."""
        return "".join(entry.token for entry in self.entries)

    def append(self, token: str, due: float | None = None) -> None:
        """Write a token that was due at `due` (monotonic seconds; now, when not given).

        An empty token is no entry, and one longer than a read may return becomes several.
        Raises UnicodeEncodeError for half a character (a lone surrogate), RuntimeError after the end.
        """
        if self.done:
            raise RuntimeError(f"this answer has already {self.done}")
        self._digest.update(token.encode())
        for at in range(0, len(token), READ_LIMIT):
            self._write(token[at : at + READ_LIMIT], due)

    def end(self, reason: str, error: str | None = None) -> None:
        """Write the end: `finished`, `stopped` or `failed`. Only the first end counts."""
        if self.done:
            return
        self.done, self.error = reason, error
        self._write("", None)
        self._ended.set()

    def read(self, cursor: int) -> Chunk:
        """What came after `cursor`, READ_LIMIT characters at most. Never waits. Raises IndexError ahead of the log."""
        if not 0 <= cursor <= self.cursor:
            raise IndexError(f"cursor {cursor} is outside this answer, whose newest cursor is {self.cursor}")
        tokens, room = [], READ_LIMIT
        for entry in self.entries[cursor : cursor + READ_LIMIT]:
            room -= len(entry.token)
            if room < 0:
                break
            tokens.append(entry.token)
        cursor += len(tokens)
        if self.past_end(cursor):
            return Chunk(cursor, "".join(tokens), self.done, self._digest.hexdigest(), self.error)
        return Chunk(cursor, "".join(tokens))

    def past_end(self, cursor: int) -> bool:
        """Whether a reader at `cursor` has read the end, too, so that nothing can ever come after it."""
        return self.done is not None and cursor >= self.cursor

    async def wait(self, cursor: int) -> None:
        """Return once `read(cursor)` has news (at once, past the end)."""
        while cursor >= self.cursor and not self.done:
            await self._news.wait()

    async def wait_for_end(self) -> None:
        """Return once the end has been written; sleeps through every token before it."""
        await self._ended.wait()

    async def follow(self, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        """Every chunk from `cursor` to the end, as they come. A slow caller gets fewer and larger ones."""
        while not self.past_end(cursor):
            await self.wait(cursor)
            chunk = self.read(cursor)
            cursor = chunk.cursor
            yield chunk

    def _write(self, token: str, due: float | None) -> None:
        now = time.monotonic()
        self.entries.append(Entry(token, now if due is None else due, now))
        # One event wakes all who wait now; who comes later waits for the next token's event.
        self._news.set()
        self._news = asyncio.Event()
