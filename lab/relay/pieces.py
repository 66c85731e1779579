"""What crosses a relay, as whoever stands there sees it, and what may be done to it.

The one thing to notice: a piece is what one read of the network gave. It is no message, and may be half of one.
"""

from collections.abc import Callable
from typing import NamedTuple

UP, DOWN = "up", "down"
"""From client to server, and back."""


class Piece(NamedTuple):
    """What crossed at once, as it was read from the network: anything from one byte of a record to many records."""

    connection: int
    """Counts up from 0."""
    way: str
    at: float
    """Monotonic seconds."""
    data: bytes


Change = Callable[[str, bytes], bytes]
"""Takes the way and a piece; gives what is to cross instead. Each connection has its own."""


def leave_alone() -> Change:
    """Change nothing."""
    return lambda _way, data: data
