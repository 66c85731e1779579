"""WebSocket frames as bytes (RFC 6455 §5.2), right and wrong ones.

The one thing to notice: an attacker writes what no library would: a length that nothing follows, a message whose end
never comes, a frame that is not masked. Pure.
"""

import struct
from typing import NamedTuple

CONTINUATION, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
"""Opcodes (RFC 6455 §5.2)."""

FIN, RSV1, MASKED = 0x80, 0x40, 0x80

MASK = b"\x37\xfa\x21\x3d"
"""The key of the examples in RFC 6455 §5.7. A client must choose another one for each frame; who attacks need not."""


class Frame(NamedTuple):
    """A frame that came from a server."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int | None:
        """Why the server closes (RFC 6455 §7.4), if this says so."""
        return int.from_bytes(self.payload[:2]) if self.opcode == CLOSE and len(self.payload) >= 2 else None


def frame(
    opcode: int, payload: bytes = b"", *, end: bool = True, rsv1: bool = False, masked: bool = True, size: int = 0
) -> bytes:
    """A client's frame.

    Without `end` its message goes on in the next frame; `rsv1` marks a compressed message (RFC 7692 §6); with `size`
    that is the length it tells, whatever the payload's is.
    """
    first = opcode | FIN * end | RSV1 * rsv1
    head = bytes([first]) + _length(size or len(payload), MASKED * masked)
    return head + MASK + mask(payload) if masked else head + payload


def mask(payload: bytes) -> bytes:
    """The payload XOR the key, over and over (RFC 6455 §5.3). Doing it twice gives the payload back."""
    key = (MASK * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(len(payload))


def parsed(data: bytes) -> list[Frame]:
    """The whole frames that a server has sent, which are not masked; what is not whole yet is left out."""
    frames, at = [], 0
    while (head := _head(data, at)) and (end := sum(head)) <= len(data):
        frames.append(Frame(data[at] & 0x0F, data[head[0] : end]))
        at = end
    return frames


def _length(length: int, masked: int) -> bytes:
    """In 7 bits, or in 16 or 64 behind 126 or 127."""
    if length < 126:
        return bytes([masked | length])
    if length < 1 << 16:
        return struct.pack(">BH", masked | 126, length)
    return struct.pack(">BQ", masked | 127, length)


def _head(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `at` begins, and how long it is; None while that cannot be told."""
    if len(data) < at + 2:
        return None
    more = {126: 2, 127: 8}.get(data[at + 1], 0)
    if len(data) < at + 2 + more:
        return None
    length = int.from_bytes(data[at + 2 : at + 2 + more]) if more else data[at + 1]
    return at + 2 + more, length
