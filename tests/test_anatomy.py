"""What traffic is made of, for the frames of every transport and for any text."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.anatomy import HEAD, KINDS, Part, anatomy, by_kind
from server.answer import Chunk
from server.transports.iframe import frame as iframe_frame
from server.transports.iframe import prelude
from server.transports.sse import frame as sse_frame
from server.wire import encode

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
CHUNKS = st.one_of(
    st.builds(Chunk, st.integers(0, 2**40), TEXTS, st.none(), st.none(), st.none()),
    st.builds(Chunk, st.integers(0, 2**40), TEXTS, st.just("failed"), st.just("ab12"), TEXTS),
)
FRAMES: dict[str, Callable[[Chunk], bytes]] = {
    "bare": encode,
    "sse": sse_frame,
    "iframe": lambda chunk: iframe_frame(chunk, "abc-_"),
}
REQUEST = b"GET /answers/1/sse?reader=page HTTP/1.1\r\nHost: localhost\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def kinds(parts: list[Part], kind: str) -> bytes:
    """All bytes of one kind."""
    return b"".join(part.data for part in parts if part.kind == kind)


@pytest.mark.parametrize("form", FRAMES)
@given(chunk=CHUNKS)
def test_the_text_of_any_chunk_is_found_in_any_frame(form: str, chunk: Chunk) -> None:
    data = FRAMES[form](chunk)
    parts = anatomy([("down", data)])
    assert b"".join(part.data for part in parts) == data
    assert json.loads(b'"%b"' % kinds(parts, "text")) == chunk.text
    assert kinds(parts, "envelope").startswith(b'{"cursor":%d,"text":"' % chunk.cursor)
    assert kinds(parts, "envelope").endswith(b"}")
    assert kinds(parts, "head") == b""


@given(chunks=st.lists(CHUNKS, max_size=4), cuts=st.lists(st.integers(0, 500)))
def test_where_one_write_ends_and_the_next_begins_changes_nothing(chunks: list[Chunk], cuts: list[int]) -> None:
    data = RESPONSE + b"".join(sse_frame(chunk) for chunk in chunks)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [("down", data[start:end]) for start, end in zip(edges, edges[1:], strict=False)]
    assert anatomy(pieces) == anatomy([("down", data)])


def test_heads_are_told_from_what_follows_both_ways() -> None:
    parts = anatomy([("up", REQUEST), ("down", RESPONSE + b"23\r\n" + sse_frame(Chunk(7, "够")) + b"\r\n")])
    assert [(part.way, part.kind, part.data) for part in parts] == [
        ("up", "head", REQUEST),
        ("down", "head", RESPONSE),
        ("down", "framing", b"23\r\nid: 7\ndata: "),
        ("down", "envelope", b'{"cursor":7,"text":"'),
        ("down", "text", "够".encode()),
        ("down", "envelope", b'"}'),
        ("down", "framing", b"\n\n\r\n"),
    ]
    assert by_kind(parts) == {"head": len(REQUEST + RESPONSE), "framing": 20, "envelope": 22, "text": 3}


def test_a_text_that_looks_like_a_chunk_or_a_head_is_text() -> None:
    text = '{"cursor":1,"text":"a"} ' + RESPONSE.decode()
    assert kinds(anatomy([("down", encode(Chunk(1, text)))]), "text") == json.dumps(text)[1:-1].encode()


def test_what_is_no_chunk_is_framing() -> None:
    assert {part.kind for part in anatomy([("down", prelude("abc")), ("up", b"\x81\x85 masked")])} == {"framing"}
    assert anatomy([]) == []
    assert set(by_kind([])) == set(KINDS)


@given(data=st.binary())
def test_no_bytes_are_lost_whatever_they_are(data: bytes) -> None:
    for way in ("up", "down"):
        assert b"".join(part.data for part in anatomy([(way, data)])) == data


def test_a_head_without_an_end_is_no_head() -> None:
    assert not HEAD.match(RESPONSE[:-1])
