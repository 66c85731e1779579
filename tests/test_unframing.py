"""What comes up a WebSocket, held against another library and against the rules of RFC 6455."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets import frames, server
from websockets.protocol import State

from server.framing import FLUSHED, Opcode
from server.unframing import Broken, Unframing

MOST = 300

Came = list[tuple[int, bytes]]

TEXTS = st.binary(max_size=30).map(bytes.hex).map(str.encode)
FRAMES = st.lists(
    st.builds(frames.Frame, st.sampled_from([frames.Opcode(kind) for kind in (0, 1, 2)]), TEXTS, st.booleans())
    | st.builds(frames.Frame, st.sampled_from([frames.Opcode.PING, frames.Opcode.PONG]), TEXTS),
    max_size=12,
)


def read(pieces: list[bytes], most: int = MOST, inflates: bool = False) -> tuple[Came, int]:
    """What ours makes of it, and the code with which it gives up, or 0."""
    ours, came = Unframing(most, inflates), list[tuple[int, bytes]]()
    try:
        for piece in pieces:
            came.extend(ours.feed(piece))
    except Broken as broken:
        return came, int(broken.code)
    return came, 0


def read_by_another(data: bytes) -> tuple[Came, int]:
    """What websockets makes of it; it gives frames, so they are put together here."""
    theirs = server.ServerProtocol(state=State.OPEN, max_size=MOST)
    theirs.receive_data(data)
    came, message, kind = list[tuple[int, bytes]](), b"", 0
    for frame in theirs.events_received():
        assert isinstance(frame, frames.Frame)
        if frame.opcode >= Opcode.CLOSE:
            came.append((frame.opcode, bytes(frame.data)))
            continue
        kind, message = frame.opcode or kind, message + bytes(frame.data)
        if frame.fin:
            came.append((kind, message))
            message = b""
    return came, theirs.close_sent.code if theirs.parser_exc and theirs.close_sent else 0


def masked(first: int, payload: bytes = b"", size: bytes | None = None) -> bytes:
    """A frame by hand, so that it can break rules."""
    return bytes([first]) + (size or bytes([0x80 | len(payload)])) + bytes(4) + payload


@given(FRAMES, st.data())
def test_frames_give_what_another_library_gives_wherever_they_are_cut(
    sent: list[frames.Frame], data: st.DataObject
) -> None:
    whole = b"".join(frame.serialize(mask=True) for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(pieces) == read_by_another(whole)


@given(st.binary(max_size=400), st.integers(0, 400))
def test_no_bytes_make_it_fail_otherwise_or_keep_more_than_a_message(noise: bytes, at: int) -> None:
    ours = Unframing(MOST, inflates=True)
    try:
        for _ in range(5):
            list(ours.feed(noise[:at])), list(ours.feed(noise[at:]))
    except Broken:
        list(ours.feed(noise))  # and nothing more comes of it
    assert len(ours._rest) <= MOST + 14 + len(noise)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"\x81\x01x", 1002, id="not masked"),
        pytest.param(masked(0x83), 1002, id="a kind that there is not"),
        pytest.param(masked(0xA1, b"x"), 1002, id="RSV2"),
        pytest.param(masked(0xC1, b"x"), 1002, id="compressed, which was not negotiated"),
        pytest.param(masked(0x09), 1002, id="a ping in pieces"),
        pytest.param(masked(0x89, b"x" * 126, b"\xfe\x00\x7e"), 1002, id="a ping that is too long"),
        pytest.param(masked(0x80, b"x"), 1002, id="the middle of no message"),
        pytest.param(masked(0x01, b"x") + masked(0x81, b"x"), 1002, id="a message within a message"),
        pytest.param(masked(0x81, b"x", b"\xfe\x00\x01"), 1002, id="a size in more bytes than it takes"),
        pytest.param(masked(0x81, b"", b"\xff" + bytes(6) + b"\xff\xff"), 1002, id="a size in eight in place of two"),
        pytest.param(masked(0x81, b"", b"\xff" + b"\xff" * 8), 1009, id="a size that nobody has room for"),
        pytest.param(masked(0x81, b"", b"\xfe\x01\x2d"), 1009, id="too large, said before it comes"),
        pytest.param(masked(0x01, b"x" * 100) * 1 + masked(0x00, b"x" * 100) * 3, 1009, id="too large in pieces"),
        pytest.param(masked(0x81, b"\xff"), 1007, id="no UTF-8"),
        pytest.param(masked(0x88, b"\x03"), 1002, id="half a close code"),
        pytest.param(masked(0x88, b"\x03\xed"), 1002, id="a close code that is never sent"),
        pytest.param(masked(0x88, b"\x07\xd0"), 1002, id="a close code that nobody gave away"),
        pytest.param(masked(0x88, b"\x03\xe8\xff"), 1007, id="a reason that is no UTF-8"),
    ],
)
def test_each_rule_that_is_broken_has_its_code(data: bytes, code: int) -> None:
    assert read([data]) == ([], code)


def test_a_size_that_just_fits_is_taken() -> None:
    assert read([masked(0x81, b"x" * MOST, b"\xfe\x01\x2c")]) == ([(1, b"x" * MOST)], 0)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x0f\xa0bye", b"\x03\xf6"])
def test_nothing_comes_after_a_close_frame(payload: bytes) -> None:
    assert read([masked(0x88, payload) + masked(0x81, b"more"), masked(0x81, b"more")]) == ([(8, payload)], 0)


def test_compressed_messages_share_a_window_and_may_be_in_pieces() -> None:
    squeeze, sent = zlib.compressobj(wbits=-15), list[bytes]()
    for text in (b"the same again", b"the same again"):
        squeezed = (squeeze.compress(text) + squeeze.flush(zlib.Z_SYNC_FLUSH)).removesuffix(FLUSHED)
        sent += masked(0x41, squeezed[:3]), masked(0x89, b"ping"), masked(0x80, squeezed[3:])
    ping = (9, b"ping")
    assert read(sent, inflates=True) == ([ping, (1, b"the same again")] * 2, 0)


def test_what_would_inflate_to_more_than_a_message_is_not_inflated() -> None:
    squeeze = zlib.compressobj(wbits=-15)
    bomb = (squeeze.compress(bytes(100_000)) + squeeze.flush(zlib.Z_SYNC_FLUSH)).removesuffix(FLUSHED)
    size = b"\xfe" + len(bomb).to_bytes(2) if len(bomb) > 125 else bytes([0x80 | len(bomb)])
    assert read([masked(0xC1, bomb, size)], inflates=True) == ([], 1009)
    assert read([masked(0xC1, b"\xff\xff")], inflates=True) == ([], 1007)
