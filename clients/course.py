"""How a reader gets on that is cut again and again: the decisions of `resume`, without its waiting.

The one thing to notice: there is no clock in here. Each moment is passed in, so hours of cuts are tested in no time.
"""

from dataclasses import dataclass

from clients.chunk import Chunk, Malformed, StreamError

ATTEMPTS = 10
"""Failures in a row, without any progress between them, after which the last error is raised."""

STABLE_S = 5.0
"""How long a connection must have been good for the next cut to count as a first one."""

PATIENCE_S = 60.0
"""A server that wants us back even later has said no."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A reader was cut off, and has failed so many times in a row; or it is back."""

    cursor: int
    failures: int
    seconds: float
    """Since the connection broke."""
    back: bool


@dataclass(slots=True)
class Course:
    """What one reader remembers. Every `now` is in seconds, of a clock that never goes back."""

    cursor: int
    failures: int = 0
    """In a row, without any progress."""
    cuts: int = 0
    """Since a connection was last stable: the more, the longer the pause."""
    _good_since: float | None = None
    _broken_since: float | None = None

    def take(self, chunk: Chunk) -> bool:
        """Whether this chunk is to be passed on: a reader that was served from too far back has its text already."""
        if chunk.cursor > self.cursor:
            self.cursor, self.failures = chunk.cursor, 0
            return True
        return not chunk.text

    def hear(self, now: float) -> Trouble | None:
        """Something came. Gives the trouble that is over by that, if there was any."""
        if self._good_since is None:
            self._good_since = now
        if self._broken_since is None:
            return None
        trouble = Trouble(self.cursor, self.failures, now - self._broken_since, back=True)
        self._broken_since = None
        return trouble

    def fail(self, error: StreamError, now: float) -> Trouble:
        """The connection broke, or there was none to be had. Raises `error` when there is to be no other try."""
        if self._good_since is not None and now - self._good_since >= STABLE_S:
            self.cuts = 0
        if self._broken_since is None:
            self._broken_since = now
        self._good_since = None
        self.failures, self.cuts = self.failures + 1, self.cuts + 1
        if self.failures >= ATTEMPTS or (error.retry_s or 0) > PATIENCE_S or isinstance(error, Malformed):
            raise error
        return Trouble(self.cursor, self.failures, now - self._broken_since, back=False)
