"""How the bytes of one chunk are marked off from the next in what carries them. Pure.

The one thing to notice: each marks off one piece of any length, and needs nothing but the piece. So a frame that many
readers get is marked off once.
"""

import zlib
from collections.abc import Callable
from enum import IntEnum

Framing = Callable[[bytes], bytes]

FLUSHED = b"\x00\x00\xff\xff"
"""How DEFLATE ends what it was told to flush; left out in a message, since every one ends so (RFC 7692 §7.2.1)."""

LAST_CHUNK = b"0\r\n\r\n"
"""Of the chunked transfer coding (RFC 9112 §7.1)."""


class Opcode(IntEnum):
    """Kinds of WebSocket frames (RFC 6455 §5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


FIN, RSV1 = 0x80, 0x40
"""In the first byte, beside the opcode: the last frame of its message, and one that is compressed (RFC 7692 §7.2.1)."""
TEXT, COMPRESSED = FIN | Opcode.TEXT, FIN | RSV1 | Opcode.TEXT
"""First byte of a frame that is a whole text message."""


def bare(data: bytes) -> bytes:
    """As it is: to HTTP/1.0, where only the end of the connection marks anything off."""
    return data


def chunked(data: bytes) -> bytes:
    """A chunk of the chunked transfer coding (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def message(data: bytes, first: int = TEXT) -> bytes:
    """A text message in one frame, unmasked, as a server sends it (RFC 6455 §5.2)."""
    size = len(data)
    if size < 126:
        return b"%c%c%b" % (first, size, data)
    if size < 1 << 16:
        return b"%c\x7e%b%b" % (first, size.to_bytes(2), data)
    return b"%c\x7f%b%b" % (first, size.to_bytes(8), data)


def control(kind: Opcode, payload: bytes = b"") -> bytes:
    """A close frame, a ping or a pong (RFC 6455 §5.5)."""
    return message(payload, FIN | kind)


def deflated(window_bits: int, takeover: bool) -> Framing:
    """Text messages that are compressed one after the other, for one reader (RFC 7692).

    With `takeover`, each message is compressed with what was in those before it; without, it stands alone.
    """
    deflate = zlib.compressobj(zlib.Z_BEST_SPEED, wbits=-window_bits)
    flush = zlib.Z_SYNC_FLUSH if takeover else zlib.Z_FULL_FLUSH

    def compressed(data: bytes) -> bytes:
        return message((deflate.compress(data) + deflate.flush(flush)).removesuffix(FLUSHED), COMPRESSED)

    return compressed
