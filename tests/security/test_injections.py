"""What a text may do on its way: the variants without a defence fail where they should, and each attack off and on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.sse import Event, EventDecoder
from clients.terminal import safe
from lab.relay import DOWN, UP
from lab.security.experiment import Cell, attempt
from lab.security.injections import PROBES
from lab.security.injections.access_log import CARRIERS, MARK, forged
from lab.security.injections.cuts import Cuts, place
from lab.security.injections.events import text_of
from lab.security.injections.markup import image
from lab.security.injections.terminal import commands, read_back
from lab.security.injections.without import WITHOUT, bare_event
from lab.security.probe import STOPPED, SUCCEEDED
from lab.security.servers import canary
from server import access
from server.answer import Chunk
from server.sources.typewriter import split
from server.transports import TRANSPORTS
from server.transports.sse import frame
from tests.security.conftest import Place

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def test_every_defence_of_this_family_can_be_taken_away() -> None:
    assert {defence for probe in PROBES.values() for defence in probe.defences} == set(WITHOUT)


# Events.


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_a_text_forges_a_bare_event_and_none_of_json(line_end: str) -> None:
    chunk = Chunk(1, line_end.join(("Hello", "", "event: admin", "data: me", "", "")))
    assert EventDecoder().feed(bare_event(chunk))[:2] == [Event("message", "Hello"), Event("admin", "me")]
    assert [event.name for event in EventDecoder().feed(frame(chunk))] == ["message"]


def test_a_bare_event_without_line_ends_and_leading_space_says_what_ours_says() -> None:
    chunks = [Chunk(1, "够"), Chunk(2, " 钟"), Chunk(3, "", "finished", "0")]

    def read(stream: bytes) -> str:
        return text_of({"type": event.name, "data": event.data} for event in EventDecoder().feed(stream))

    assert read(b"".join(map(frame, chunks))) == "够 钟"
    assert read(b"".join(map(bare_event, chunks))) == "够钟"  # without its space


def test_forged_events_are_no_text() -> None:
    assert text_of([{"type": "admin", "data": "mine"}, {"type": "end", "data": "finished"}]) == ""


# Cuts.


def test_a_stream_is_cut_just_after_the_marker_and_nothing_else_is_cut() -> None:
    assert place(HEAD + b"data: one two\n\n", b"one") == len(HEAD + b"data: one")
    assert place(HEAD + b"data: on", b"one") is None
    assert place(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\none", b"one") is None


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_each_connection_is_cut_once_at_the_same_place_until_there_are_no_cuts_left(size: int) -> None:
    cuts = Cuts(b"one", left=2)
    stream = HEAD + b"data: one two\n\n"

    def crossed() -> bytes:
        change = cuts.changing()
        return b"".join(change(DOWN, stream[at : at + size]) for at in range(0, len(stream), size))

    assert [crossed() for _ in range(3)] == [HEAD + b"data: one", HEAD + b"data: one", stream]
    assert cuts.none_left.is_set()


def test_streams_are_counted_and_asked_for_so_that_their_end_is_that_of_the_connection() -> None:
    cuts = Cuts(b"one", left=1)
    change = cuts.changing()
    rest = b"Host: localhost\r\nConnection: keep-alive\r\n\r\n"
    for line in (b"GET /answers/1/polling HTTP/1.1\r\n", b"GET /demo/sse HTTP/1.1\r\n"):
        assert change(UP, line + rest) == line + rest
    assert cuts.streams == 0
    asked = change(UP, b"GET /answers/1/sse?cursor=0 HTTP/1.1\r\n" + rest)
    assert asked == b"GET /answers/1/sse?cursor=0 HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert cuts.streams == 1


# Markup.


def test_the_image_is_one_token_or_two_as_its_gap_says() -> None:
    assert len(split(image("abc", " "), "sentence")) == 1
    first, second = split(image("abc", "\n"), "sentence")
    assert "<img" in first
    assert ">" not in first
    assert "onerror" in second


# Terminals.


def test_what_a_terminal_would_obey_is_found() -> None:
    sequences = ["\x1b]0;title\x07", "\x1b]0;title\x1b\\", "\x1b[2J", "\x9b31m", "\x1b(0", "\x1bc", "\b", "\x07", "\r"]
    assert commands("Hello 世界\n\t".join(sequences)) == sequences


@given(st.text())
def test_of_what_the_client_prints_a_terminal_obeys_nothing(text: str) -> None:
    assert commands(safe(text)) == []


def test_a_text_is_read_back_whether_it_was_made_safe_or_not() -> None:
    text = "Hello 世界 \x1b]0;title\x07 and on"
    assert read_back(f"{text}\n") == read_back(f"{safe(text)}\n") == text


# Logs.


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_the_log_shows_the_attackers_letters_and_no_control_character(carrier: str, transport: str) -> None:
    mark = canary()[MARK]
    shown = access.redacted(CARRIERS[carrier].format(mark=mark, transport=transport))
    assert mark in shown
    assert shown.isprintable()


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n", "\u2028", "\x85"])
def test_a_forged_line_begins_with_what_the_attacker_chose(line_end: str) -> None:
    log = f'127.0.0.1 "GET /answers/{line_end}mark/sse" 404\n127.0.0.1 "GET /answers/%0Amark/sse" 404\n'
    assert forged(log, "mark") == ['mark/sse" 404']


# The attacks.


@pytest.mark.parametrize(
    ("probe", "transport", "off"),
    [
        ("forged-id", "sse", {}),
        ("string-break-out", "iframe", {"ran_from_quotes": 1, "ran_from_json": 0, "ran_under_csp": 1}),
        ("inner-html", "websocket", {"ran": 1, "ran_under_csp": 0}),
        ("terminal-escape", "long_polling", {"commands": 3, "windows_renamed": 1, "text_intact": 1}),
        ("log-forging", "whole", {"lines_forged": 4, "addresses_decoded": 5}),
    ],
)
@pytest.mark.asyncio(loop_scope="session")
async def test_an_attack_succeeds_without_its_defence_and_with_it_the_text_arrives(
    probe: str, transport: str, off: dict[str, int], place: Place
) -> None:
    (defence,) = PROBES[probe].defences
    row, _ = await attempt(Cell(probe, transport, defence), *place)
    assert (row["off"], row["on"]) == (SUCCEEDED, STOPPED), row
    assert row["off_figures"].keys() == row["on_figures"].keys()
    assert row["off_figures"].items() >= off.items()
    assert row["on_figures"]["text_intact"] == 1
    nothing = row["on_figures"].keys() - {"text_intact"}
    assert not any(row["on_figures"][name] for name in nothing)
