"""What marks off one chunk from the next, held against other people's decoders."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets import frames
from websockets.frames import Frame

from server.framing import FLUSHED, Opcode, bare, chunked, control, deflated, message

SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 100_000]
"""Around those at which the length of a WebSocket frame takes another form (RFC 6455 §5.2)."""


@pytest.mark.parametrize("size", SIZES)
def test_a_message_is_the_frame_that_another_library_makes(size: int) -> None:
    data = b"x" * size
    assert message(data) == Frame(frames.Opcode.TEXT, data).serialize(mask=False)


@pytest.mark.parametrize("kind", [Opcode.CLOSE, Opcode.PING, Opcode.PONG])
def test_a_control_frame_is_the_one_that_another_library_makes(kind: Opcode) -> None:
    assert control(kind) == Frame(frames.Opcode(kind), b"").serialize(mask=False)
    assert control(kind, b"x" * 125) == Frame(frames.Opcode(kind), b"x" * 125).serialize(mask=False)


@pytest.mark.parametrize("size", SIZES[1:])
def test_a_chunk_says_its_length_in_hexadecimal(size: int) -> None:
    length, _, rest = chunked(b"\r\n"[:1] * size).partition(b"\r\n")
    assert int(length, 16) == size
    assert rest == b"\r" * size + b"\r\n"


def test_a_bare_frame_is_as_it_was() -> None:
    assert bare(b"data") == b"data"


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_compressed_messages_are_what_they_were_one_after_the_other(messages: list[bytes]) -> None:
    compress, inflate = deflated(15, takeover=True), zlib.decompressobj(wbits=-15)
    assert [inflate.decompress(payload(compress(data)) + FLUSHED) for data in messages] == messages


@given(st.lists(st.binary(max_size=2000), max_size=20))
def test_without_takeover_each_stands_alone(messages: list[bytes]) -> None:
    compress = deflated(15, takeover=False)
    for data in messages:
        assert zlib.decompressobj(wbits=-15).decompress(payload(compress(data)) + FLUSHED) == data


def payload(frame: bytes) -> bytes:
    """Of a compressed message."""
    assert frame[0] == 0xC1
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]
