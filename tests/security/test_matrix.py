"""The matrix: what is counted, in which order, and how a terminal shows it, whatever attackers wrote into it."""

import re
from typing import Any

import pytest
from rich.console import Console

from lab.report import attacks
from lab.report.attacks import SIGNS, counted, families, headlines, left, lines, outcomes, untried
from lab.report.costs import both, costs, labelled
from lab.report.matrix import matrix
from lab.security import claims
from lab.security.probe import COULD_NOT_RUN, NOT_APPLICABLE, OUTCOMES, STOPPED, SUCCEEDED
from lab.security.probes import FAMILIES
from server.transports import TRANSPORTS
from tests.security import sample
from tests.security.sample import cell, result

HOSTILE = "\x1b]0;owned\x07\r\n✓ nothing ever succeeded\n[red]x[/red] \u202e\x9b2J"


@pytest.fixture(autouse=True)
def _probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacks, "FAMILIES", sample.FAMILIES)
    monkeypatch.setattr(claims, "FAMILIES", sample.FAMILIES)


def judged(made: dict[str, Any]) -> dict[str, Any]:
    return made | {"verdicts": claims.of_document(made)}


def printed(made: dict[str, Any], width: int = 120) -> str:
    """What the terminal shows, without its colours."""
    console = Console(width=width, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(matrix(made))
    return capture.get()


def test_every_outcome_has_a_sign_of_its_own_and_a_meaning() -> None:
    assert set(OUTCOMES) == set(SIGNS) == set(attacks.LEGEND)
    assert len(set(SIGNS.values())) == len(OUTCOMES)


def test_every_family_of_probes_has_a_title() -> None:
    assert set(attacks.TITLES) == set(FAMILIES)


def test_lines_stand_under_their_families_whatever_was_tried_first() -> None:
    found = families(result(sample.rows()[::-1]))
    assert list(found) == list(attacks.TITLES.values())
    assert [(line.probe, line.defence) for line in found["What crosses the wire"]] == [
        ("eavesdropping", "tls"),
        ("tampering", "tls"),
        ("token-length", "padding"),
        ("token-length", "random-padding"),
    ]
    assert all(list(line.cells) == [name for name in TRANSPORTS if name in line.cells] for line in lines(result()))


def test_attacks_that_this_lab_does_not_know_are_shown_by_their_ids() -> None:
    found = families(result([cell("retired", "moat", "carrier pigeon"), cell("tampering", "tls", "sse")]))
    assert list(found) == ["What crosses the wire", "Others"]
    (line,) = found["Others"]
    assert (line.attack, line.against, line.compares) == ("retired", "moat", False)
    for words in ("retired", "moat", "carrier pigeon"):
        assert words in printed(result([cell("retired", "moat", "carrier pigeon")]))


def test_the_headline_counts_what_succeeded_without_the_defences_and_with_them() -> None:
    rows = [cell("tampering", "tls", name) for name in TRANSPORTS]
    first, *others = headlines(result(rows))
    assert first == "6 attacks succeeded without their defence, and none with it. Of other attacks this says nothing."
    assert others == []
    rows[3] = cell("tampering", "tls", "sse", on=SUCCEEDED)
    assert headlines(result(rows)) == [
        "6 attacks succeeded without their defence; with it, 1 still does: Tampering (TLS) on sse."
    ]
    assert headlines(result([])) == ["No attack was made, so there is nothing to say."]


def test_defences_that_are_only_compared_are_counted_apart() -> None:
    said = headlines(result())
    assert said[0].startswith("30 attacks succeeded without their defence, and none with it.")
    assert said[1].startswith("Against defences that are here only to be compared, 5 of 5 succeed: Token lengths (")
    assert said[2] == "Of the others, 5 could not run on this machine and 3 do not apply to their transport."
    assert counted(result()) == "35 attacks"


def test_an_attack_that_fails_without_any_defence_is_said_to_show_nothing() -> None:
    said = headlines(result([cell("tampering", "tls", "sse", STOPPED)]))
    assert said == ["Nothing is shown by 1 that failed with no defence there: Tampering (TLS) on sse."]


def test_what_could_not_run_is_listed_once_for_each_reason() -> None:
    found = untried(result())
    assert found == {sample.ADVICE: "Reading from another port on polling, long_polling, iframe, sse and websocket"}
    half = cell("tampering", "tls", "sse", on=COULD_NOT_RUN)
    assert untried(result([half])) == {"The reason is not known.": "Tampering on sse"}


def test_what_a_compared_defence_leaves_is_told_in_the_words_of_the_attack() -> None:
    ((line, said),) = left(result())
    assert (line.probe, line.defence) == ("token-length", "random-padding")
    assert said == dict.fromkeys(sample.STREAMS, "Guessed 49 of 106 lengths.")


def test_costs_are_those_figures_that_users_pay_from_both_runs() -> None:
    found = {(cost.line.defence, cost.figure): cost.cells for cost in costs(result())}
    assert set(found) == {
        ("padding", "bytes per token"),
        ("padding", "delay (ms)"),
        ("random-padding", "bytes per token"),
        ("random-padding", "delay (ms)"),
        ("head-deadline", "honest p99 (ms)"),
    }
    assert found["padding", "bytes per token"]["sse"] == ("60 → 128", "+113 %")
    assert found["padding", "delay (ms)"]["sse"] == ("1 → 1", "")
    assert found["head-deadline", "honest p99 (ms)"]["sse"] == ("900 → 45", "")


def test_a_figure_of_one_run_alone_has_no_other_side() -> None:
    row = cell("tampering", "tls", "sse", off_figures={"delay_ms": 2}, on_figures={"bytes": 1})
    assert both(row) == {"delay_ms": (2, None), "bytes": (None, 1)}
    ((_, _, cells),) = costs(result([row]))
    assert cells["sse"].says == "2 → –"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("honest_p99_ms", "honest p99 (ms)"),
        ("leak_bits", "leak (bit)"),
        ("bytes", "bytes"),
        ("exact_rate", "exact rate"),
    ],
)
def test_the_unit_of_a_figure_is_taken_from_its_name(name: str, words: str) -> None:
    assert labelled(name) == words


def test_the_terminal_shows_each_cell_twice_without_the_defence_and_with_it() -> None:
    (head, *shown) = [line for line in printed(result()).splitlines() if line.strip()]
    assert head.split() == ["attack", "defence", *TRANSPORTS]
    (lengths,) = [line for line in shown if "padded to a bucket" in line and "→" in line]
    assert re.findall(r"✗ → ✓|–", lengths) == ["✗ → ✓"] * 5 + ["–"]
    (browser,) = [line for line in shown if line.startswith("Reading from another port  ")]
    assert browser.count("?") == 5


def test_a_wide_terminal_has_room_for_words() -> None:
    assert "✗ succeeded → ✓ stopped" in printed(result(), 250)
    assert "? could not run" in printed(result(), 250)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 250])
def test_no_cell_is_cut_off_in_a_terminal(width: int) -> None:
    shown = printed(judged(result()), width)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width
    for sign in ("✗", "✓", "–", "?"):
        assert sign in shown
    named = " ".join(shown.split())
    for line in lines(result()):
        assert f"{line.probe} / {line.defence}" in named or re.search(
            rf"{line.attack} +{line.against}|{line.probe} +{line.defence}", shown
        )


def test_a_narrow_terminal_lists_the_transports_under_each_attack() -> None:
    text = " ".join(printed(result(), 40).split())
    assert "token-length / padding ✗ → ✓ polling long_polling iframe sse websocket – whole" in text


def test_the_terminal_says_why_something_could_not_run_and_what_remains_and_the_verdicts() -> None:
    text = " ".join(printed(judged(result())).split())
    assert (
        f"could not run Reading from another port on polling, long_polling, iframe, sse and websocket: {sample.ADVICE}"
        in text
    )
    assert "left by Frames padded at random, of Token lengths: polling: Guessed 49 of 106 lengths." in text
    assert "C10 ✓ holds SSE is one-way: the client cannot send" in text
    assert "C5 ± depends" in text


def test_what_is_not_complete_says_so_before_anything_else() -> None:
    cut = result(complete=False, note="Stopped by Ctrl-C after 3 attacks.")
    assert printed(cut).startswith("incomplete: Stopped by Ctrl-C after 3 attacks.")
    assert "incomplete" not in printed(result())


def test_nothing_is_ever_called_secure() -> None:
    for made in (judged(result()), judged(result([cell("tampering", "tls", "sse")]))):
        assert not re.search(r"\bsecure\b|\bsafe\b", printed(made), re.IGNORECASE)


@pytest.mark.parametrize("width", [40, 100, 10_000])
def test_a_terminal_shows_what_attackers_wrote_and_obeys_none_of_it(width: int) -> None:
    names = {"off": SUCCEEDED, "on": COULD_NOT_RUN}
    evil = sample.everywhere(HOSTILE, sample.leak("sse", "random-padding", 1.4, 76.0)) | names
    compared = sample.leak("sse", "random-padding", 1.4, 76.0) | {"on_says": HOSTILE}
    made = result(
        [evil, compared], complete=False, note=HOSTILE, observations=sample.everywhere(HOSTILE, sample.OBSERVATIONS)
    )
    shown = printed(judged(made), width)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    assert r"\x1b]0;owned" in shown.replace("\n", "")
    if width == 10_000:
        assert not any(line.startswith("✓ nothing") for line in shown.splitlines()[2:])
        assert "[red]x[/red]" in shown


def test_what_never_ran_is_said_once() -> None:
    assert outcomes(cell("tampering", "tls", "sse", COULD_NOT_RUN, COULD_NOT_RUN)) == [COULD_NOT_RUN]
    assert outcomes(cell("tampering", "tls", "sse", on=COULD_NOT_RUN)) == [SUCCEEDED, COULD_NOT_RUN]
    assert outcomes(sample.spared("token-length", "padding", "whole")) == [NOT_APPLICABLE]
    assert outcomes(cell("tampering", "tls", "sse", on=SUCCEEDED)) == [SUCCEEDED, SUCCEEDED]


def test_defences_that_are_there_only_when_asked_for_are_named_with_their_flags() -> None:
    assert attacks.asked_for(result()) == {"TLS": "--tls", "Frames padded to a bucket": "--pad-bytes"}
    assert "There when asked for: TLS (--tls), Frames padded to a bucket (--pad-bytes)." in printed(result())
    assert "There when asked for" not in printed(result([cell("blind-start", "json-only", "sse")]))
