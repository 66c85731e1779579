"""Where each HTTP/1.1 message of a connection ends (RFC 9112 §6.3), found without holding back a byte. Pure.

The one thing to notice: it follows and does not judge. What is no HTTP, such as TLS, or frames after an upgrade, is
passed on as number 0, which never ends.
"""

from typing import NamedTuple

LONGEST_LINE = 64 * 1024
ENDLESS = 2**62
"""Bytes of a response without a length, which ends where its connection does."""
LETTERS = range(ord("A"), ord("Z") + 1)
"""With one of them a request begins, and a response; a TLS record does not."""


class Part(NamedTuple):
    """Bytes of one message."""

    number: int
    """Counts the messages of a connection from 1; 0 is no message."""
    data: bytes
    ends: bool
    """Whether this is its last part."""


class Messages:
    """One direction of one connection, in pieces of any size. HEAD is followed by no page and no client, nor here."""

    def __init__(self) -> None:
        self._number = 1
        self._line = b""
        self._read = self._first
        self._left = 0
        """Bytes of a body, or of one chunk, that are still to come."""
        self._headers: dict[bytes, bytes] = {}
        self._request = False
        self._status = 0

    def feed(self, data: bytes) -> list[Part]:
        """The parts that `data` is made of; joined, they are `data`."""
        parts = []
        began = at = 0
        while at < len(data):
            number = self._number
            at, ends = self._take(data, at) if number else (len(data), False)
            if ends or self._number != number:
                parts.append(Part(number if ends else 0, data[began:at], ends))
                began = at
        if began < len(data):
            parts.append(Part(self._number, data[began:], False))
        return parts

    def _take(self, data: bytes, at: int) -> tuple[int, bool]:
        """Look at what stands there: how far that went, and whether a message ends with it."""
        if self._left:
            taken = min(self._left, len(data) - at)
            self._left -= taken
            return at + taken, not self._left and self._read == self._first and self._next()
        if self._read == self._first and not self._line and data[at] not in LETTERS and data[at] not in b"\r\n":
            self._number = 0
            return len(data), False
        end = data.find(b"\n", at)
        self._line += data[at : end if end >= 0 else None]
        if len(self._line) > LONGEST_LINE:
            self._number = 0
        if end < 0:
            return len(data), False
        line, self._line = self._line.rstrip(b"\r"), b""
        return end + 1, self._read(line)

    def _next(self) -> bool:
        """A message has ended."""
        self._number += 1
        self._read = self._first
        return True

    def _first(self, line: bytes) -> bool:
        """A request line, or a status line; empty lines before it do not count (RFC 9112 §2.2)."""
        words = line.split()
        if not words:
            return False
        self._request = not line.startswith(b"HTTP/")
        if not (words[-1] if self._request else words[0]).startswith(b"HTTP/1."):
            self._number = 0
            return False
        self._status = int(words[1]) if not self._request and len(words) > 1 and words[1].isdigit() else 0
        self._headers = {}
        self._read = self._header
        return False

    def _header(self, line: bytes) -> bool:
        if not line:
            return self._body()
        name, _, value = line.partition(b":")
        self._headers[name.strip().lower()] = value.strip().lower()
        return False

    def _body(self) -> bool:
        """The head is over: how the body ends, or that there is none."""
        if (b"upgrade" in self._headers and self._request) or self._status == 101:
            self._number = 0  # what follows are frames of another protocol
            return True
        if 100 <= self._status < 200:
            self._read = self._first  # the response itself is still to come
            return False
        if self._status in (204, 304):
            return self._next()
        if b"chunked" in self._headers.get(b"transfer-encoding", b""):
            self._read = self._size
            return False
        length = self._headers.get(b"content-length", b"0" if self._request else b"")
        self._left, self._read = int(length) if length.isdigit() else ENDLESS, self._first
        return not self._left and self._next()

    def _size(self, line: bytes) -> bool:
        """The size of a chunk, in hexadecimal, before it."""
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            self._number = 0
            return False
        self._left, self._read = (size + 2, self._size) if size else (0, self._trailer)  # a line end follows a chunk
        return False

    def _trailer(self, line: bytes) -> bool:
        return not line and self._next()
