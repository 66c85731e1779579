"""How the bytes of one chunk are marked off from the next in what carries them. Pure.

The one thing to notice: each marks off one piece of any length, and needs nothing but the piece. So a frame that many
readers get is marked off once.
"""

import zlib
from collections.abc import Callable

Framing = Callable[[bytes], bytes]

FLUSHED = b"\x00\x00\xff\xff"
"""How DEFLATE ends what it was told to flush; left out in a message, since every one ends so (RFC 7692 §7.2.1)."""

LAST_CHUNK = b"0\r\n\r\n"
"""Of the chunked transfer coding (RFC 9112 §7.1)."""

TEXT, COMPRESSED = 0x81, 0xC1
"""First byte of a frame that is a whole text message: FIN, opcode 1, and for a compressed one RSV1 (RFC 6455 §5.2)."""


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


def deflated(window_bits: int, takeover: bool) -> Framing:
    """Text messages that are compressed one after the other, for one reader (RFC 7692).

    With `takeover`, each message is compressed with what was in those before it; without, it stands alone.
    """
    deflate = zlib.compressobj(zlib.Z_BEST_SPEED, wbits=-window_bits)
    flush = zlib.Z_SYNC_FLUSH if takeover else zlib.Z_FULL_FLUSH

    def compressed(data: bytes) -> bytes:
        return message((deflate.compress(data) + deflate.flush(flush)).removesuffix(FLUSHED), COMPRESSED)

    return compressed
