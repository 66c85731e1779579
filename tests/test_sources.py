"""Schedules: how text is cut, and when each piece is due.

The one thing to notice: no test measures time. A schedule is data, and what a real answer was due is data, too.
"""

import logging
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from clients import CLIENTS
from server import order
from server.sources import Schedule
from server.sources.presets import EDGE, PRESETS
from server.sources.replay import Trace, replay
from server.sources.typewriter import UNITS, split, typewriter
from tests.conftest import Start
from tests.test_contract import read

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(
    st.sampled_from([*"ab 3.14?!\"'”’」）。！够\r\n\t\u2028🇨🇳👩👧🏽", "\u200d", "\ufe0f", "\u0301", "\u20e3"])
)

WHOLE = [
    "👩‍👩‍👧‍👦",
    "👍🏽",
    "🏳️‍🌈",
    "🇨🇳",
    "1️⃣",
    "e\u0301",
    "Z\u0351\u036b\u0343",
    "각",
    "\r\n",
    "न\u094dम",
]
"""Each is one character to a reader."""

TRACES = {name: preset.trace for name, preset in PRESETS.items() if preset.trace}


@pytest.mark.parametrize("unit", UNITS)
@given(text=TEXTS)
def test_the_tokens_joined_are_the_text(unit: str, text: str) -> None:
    tokens = split(text, unit)
    assert "".join(tokens) == text
    assert all(tokens)


@pytest.mark.parametrize("unit", UNITS)
@given(text=TEXTS)
def test_no_unit_cuts_through_a_character(unit: str, text: str) -> None:
    ends = {match.end() for match in regex.finditer(r"\X", text)}
    end = 0
    for token in split(text, unit):
        end += len(token)
        assert end in ends


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("character", WHOLE, ids=ascii)
def test_what_is_one_character_to_a_reader_stays_whole(unit: str, character: str) -> None:
    for text in (character, f"a{character}", f"{character}b", f"a. {character} b", f"够。{character}够", character * 3):
        assert sum(token.count(character) for token in split(text, unit)) == text.count(character)


def test_a_grapheme_is_one_character_to_a_reader() -> None:
    assert split("".join(WHOLE), "grapheme") == WHOLE
    assert split("🇨🇳🇭🇰", "grapheme") == ["🇨🇳", "🇭🇰"]
    assert split("a\r\nb\r\rc", "grapheme") == ["a", "\r\n", "b", "\r", "\r", "c"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world! It's 3.14 now.", ["Hello,", " world!", " It's", " 3.14", " now."]),
        ("够钟，下班啦。", ["够", "钟，", "下", "班", "啦。"]),
        ("用 SSE 推送，好。", ["用", " SSE", " 推", "送，", "好。"]),
        ("  two  spaces\n\nand an end ", ["  two", "  spaces", "\n\nand", " an", " end", " "]),
        (" \n ", [" \n "]),
    ],
)
def test_words_take_the_space_before_and_the_punctuation_after(text: str, words: list[str]) -> None:
    assert split(text, "word") == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Pi is 3.14. Really? Yes!", ["Pi is 3.14.", " Really?", " Yes!"]),
        ("Wait!? No... yes.", ["Wait!?", " No...", " yes."]),
        ("Look at example.com, please.", ["Look at example.com, please."]),
        ('He said "yes." Then he left.', ['He said "yes."', " Then he left."]),
        ("(It is.) He’s ‘there.’ Good.", ["(It is.)", " He’s ‘there.’", " Good."]),
        ("他说：“好。”然后走了！真的？是", ["他说：“好。”", "然后走了！", "真的？", "是"]),
        ("「好。」她说。", ["「好。」", "她说。"]),
        ("够钟啦！！！下班。", ["够钟啦！！！", "下班。"]),
        ("A heading\n\nA line\nAnother", ["A heading\n\n", "A line\n", "Another"]),
        ("x\r\ny", ["x\r\n", "y"]),
        ("圆周率是3.14。对吗？", ["圆周率是3.14。", "对吗？"]),
    ],
)
def test_sentences_end_at_their_stop_and_keep_their_closing_quote(text: str, sentences: list[str]) -> None:
    assert split(text, "sentence") == sentences


@pytest.mark.parametrize("unit", UNITS)
def test_no_text_has_no_tokens(unit: str) -> None:
    assert split("", unit) == []


PIECES = [
    ".",
    '"',
    '."',
    '".',
    ".'x",
    "!?",
    " ",
    "\n",
    "\r",
    " \n",
    ". ",
    "。",
    "。”",
    "”",
    "够",
    "够，",
    "1.",
    "\u0301",
    "🇨🇳",
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_no_long_text_takes_for_ever(unit: str, piece: str) -> None:
    long = piece * (20_000 // len(piece))
    for text in (long, f"{long}x", f"{long}。", f"{long}\n", f"x{long}"):
        assert "".join(split(text, unit)) == text  # where time doubles with each piece, this would not return


def test_the_nth_token_is_due_n_intervals_after_the_first() -> None:
    schedule = list(typewriter(list("abcd"), first_token_ms=400, token_ms=80))
    assert schedule == [(400, "a"), (480, "b"), (560, "c"), (640, "d")]


def test_repeats_go_on_at_the_same_pace() -> None:
    schedule = list(typewriter(["a", "b"], first_token_ms=10, token_ms=5, repeat=3))
    assert schedule == [(10, "a"), (15, "b"), (20, "a"), (25, "b"), (30, "a"), (35, "b")]


def test_the_same_seed_gives_the_same_schedule_and_another_gives_another() -> None:
    def schedule(seed: int) -> list[tuple[float, str]]:
        return list(typewriter(["a"] * 50, first_token_ms=0, token_ms=100, jitter=0.5, seed=seed))

    assert schedule(7) == schedule(7)
    assert schedule(7) != schedule(8)


@given(jitter=st.floats(0, 1), seed=st.integers(0, 2**53), token_ms=st.floats(0, 60_000))
def test_jitter_stays_within_its_share_of_the_interval(jitter: float, seed: int, token_ms: float) -> None:
    dues = [due for due, _ in typewriter(["a"] * 30, first_token_ms=0, token_ms=token_ms, jitter=jitter, seed=seed)]
    gaps = [after - before for before, after in zip(dues, dues[1:], strict=False)]
    slack = 1e-6 * (1 + token_ms)  # of floating point
    assert all(token_ms * (1 - jitter) - slack <= gap <= token_ms * (1 + jitter) + slack for gap in gaps)
    assert dues == sorted(dues)


def test_full_jitter_uses_its_whole_range() -> None:
    dues = [due for due, _ in typewriter(["a"] * 2000, first_token_ms=0, token_ms=100, jitter=1)]
    gaps = [after - before for before, after in zip(dues, dues[1:], strict=False)]
    assert min(gaps) < 10
    assert max(gaps) > 190


async def timeline(http: aiohttp.ClientSession, start: Start, **fields: Any) -> dict[str, Any]:
    """The timeline of an answer that has ended."""
    links = await start(**fields)
    await read(CLIENTS["whole"], links["whole"])
    async with http.get(links["self"] + "/timeline") as response:
        document: dict[str, Any] = await response.json()
    return document


async def test_a_real_answer_is_due_exactly_on_schedule_however_late_it_was_appended(
    http: aiohttp.ClientSession, start: Start
) -> None:
    document = await timeline(http, start, text="够钟下班啦" * 20, first_token_ms=20, token_ms=2.5)
    *tokens, _end = document["entries"]
    assert len(tokens) == 100
    for n, entry in enumerate(tokens):
        assert entry["due_ms"] - document["started_ms"] == pytest.approx(20 + n * 2.5, abs=0.002)  # shown to 1 µs
        assert entry["appended_ms"] >= entry["due_ms"] - 0.002


async def test_a_real_replay_is_due_exactly_when_it_was_recorded(http: aiohttp.ClientSession, start: Start) -> None:
    recorded = PRESETS["recorded"].trace
    assert recorded
    document = await timeline(http, start, preset="recorded")
    *tokens, _end = document["entries"]
    for entry, (ms, token) in zip(tokens, recorded.tokens, strict=True):
        assert entry["text"] == token
        assert entry["due_ms"] - document["started_ms"] == pytest.approx(ms, abs=0.002)


async def test_a_recorded_answer_at_another_pace_keeps_its_tokens(http: aiohttp.ClientSession, start: Start) -> None:
    recorded = PRESETS["count-to-100"].trace
    assert recorded
    document = await timeline(http, start, preset="count-to-100", first_token_ms=5, token_ms=0)
    *tokens, _end = document["entries"]
    assert [entry["text"] for entry in tokens] == recorded.texts
    for entry in tokens:
        assert entry["due_ms"] - document["started_ms"] == pytest.approx(5, abs=0.002)


async def test_a_source_that_breaks_ends_its_answer_as_failed_with_a_sentence(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def dues_ms() -> Iterator[float]:
        yield 0
        raise ZeroDivisionError

    monkeypatch.setattr(order, "typewriter", lambda *_, **__: Schedule(["够", "never"], dues_ms()))
    chunks = await read(CLIENTS["sse"], (await start())["sse"])
    assert "".join(chunk.text for chunk in chunks) == "够"
    assert chunks[-1].done == "failed"
    assert "broke down" in str(chunks[-1].error)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_a_trace_is_well_formed(trace: Trace) -> None:
    times = [ms for ms, _ in trace.tokens]
    assert times == sorted(times)
    assert times[0] > 0
    assert all(trace.texts)
    assert trace.title
    assert trace.how


def test_the_trace_of_a_count_to_100_has_the_published_figures() -> None:
    trace = TRACES["count-to-100"]
    times = [ms for ms, _ in trace.tokens]
    gaps = {before: after - before for before, after in zip(times, times[1:], strict=False)}
    assert (len(times), times[0], times[-1]) == (298, 310, 4410)
    assert "".join(trace.texts) == ", ".join(map(str, range(1, 101)))
    stall = max(gaps, key=lambda ms: gaps[ms])
    assert gaps[stall] == pytest.approx(230, abs=1)
    assert stall == pytest.approx(750, abs=30)


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_a_replay_keeps_the_recorded_times_and_each_repeat_starts_where_the_last_ended(trace: Trace) -> None:
    once, twice = list(replay(trace)), list(replay(trace, 2))
    assert once == list(trace.tokens)
    assert twice[: len(once)] == once
    length = once[-1][0]
    assert twice[len(once) :] == [(length + ms, token) for ms, token in once]


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_types_the_edge_preset(unit: str) -> None:
    assert "".join(split(EDGE, unit)) == EDGE
