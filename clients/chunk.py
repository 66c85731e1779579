"""What every client yields, and the two ways in which reading can fail.

The one thing to notice: this is written from the wire format, not imported from the server. Two implementations that
understand each other prove that the format is what its description says.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Protocol


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
    """The answer broke off, or what came is not in the format. Reading on from the last cursor may help."""


class Refused(Exception):
    """The server said no, and would say it again."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


ENDS = ("finished", "stopped", "failed")


def parse(data: bytes | str, request: int = 1) -> Chunk:
    """The chunk in a piece of JSON. Raises StreamError when there is none."""
    try:
        fields: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise StreamError(f"The server sent what is not JSON: {data[:80]!r}.") from None
    match fields:
        case {"cursor": int(cursor), "text": str(text)} if isinstance(fields.get("error", ""), str):
            done, sha256 = fields.get("done"), fields.get("sha256")
            if (
                not isinstance(cursor, bool)
                and _is_text(text)
                and (done is None or (done in ENDS and isinstance(sha256, str)))
            ):
                return Chunk(cursor, text, done, sha256, fields.get("error"), request)
    raise StreamError(f"The server sent what is not a chunk: {data[:80]!r}.")


def _is_text(text: str) -> bool:
    """Whether it is whole characters: JSON can carry half of one (a lone surrogate), UTF-8 cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


CUT = "The answer broke off before its end: the connection was closed without a last chunk."
"""End of stream without `done` is a failure, never an end."""
