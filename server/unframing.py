"""What comes up a WebSocket, put together to messages (RFC 6455 §5). Pure.

The one thing to notice: every rule of the standard that a client can break is a place where a server can be made to
keep bytes, or to take one thing for another. So each is checked before anything is kept.
"""

import sys
import zlib
from collections.abc import Iterator
from itertools import cycle

from aiohttp import WSCloseCode

from server.framing import FIN, FLUSHED, RSV1, Opcode

MASKED, RSV2_AND_3 = 0x80, 0x30
"""In the second byte: a client masks what it sends; in the first: for extensions that there are not."""
MASK_BYTES = 4
MOST_CONTROL = 125
"""Bytes in a control frame (RFC 6455 §5.5)."""

NEVER_SENT = (1004, 1005, 1006, 1015)
"""Codes that stand for something that is no close frame (RFC 6455 §7.4.1)."""


class Broken(Exception):
    """The client has broken the protocol; `code` says how (RFC 6455 §7.4.1)."""

    def __init__(self, code: WSCloseCode) -> None:
        super().__init__(code.name)
        self.code = code


class Unframing:
    """Takes bytes, gives messages and control frames; nothing more after a close frame, or once it raised Broken."""

    __slots__ = ("_inflate", "_kind", "_message", "_most", "_over", "_rest", "_squeezed")

    def __init__(self, most: int, inflates: bool) -> None:
        """Takes messages of `most` bytes (0: any size); compressed ones, too, if that was negotiated (`inflates`)."""
        self._most, self._over = most or sys.maxsize - 1, False
        self._rest = bytearray()  # the beginning of a frame
        self._message = b""  # the beginning of a message
        self._kind: Opcode | None = None  # of that message
        self._squeezed = False  # whether it is compressed
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if inflates else None  # one window for all messages

    def feed(self, data: bytes) -> Iterator[tuple[Opcode, bytes]]:
        """What is complete with these bytes, each with its payload. Raises Broken."""
        self._rest += data
        at = 0
        try:
            while not self._over and (frame := self._frame(self._rest, at)):
                kind, last, rsv1, start, end = frame
                payload, at = _unmasked(self._rest[start:end]), end
                if message := self._put_together(kind, last, rsv1, payload):
                    self._over = kind is Opcode.CLOSE
                    yield message
        except Broken:
            self._over = True
            raise
        if self._over:
            self._rest.clear()
        else:
            del self._rest[:at]

    def _frame(self, data: bytearray, at: int) -> tuple[Opcode, bool, bool, int, int] | None:
        """The frame at `at`: its kind, whether it is the last of its message (FIN), RSV1, and where its mask and its
        payload are. None when not all of it is here.
        """
        if len(data) < at + 2:
            return None
        first, second = data[at], data[at + 1]
        kind, last, rsv1 = _kind(first), bool(first & FIN), bool(first & RSV1)
        size, start = second & 0x7F, at + 2
        if not second & MASKED or first & RSV2_AND_3:  # who is no client, or wants what was not negotiated
            raise Broken(WSCloseCode.PROTOCOL_ERROR)
        if kind >= Opcode.CLOSE and (size > MOST_CONTROL or not last or rsv1):
            raise Broken(WSCloseCode.PROTOCOL_ERROR)
        if size > MOST_CONTROL:  # 126: the size is in two bytes; 127: in eight
            size, start = 126 if size == 126 else 1 << 16, start + (2 if size == 126 else 8)
            if len(data) < start:
                return None
            shortest, size = size, int.from_bytes(data[at + 2 : start])
            if size < shortest:
                raise Broken(WSCloseCode.PROTOCOL_ERROR)
        if kind < Opcode.CLOSE:
            self._check_begins(kind, rsv1)
            if len(self._message) + size > self._most:
                raise Broken(WSCloseCode.MESSAGE_TOO_BIG)
        end = start + MASK_BYTES + size
        return (kind, last, rsv1, start, end) if len(data) >= end else None

    def _check_begins(self, kind: Opcode, rsv1: bool) -> None:
        """A message begins when there is none, and goes on when there is one (RFC 6455 §5.4)."""
        begins = kind is not Opcode.CONTINUATION
        if begins == (self._kind is not None) or (rsv1 and not (begins and self._inflate)):
            raise Broken(WSCloseCode.PROTOCOL_ERROR)

    def _put_together(self, kind: Opcode, last: bool, rsv1: bool, payload: bytes) -> tuple[Opcode, bytes] | None:
        if kind is Opcode.CLOSE:
            _check_close(payload)
        if kind >= Opcode.CLOSE:
            return kind, payload
        if kind is not Opcode.CONTINUATION:
            self._kind, self._squeezed = kind, rsv1
        self._message += payload
        if not last or self._kind is None:
            return None
        whole, message = self._kind, self._inflated(self._message) if self._squeezed else self._message
        self._kind, self._message = None, b""
        if whole is Opcode.TEXT:
            _check_text(message)
        return whole, message

    def _inflated(self, message: bytes) -> bytes:
        """Decompress a message (RFC 7692 §7.2.2), and no more of it than a message may be long."""
        assert self._inflate  # noqa: S101 - RSV1 is refused otherwise
        try:
            inflated = self._inflate.decompress(message + FLUSHED, self._most + 1)
        except zlib.error:
            raise Broken(WSCloseCode.INVALID_TEXT) from None
        if len(inflated) > self._most:
            raise Broken(WSCloseCode.MESSAGE_TOO_BIG)
        if self._inflate.eof:  # a last block ends the window, not the connection (RFC 7692 §7.2.3.4)
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        return inflated


def _unmasked(data: bytearray) -> bytes:
    """The payload after its mask (RFC 6455 §5.3)."""
    payload = zip(data[MASK_BYTES:], cycle(data[:MASK_BYTES]), strict=False)
    return bytes(byte ^ key for byte, key in payload)


def _kind(first: int) -> Opcode:
    try:
        return Opcode(first & 0x0F)
    except ValueError:
        raise Broken(WSCloseCode.PROTOCOL_ERROR) from None


def _check_close(payload: bytes) -> None:
    """Nothing, or a code and a reason (RFC 6455 §5.5.1, §7.4)."""
    if not payload:
        return
    code = int.from_bytes(payload[:2])
    if len(payload) < 2 or not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in NEVER_SENT:
        raise Broken(WSCloseCode.PROTOCOL_ERROR)
    _check_text(payload[2:])


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise Broken(WSCloseCode.INVALID_TEXT) from None
