"""What a terminal would obey is shown instead; all other text stays as it is."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.terminal import safe
from server.sources.presets import EDGE, PRESETS

UNSAFE = {
    "\x00": r"\x00",
    "\x07": r"\x07",
    "\x08": r"\x08",
    "\r": r"\r",
    "\x0b": r"\x0b",
    "\x0c": r"\x0c",
    "\x1b[31m": r"\x1b[31m",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x7f": r"\x7f",
    "\x85": r"\x85",
    "\x9b31m": r"\x9b31m",
    "\u2028": r"\u2028",
    "\u2029": r"\u2029",
    "\u202eabc\u202c": r"\u202eabc\u202c",
    "\u2066abc\u2069": r"\u2066abc\u2069",
}
OBEYED = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\t"), ord("\n")}


@pytest.mark.parametrize(("text", "shown"), UNSAFE.items(), ids=map(ascii, UNSAFE))
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert safe(text) == shown
    assert safe(f"a{text}b") == f"a{shown}b"


@pytest.mark.parametrize(
    "text", ["", "plain", "two\nlines\tand a tab", "够钟下班啦", "👩‍👩‍👧‍👦 👍🏽 e\u0301 שלום", "back\\slash"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_whatever_gets_a_control_character_through(text: str) -> None:
    shown = safe(text)
    assert not {ord(character) for character in shown} & OBEYED
    assert {unicodedata.category(character) for character in shown if character not in "\t\n"}.isdisjoint(
        {"Cc", "Zl", "Zp"}
    )


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 50))
def test_it_makes_no_difference_where_the_text_is_cut(text: str, cut: int) -> None:
    assert safe(text[:cut]) + safe(text[cut:]) == safe(text)


@pytest.mark.parametrize("text", [preset.text for preset in PRESETS.values()], ids=PRESETS)
def test_it_changes_nothing_when_it_is_done_twice(text: str) -> None:
    assert safe(safe(text)) == safe(text)


def test_the_edge_preset_loses_its_teeth() -> None:
    assert "\x1b" in EDGE
    assert not {ord(character) for character in safe(EDGE)} & OBEYED
