"""What every client yields, and the ways in which reading can fail.

The one thing to notice: this is written from the wire format, not imported from the server. Two implementations that
understand each other prove that the format is what its description says.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol

LARGEST = 4 * 1024 * 1024
"""Bytes of one chunk, with all that is around it, that a client keeps at most. Whatever is larger is no chunk."""

LARGEST_CURSOR = 10**15 - 1
"""A cursor has 15 digits at most on the wire, which is also what a JavaScript number holds exactly."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the answer, as it arrived."""

    cursor: int
    """Entries read so far; resume from here."""
    text: str
    """New text; empty for a heartbeat, or a poll without news."""
    done: str | None = None
    """`finished`, `stopped` or `failed` on the last chunk."""
    sha256: str | None = None
    """With `done`: the digest of the whole answer in UTF-8."""
    error: str | None = None
    """With `done="failed"`: a sentence for a person."""
    request: int = 1
    """Which request of this client brought it: always 1 on a stream, counting up when polling."""


class Client(Protocol):
    """Reads an answer at `url` from `cursor` on. `def` and not `async def`: it returns an async generator."""

    def __call__(self, url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]: ...  # noqa: D102


class StreamError(Exception):
    """The answer broke off, or cannot be read now. Reading on from the last cursor may help."""

    def __init__(self, sentence: str, retry_s: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_s = retry_s
        """How long the server asks to wait before the next try: seconds, if it said so."""


class NoServer(StreamError):
    """Nobody listens there, at least for the moment."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"There is no server at {origin}. Start one with: python -m server. Is it elsewhere? Say --server URL."
        )
        self.origin = origin


class Malformed(StreamError):
    """What came is not in the format. Asking again would bring the same."""


class Refused(Exception):
    """The server said no, and would say it again."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


CUT = "The answer broke off before its end: the connection was closed without a last chunk."
"""End of stream without `done` is a failure, never an end."""

TOO_LARGE = f"The server sent what is larger than a chunk can be: more than {LARGEST // 1024**2} MiB without an end."

ENDS = ("finished", "stopped", "failed")


def parse(data: bytes | str, request: int = 1) -> Chunk:
    """The chunk in a piece of JSON.

    Raises Malformed when there is none, and StreamError for one that says "not now": with `error`, without `done`.
    """
    try:
        fields: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise Malformed(f"The server sent what is not JSON: {data[:80]!r}.") from None
    match fields:
        case {"cursor": int(cursor), "text": str(text)} if isinstance(fields.get("error", ""), str):
            done, sha256, error = fields.get("done"), fields.get("sha256"), fields.get("error")
            if (
                not isinstance(cursor, bool)
                and 0 <= cursor <= LARGEST_CURSOR
                and _is_text(text)
                and (done is None or (done in ENDS and isinstance(sha256, str)))
            ):
                if error and not done:
                    raise StreamError(error, _seconds(fields.get("retry_ms")))
                return Chunk(cursor, text, done, sha256, error, request)
    raise Malformed(f"The server sent what is not a chunk: {data[:80]!r}.")


def _is_text(text: str) -> bool:
    """Whether it is whole characters: JSON can carry half of one (a lone surrogate), UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _seconds(retry_ms: object) -> float | None:
    if isinstance(retry_ms, bool) or not isinstance(retry_ms, int | float) or not 0 <= retry_ms <= LARGEST_CURSOR:
        return None
    return retry_ms / 1000
