"""TLS records as anybody sees them who stands on the way: their types and their lengths (RFC 8446 §5). Pure.

The one thing to notice: the header of a record is never encrypted. Two of its five bytes say how long the rest is.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lab.relay import DOWN, Piece

HEADER_BYTES = 5
HANDSHAKE, APPLICATION_DATA = 22, 23
TYPES = range(20, 25)
MOST_BYTES = 2**14 + 2048
"""Of one record: what TLS 1.2 allows, which is more than what 1.3 does."""


class Record(NamedTuple):
    """A record whose last byte has crossed."""

    connection: int
    way: str
    at: float
    """When its last byte crossed: monotonic seconds."""
    type: int
    size: int
    """Bytes after the header: what is encrypted, and what proves that it is unchanged."""


class NotTLS(ValueError):
    """These bytes are no TLS records."""


class Headers:
    """Takes one direction of one connection, in pieces of any size, and gives (type, size) of the complete records."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, int]]:
        """The records that `data` completes. Raises NotTLS."""
        found = []
        while data:
            if len(self._head) < HEADER_BYTES:
                missing = HEADER_BYTES - len(self._head)
                self._head, data = self._head + data[:missing], data[missing:]
                if len(self._head) < HEADER_BYTES:
                    break
                self._left = self._size()
            taken = min(self._left, len(data))
            self._left, data = self._left - taken, data[taken:]
            if not self._left:
                found.append((self._head[0], self._size()))
                self._head = b""
        return found

    def _size(self) -> int:
        size = int.from_bytes(self._head[3:], "big")
        if self._head[0] not in TYPES or self._head[1] != 3 or size > MOST_BYTES:
            raise NotTLS(f"No TLS record begins with {self._head.hex(' ')}.")
        return size


def records(pieces: Iterable[Piece]) -> Iterator[Record]:
    """All records of all connections, in the order in which they were complete. Raises NotTLS."""
    headers: dict[tuple[int, str], Headers] = {}
    for piece in pieces:
        found = headers.setdefault((piece.connection, piece.way), Headers()).feed(piece.data)
        yield from (Record(*piece[:3], *record) for record in found)


def data_down(pieces: Iterable[Piece]) -> list[Record]:
    """The application data from server to client. Since TLS 1.3 that is what half of the handshake looks like, too."""
    return [record for record in records(pieces) if record.way == DOWN and record.type == APPLICATION_DATA]
