"""An answer is an append-only log; a reader holds a cursor. Read this module first.

The one thing to notice: the log knows nothing of its readers. It says "there is news" to whoever listens, and keeps no
queue for anybody. A reader asks "what came after my cursor?", so a late reader, a slow reader and a reader that comes
back after a cut are all the same case, and the cursor doubles as the acknowledgement.
"""

import asyncio
import hashlib
import time
from array import array
from collections.abc import AsyncGenerator, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_new = tuple.__new__
_NOTHING: Mapping[str, Any] = MappingProxyType({})

READ_LIMIT = 16 * 1024
"""Characters that one read returns at most, so that a late reader of a long answer cannot ask for it all at once."""


class Chunk(NamedTuple):
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


class Entry(NamedTuple):
    """One line of the log: a token, or the end. Times are `time.monotonic()` seconds."""

    token: str
    due: float
    appended: float


class Answer:
    """The log. `append` and `end` write it, `read`, `wait` and `follow` read it, listeners hear of news.

    The end is an entry of its own, so a reader that is cut off just before the end still gets it later.
    """

    __slots__ = (
        *("__weakref__", "_end", "_listeners", "_sha256", "_times", "_tokens", "_told"),
        *("about", "cursor", "done", "error", "id", "started"),
    )

    def __init__(self, answer_id: str) -> None:
        self.id = answer_id
        self.cursor = 0
        """The newest cursor: how many entries there are."""
        self.started = time.monotonic()
        self.done: str | None = None
        self.error: str | None = None
        # Columns and not a list of entries: what is touched for every token is kept small, and close together.
        self._tokens: list[str] = []
        self._times = array("d")  # of each entry, when it was due and when it was appended
        self._sha256: str | None = None
        self._listeners: dict[Callable[[], None], None] = {}
        self._told: tuple[Callable[[], None], ...] | None = ()  # the same, once somebody has had to be told
        self._end = asyncio.Event()
        self.about = _NOTHING
        """What its source says of it beside the text: model, why it ended, what it counted. JSON, replaced whole."""

    @property
    def written(self) -> float:
        """When the newest entry was appended, or the answer started (monotonic seconds)."""
        return self._times[-1] if self._times else self.started

    @property
    def text(self) -> str:
        """Everything that has been written so far."""
        return "".join(self._tokens)

    @property
    def entries(self) -> list[Entry]:
        """The whole log."""
        return self.part(0, self.cursor)

    def part(self, cursor: int, most: int) -> list[Entry]:
        """The entries after `cursor`, so many at most."""
        tokens, times = self._tokens[cursor : cursor + most], self._times[2 * cursor : 2 * (cursor + most)]
        return list(map(Entry, tokens, times[::2], times[1::2]))

    def append(self, token: str, due: float | None = None, more: bool = False) -> None:
        """Write a token that was due at `due` (monotonic seconds; now, when not given).

        With `more`, something else is written in this very moment, and both are told of together. An empty token is no
        entry, and one longer than a read may return becomes several.
        Raises UnicodeEncodeError for half a character (a lone surrogate), RuntimeError after the end.
        """
        if self.done:
            raise RuntimeError(f"this answer has already {self.done}")
        token.encode()
        if 0 < len(token) <= READ_LIMIT:
            self._write(token, due, more)
        else:
            for at in range(0, len(token), READ_LIMIT):
                self._write(token[at : at + READ_LIMIT], due, more or at + READ_LIMIT < len(token))

    def end(self, reason: str, error: str | None = None) -> None:
        """Write the end: `finished`, `stopped` or `failed`. Only the first end counts."""
        if self.done:
            return
        self.done, self.error = reason, error
        self._sha256 = hashlib.sha256(self.text.encode()).hexdigest()
        self._end.set()
        self._write("", None, more=False)

    def read(self, cursor: int) -> Chunk:
        """What came after `cursor`, READ_LIMIT characters at most. Never waits. Raises IndexError ahead of the log."""
        newest = self.cursor
        if cursor == newest - 1 >= 0 and not self.done:  # the newest token: what readers that keep up ask for
            return _new(Chunk, (newest, self._tokens[cursor], None, None, None))  # Chunk(...), for every token
        if not 0 <= cursor <= newest:
            raise IndexError(f"cursor {cursor} is outside this answer, whose newest cursor is {newest}")
        tokens, room = [], READ_LIMIT
        for token in self._tokens[cursor : cursor + READ_LIMIT]:
            room -= len(token)
            if room < 0:
                break
            tokens.append(token)
        cursor += len(tokens)
        if self.past_end(cursor):
            return Chunk(cursor, "".join(tokens), self.done, self._sha256, self.error)
        return Chunk(cursor, "".join(tokens))

    def past_end(self, cursor: int) -> bool:
        """Whether a reader at `cursor` has read the end, too, so that nothing can ever come after it."""
        return self.done is not None and cursor >= self.cursor

    def add_listener(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever something has been written. It must be quick, and not raise."""
        self._listeners[tell] = None
        self._told = None

    def remove_listener(self, tell: Callable[[], None]) -> None:
        """Call it no more."""
        del self._listeners[tell]
        self._told = None

    async def wait(self, cursor: int) -> None:
        """Return once `read(cursor)` has news (at once, past the end)."""
        while cursor >= self.cursor and not self.done:
            news = asyncio.Event()
            self.add_listener(news.set)
            try:
                await news.wait()
            finally:
                self.remove_listener(news.set)

    async def wait_for_end(self) -> None:
        """Return once the end has been written; sleeps through every token before it."""
        await self._end.wait()

    async def follow(self, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        """Every chunk from `cursor` to the end, as they come. A slow caller gets fewer and larger ones."""
        while not self.past_end(cursor):
            await self.wait(cursor)
            chunk = self.read(cursor)
            cursor = chunk.cursor
            yield chunk

    def _write(self, token: str, due: float | None, more: bool) -> None:
        now = time.monotonic()
        self._tokens.append(token)
        self._times.append(now if due is None else due)
        self._times.append(now)
        self.cursor += 1
        if more:
            return
        if self._told is None:
            self._told = tuple(self._listeners)
        for tell in self._told:
            tell()
