"""The report of attacks: what is in it, where its cells lead, and that no text in a result becomes more than text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lab.report import attacks, security
from lab.report.attacks import headlines, lines
from lab.report.evidence import LONGEST, SMALL, files, told
from lab.report.leak_charts import charts, leaks
from lab.report.security import anchor
from lab.security import claims
from tests.security import sample
from tests.security.sample import cell, leak, png, result
from tests.test_report import Page

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"&`<b>`javascript:alert(1)\u2028"


@pytest.fixture(autouse=True)
def _probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacks, "FAMILIES", sample.FAMILIES)
    monkeypatch.setattr(claims, "FAMILIES", sample.FAMILIES)


def report(made: dict[str, Any], folder: Path) -> Page:
    """The report, read as a browser does."""
    return Page(security.report(made | {"verdicts": claims.of_document(made)}, folder))


DOCUMENTS: dict[str, dict[str, Any]] = {
    "everything": result(),
    "cut short": result(sample.rows()[:4], complete=False, note="Stopped by Ctrl-C after 4 attacks.", observations=[]),
    "one row": result([cell("tampering", "tls", "sse")]),
    "nothing could run": result([row for row in sample.rows() if row["off"] == "could not run"]),
    "no rows": result([], complete=False, note=None),
    "an unknown attack": result([cell("retired", "moat", "carrier pigeon")]),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_gives_a_page_with_its_headline_and_how_it_was_made(name: str, tmp_path: Path) -> None:
    made = DOCUMENTS[name]
    page = report(made, tmp_path)
    for said in (*headlines(made), made["command"], "A processor", "C13"):
        assert said in page.text
    assert "None" not in page.text
    *_, kept = page.data()
    assert kept["rows"] == made["rows"]


def test_every_cell_leads_to_its_own_evidence(tmp_path: Path) -> None:
    page = report(result(), tmp_path)
    links = [attributes["href"] or "" for tag, attributes in page.tags if tag == "a"]
    targets = [attributes["id"] for tag, attributes in page.tags if tag == "details" and "id" in attributes]
    cells = [anchor(line.probe, line.defence, transport) for line in lines(result()) for transport in line.cells]
    assert len(cells) == len(result()["rows"]) == len(set(cells))
    assert [link.removeprefix("#") for link in links if link != "#data"] == cells
    assert set(cells) < set(targets)
    assert len(targets) == len(set(targets))


def test_a_cell_has_what_was_seen_in_both_runs(tmp_path: Path) -> None:
    made = result([leak("sse", "padding", 0.0, 128.0)])
    text = report(made, tmp_path).text
    for words in (
        "Guessed 106 of 106 lengths.",
        "Guessed 0 of 106 lengths.",
        "record_bytes: 71, 75, 69",
        "record_bytes: 128, 128, 128",
        "exact rate 1 0",
        "Tries token lengths, with curl if need be.",
        "Nobody checks.",
        "Their number remains.",
        "CWE-203",
    ):
        assert words in text
    assert "OWASP ASVS 5.0: 12.2.1" in report(result([cell("tampering", "tls", "sse")]), tmp_path).text


def test_what_is_taken_away_in_both_runs_is_said(tmp_path: Path) -> None:
    text = report(result([cell("blind-start", "json-only", "sse")]), tmp_path).text
    assert "Both runs lack origin, fetch-site, which would stop the attack as well." in text


def test_a_transport_that_is_spared_says_why(tmp_path: Path) -> None:
    assert sample.SPARED in report(result([sample.spared("token-length", "padding", "whole")]), tmp_path).text


def test_observations_costs_and_versions_are_there(tmp_path: Path) -> None:
    text = report(result(), tmp_path).text
    assert "Unmasked frames are taken. aiohttp 3.14.5" in text
    assert "bytes per token 60 → 128 +113 %" in text
    assert re.search(r"Environment .*Chromium 156\.0", text)


def test_the_attack_succeeded_or_was_stopped_and_nothing_is_called_secure(tmp_path: Path) -> None:
    text = report(result(), tmp_path).text
    assert re.search(r"without the defence: ✗ succeeded", text)
    assert re.search(r"with it: ✓ stopped", text)
    assert not re.search(r"\bsecure\b", text, re.IGNORECASE)


def hostile() -> dict[str, Any]:
    """A result with attackers' text in every place that holds text, keys of the evidence included."""
    rows = [sample.everywhere(HOSTILE, row) | {"off": row["off"], "on": row["on"]} for row in sample.rows()[-30:]]
    for row in rows:
        row |= {"evidence": {"off": {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}, "on": HOSTILE}}
        row |= {"off_figures": {HOSTILE: 1.0}, "on_figures": {"delay" + HOSTILE: 2}}
    known = [row | {"evidence": {"off": [HOSTILE] * 3, "on": {HOSTILE: None}}, "why": HOSTILE} for row in sample.rows()]
    texts = dict.fromkeys(("command", "note", "started"), HOSTILE)
    places = {"environment": {HOSTILE: HOSTILE}, "parameters": {HOSTILE: [HOSTILE]}}
    return result(
        [*rows, *known], complete=False, observations=sample.everywhere(HOSTILE, sample.OBSERVATIONS), **texts, **places
    )


def test_nothing_that_attackers_wrote_becomes_a_part_of_the_page(tmp_path: Path) -> None:
    made = hostile()
    found, harmless = report(made, tmp_path), report(result(), tmp_path)
    assert {tag for tag, _ in found.tags} <= {tag for tag, _ in harmless.tags} | {"code"}
    assert len(found.scripts) == len(harmless.scripts)
    names = {name for _, attributes in found.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")}
    *_, kept = found.data()
    assert kept == json.loads(json.dumps(made | {"verdicts": claims.of_document(made)}))
    assert found.scripts[-1] == harmless.scripts[-1]


def test_links_lead_nowhere_but_into_the_page_and_its_folder(tmp_path: Path) -> None:
    names = ["javascript:alert(1)", "//example.com/x", "https://example.com/x", "../x", "evidence/a b.bin", HOSTILE]
    page = report(result([cell("tampering", "tls", "sse", files=names)]), tmp_path)
    links = [attributes["href"] or "" for tag, attributes in page.tags if tag == "a"]
    files_linked = [link for link in links if not link.startswith("#")]
    assert len(files_linked) == len(names)
    assert all(re.fullmatch(r"\./[\w./%~-]*", link) for link in files_linked)
    assert not [attributes for _, attributes in page.tags if "src" in attributes]


def test_a_small_picture_is_in_the_page_and_all_else_beside_it(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "small.png").write_bytes(png())
    (tmp_path / "evidence" / "large.png").write_bytes(png() + b"\0" * SMALL)
    (tmp_path / "evidence" / "page.svg").write_text("<svg onload='alert(1)'/>")
    names = [f"evidence/{name}" for name in ("small.png", "large.png", "page.svg", "missing.png")]
    found = files({"files": names}, tmp_path)
    assert [bool(file.picture) for file in found] == [True, False, False, False]
    assert (found[0].picture or "").startswith("data:image/png;base64,iVBOR")
    page = report(result([cell("tampering", "tls", "sse", files=names)]), tmp_path)
    assert [attributes["alt"] for tag, attributes in page.tags if tag == "img"] == ["evidence/small.png"]


def test_a_picture_from_elsewhere_is_not_put_into_the_page(tmp_path: Path) -> None:
    (tmp_path / "private.png").write_bytes(png())
    (out := tmp_path / "out").mkdir()
    (out / "link.png").symlink_to(tmp_path / "private.png")
    names = ["../private.png", str(tmp_path / "private.png"), "link.png", "a\0b.png"]
    assert [file.picture for file in files({"files": names}, out)] == [None] * 4


def test_evidence_is_text_with_a_line_for_each_value() -> None:
    evidence = {
        "sizes": [1, 2],
        "head": {"Origin": "http://evil", "ok": True},
        "events": ["a\nb", {"x": None}],
        "none": [],
    }
    assert told(evidence).splitlines() == [
        "sizes: 1, 2",
        "head:",
        "  Origin: http://evil",
        "  ok: yes",
        "events:",
        "  -",
        "    a",
        "    b",
        "  - x: none",
        "none: []",
    ]
    assert told({"count": 1, "zero": 0}) == "count: 1\nzero: 0"


def test_control_characters_in_evidence_are_shown_and_what_is_long_or_deep_is_cut() -> None:
    assert told("a\x1b[31m\x00\u202e") == r"a\x1b[31m\x00\u202e"
    assert len(told("x" * 100_000)) < LONGEST + 100
    deep: Any = "end"
    for _ in range(500):
        deep = [deep, deep]
    assert "…" in told(deep)


def test_the_charts_show_no_defence_once_and_each_defence_on_each_transport() -> None:
    values = leaks(result(sample.rows()[::-1]))
    assert [value["defence"] for value in values[:: len(sample.STREAMS)]] == [
        "no defence",
        "Frames padded to a bucket",
        "Frames padded at random",
    ]
    assert len(values) == 3 * len(sample.STREAMS)
    assert {(value["bits"], value["bytes"]) for value in values} == {(3.0, 60.0), (0.0, 128.0), (1.4, 76.0)}
    assert set(charts(result())) == set(security.CHAPTERS)
    assert charts(result([cell("tampering", "tls", "sse")])) == {}
    assert charts(result([cell("token-length", "padding", "sse")])) == {}
