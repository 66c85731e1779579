"""Event streams as WHATWG HTML 9.2.6 describes them, among them its own examples.

The one thing to notice: each case is fed whole and byte by byte. What the network cuts apart must make no difference.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.sse import Event, EventDecoder

CASES: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "line feed": (b"data: a\n\n", [("message", "a")]),
    "carriage return": (b"data: a\r\rdata: b\r\r", [("message", "a"), ("message", "b")]),
    "both": (b"data: a\r\n\r\n", [("message", "a")]),
    "all three in one stream": (b"data: a\r\rdata: b\n\ndata: c\r\n\r\n", [("message", c) for c in "abc"]),
    "a line feed after a carriage return ends no second line": (b"data: a\r\ndata: b\r\n\r\n", [("message", "a\nb")]),
    "a blank line of two kinds": (b"data: a\n\r\ndata: b\r\r\n", [("message", "a"), ("message", "b")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("message", "a")]),
    "byte order mark before a comment": (b"\xef\xbb\xbf: hello\ndata: a\n\n", [("message", "a")]),
    "only one byte order mark": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [("message", "b")]),
    "a later byte order mark is text": (b"data: \xef\xbb\xbfa\n\n", [("message", "\ufeffa")]),
    "a byte order mark on a later line is part of its name": (
        b"\n\xef\xbb\xbfdata: a\n\ndata: b\n\n",
        [("message", "b")],
    ),
    "half a byte order mark": (b"\xef\xbbdata: a\n\ndata: b\n\n", [("message", "b")]),
    "comment": (b": a comment\n:another\n:\ndata: a\n:in the middle\ndata: b\n\n", [("message", "a\nb")]),
    "a comment alone is no event": (b":\n\n: hello\n\n", []),
    "a field without a colon": (b"data\n\n", [("message", "")]),
    "two fields without a colon": (b"data\ndata\n\ndata:\n\n", [("message", "\n"), ("message", "")]),
    "no blank line after the last": (b"data\n\ndata\ndata\n\ndata:", [("message", ""), ("message", "\n")]),
    "a line end but no blank line": (b"data: a\n\ndata: b\n", [("message", "a")]),
    "a space after the colon goes": (b"data:a\n\ndata: a\n\n", [("message", "a"), ("message", "a")]),
    "a second space stays": (b"data:  a\n\ndata:   \n\n", [("message", " a"), ("message", "  ")]),
    "a tab stays": (b"data:\ta\n\n", [("message", "\ta")]),
    "a space before the colon is part of the name": (b"data : a\n\n data: b\n\n", []),
    "names are taken as they are": (b"Data: a\n\nDATA: b\n\n", []),
    "later colons are text": (b"data: a: b:\n\n", [("message", "a: b:")]),
    "an empty data line is data": (b"data:\n\n", [("message", "")]),
    "an event without data is none": (b"event: end\n\nid: 1\n\n", []),
    "many lines": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10")]),
    "a named event": (b"event: add\ndata: 73857293\n\n", [("add", "73857293")]),
    "the last name wins": (b"event: a\nevent: b\ndata: 1\n\n", [("b", "1")]),
    "an empty name is none": (b"event: a\nevent:\ndata: 1\n\n", [("message", "1")]),
    "a name may come after its data": (b"data: 1\nevent: a\n\n", [("a", "1")]),
    "a name holds for one event": (b"event: a\ndata: 1\n\ndata: 2\n\n", [("a", "1"), ("message", "2")]),
    "a name is forgotten without data, too": (b"event: a\n\ndata: 1\n\n", [("message", "1")]),
    "an unknown field": (b"cursor: 1\ndata: a\nfoo\n\n", [("message", "a")]),
    "id and retry are no data": (b"retry: 1000\nid: 7\ndata: a\n\n", [("message", "a")]),
    "blank lines": (b"\n\n\r\n\rdata: a\n\n\n\n", [("message", "a")]),
    "Chinese": ("data: 够钟下班啦\n\n".encode(), [("message", "够钟下班啦")]),
    "emoji": ("data: 👩‍👩‍👧‍👦\nevent: 🏳️‍🌈\n\n".encode(), [("🏳️‍🌈", "👩‍👩‍👧‍👦")]),
    "other line ends are text": (
        "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei\n\n".encode(),
        [("message", "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei")],
    ),
    "NUL is text": (b"data: a\x00b\n\n", [("message", "a\x00b")]),
    "what is no UTF-8 is replaced": (b"data: a\xffb\n\ndata: c\n\n", [("message", "a\ufffdb"), ("message", "c")]),
}


def events(*pieces: bytes) -> list[tuple[str, str]]:
    """The name and data of every event that `pieces` complete."""
    decoder = EventDecoder()
    return [(event.name, event.data) for piece in pieces for event in decoder.feed(piece)]


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_stream_is_read_whole_and_byte_by_byte(data: bytes, expected: list[tuple[str, str]]) -> None:
    assert events(data) == expected
    assert events(*one_by_one(data)) == expected


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_stream_may_be_cut_in_two_anywhere(data: bytes, expected: list[tuple[str, str]]) -> None:
    for cut in range(len(data) + 1):
        assert events(data[:cut], data[cut:]) == expected
        assert events(data[:cut], b"", data[cut:]) == expected


def test_an_event_is_given_as_soon_as_its_blank_line_is_there() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == [Event("message", "a")]


def test_a_carriage_return_ends_the_line_without_waiting_for_what_follows() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: a\r\r") == [Event("message", "a")]
    assert decoder.feed(b"\ndata: b\r") == []
    assert decoder.feed(b"\n\r") == [Event("message", "b")]
    assert decoder.feed(b"\n") == []


STREAMS = st.lists(
    st.sampled_from([b"data", b"event", b"id", b":", b" ", b"\r", b"\n", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"a"])
    | st.text(max_size=3).map(lambda text: text.encode(errors="replace")),
    max_size=30,
).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 100), max_size=10))
def test_the_events_do_not_depend_on_where_the_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    ends = [*sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert events(*pieces) == events(*one_by_one(data)) == events(data)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1))
def test_lines_of_data_come_out_as_they_went_in(lines: list[str]) -> None:
    stream = "".join(f"data: {line}\n" for line in lines) + "\n"
    assert events(stream.encode()) == [("message", "\n".join(lines))]
