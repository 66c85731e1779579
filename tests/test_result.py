"""The result document: written whole or not at all, read with a sentence about what is wrong, and documented."""

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lab.compare import MATTERS
from lab.environment import environment
from lab.figures import cost, figures
from lab.result import ATTACK, CONDITIONS, OBSERVATION, SCHEMA, BadResult, Key, document, groups, read, values, write
from lab.spread import summary
from lab.verdicts import verdicts
from tests.security import sample
from tests.test_figures import ROW as LEDGER_ROW

PAGE = (Path(__file__).parent.parent / "docs" / "result.md").read_text(encoding="utf-8")

ROW: dict[str, Any] = {
    "transport": "sse",
    "variant": "sse",
    "run": 1,
    "readers": 1,
    "poll_ms": None,
    "token_ms": 50.0,
    "unit": "word",
    "cookie_bytes": 0,
    "tls": False,
    "deflate": False,
}


def result(*rows: dict[str, Any]) -> dict[str, Any]:
    return document("overhead", "python -m lab overhead", {"cores": 2}, {"runs": 5}) | {"rows": list(rows)}


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    written = result(ROW, ROW | {"run": 2, "variant": "够钟 \u2028"})
    path = write(tmp_path / "new" / "out", written)
    assert path == tmp_path / "new" / "out" / "result.json"
    assert read(path) == read(path.parent) == written


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@examples(max_examples=50, deadline=None)
@given(more=st.dictionaries(st.text(), json_values, max_size=4))
def test_any_row_survives(tmp_path_factory: pytest.TempPathFactory, more: dict[str, Any]) -> None:
    written = result({**more, **ROW})
    assert read(write(tmp_path_factory.getbasetemp() / "any", written)) == written


def test_each_row_is_a_line(tmp_path: Path) -> None:
    lines = write(tmp_path, result(ROW, ROW)).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line.rstrip(",")) for line in lines if line.startswith('{"transport"')] == [ROW, ROW]


def test_a_result_that_cannot_be_written_leaves_the_older_one_as_it_was(tmp_path: Path) -> None:
    path = write(tmp_path, result(ROW))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path, result(ROW | {"fluidity": float("nan")}))
    assert read(path) == result(ROW) | {"started": read(path)["started"]}
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        write(tmp_path / "file" / "out", result())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is not JSON. Give it the `result.json`"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("\xff", "is not JSON"),
        ('{"schema": "pushlab-result/1", "rows": NaN}', "is not JSON"),
        ("[]", "is not a result of this lab. Give it the `result.json`"),
        ("null", "is not a result of this lab"),
        ('{"schema": 1}', "is not a result of this lab"),
        ('{"schema": "other/1"}', "is not a result of this lab"),
        ('{"schema": "pushlab-result/2"}', f"has version 2 of the schema, and this lab reads {SCHEMA}. Use the lab"),
        ('{"schema": "pushlab-result/1"}', "is damaged: its `experiment` is missing"),
        (json.dumps(result() | {"rows": {}}), "is damaged: its `rows` is missing or not what it should be"),
        (json.dumps(result() | {"environment": None}), "is damaged: its `environment`"),
        (json.dumps(result() | {"rows": [ROW, 1]}), "is damaged: row 2 is no object"),
        (json.dumps(result() | {"rows": [ROW | {"token_ms": "x"}]}), "is damaged: token_ms of row 1 is 'x'"),
        (json.dumps(result() | {"rows": [ROW | {"transport": ["a"]}]}), "is damaged: transport of row 1 is"),
        (json.dumps(result({"variant": "sse", "transport": "sse"})), "is damaged: row 1 has no cookie_bytes and no"),
    ],
)
def test_a_bad_file_is_refused_with_a_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BadResult) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path} {sentence}")
    assert str(refusal.value).endswith(".")


def test_a_missing_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadResult, match=r"There is no .*result\.json\. Measure first"):
        read(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BadResult, match="cannot be read"):
        read(tmp_path / "loop")


def test_a_fault_needs_no_variant(tmp_path: Path) -> None:
    injected = result({"transport": "sse", "fault": "cut"})
    assert read(write(tmp_path, injected)) == injected


def test_a_result_of_attacks_is_read_again(tmp_path: Path) -> None:
    written = sample.result() | {"parameters": {"probe": ["token-length"]}}
    assert {row["off"] for row in written["rows"]} == {"succeeded", "not applicable", "could not run"}
    assert read(write(tmp_path, written)) == written


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"off": "secure"}, "off of row 1 is 'secure'"),
        ({"on": None}, "on of row 1 is 'None'"),
        ({"on": ["stopped"]}, "on of row 1 is"),
        ({"probe": 1}, "probe of row 1 is '1'"),
        ({"why": 7}, "why of row 1 is '7'"),
        ({"off_figures": [1]}, "off_figures of row 1 is"),
        ({"on_figures": {"bytes": "many"}}, "on_figures of row 1 is"),
        ({"evidence": "seen"}, "evidence of row 1 is 'seen'"),
        ({"files": [None]}, "files of row 1 is"),
    ],
)
def test_a_damaged_attack_is_refused(tmp_path: Path, damage: dict[str, Any], sentence: str) -> None:
    damaged = sample.result([sample.cell("eavesdropping", "tls", "sse") | damage])
    with pytest.raises(BadResult, match=re.escape(f"is damaged: {sentence}")):
        read(write(tmp_path, damaged))


@pytest.mark.parametrize("key", ["probe", "transport", "defence", "off", "on"])
def test_an_attack_has_to_say_what_it_was_and_how_it_came_out(tmp_path: Path, key: str) -> None:
    row = sample.cell("eavesdropping", "tls", "sse")
    with pytest.raises(BadResult, match=f"is damaged: row 1 has no {key}"):
        read(write(tmp_path, sample.result([{name: value for name, value in row.items() if name != key}])))


@pytest.mark.parametrize(
    ("observations", "sentence"),
    [
        (7, "its `observations` are not what they should be"),
        ([1], "observation 1 is no object"),
        ([{"says": "Seen."}], "observation 1 has no id"),
        ([{"id": "x", "says": None}], "says of observation 1 is 'None'"),
        ([{"id": "x", "says": "Seen.", "holds": "yes"}], "holds of observation 1 is 'yes'"),
    ],
)
def test_damaged_observations_are_refused(tmp_path: Path, observations: Any, sentence: str) -> None:
    with pytest.raises(BadResult, match=re.escape(sentence)):
        read(write(tmp_path, sample.result(observations=observations)))


def test_rows_are_grouped_by_what_they_were_measured_under() -> None:
    rows = [ROW, ROW | {"tls": True}, ROW | {"run": 2}, ROW | {"run": 3, "void": "The client was saturated."}]
    found = groups(rows)
    assert [[row["run"] for row in runs] for runs in found.values()] == [[1, 2], [1]]
    assert [key.tls for key in found] == [False, True]
    assert next(iter(found)) == Key("sse", "sse", 1, 50.0, "word", 0, False, False)


def test_a_figure_is_that_of_the_rows_that_have_it() -> None:
    rows: list[dict[str, Any]] = [
        {"lag_ms": {"p95": 3}},
        {"lag_ms": None},
        {},
        {"lag_ms": {"p95": 1.5}},
        {"lag_ms": "?"},
    ]
    assert values(rows, "lag_ms.p95") == [3, 1.5]
    assert values([{"bytes_up": 0}], "bytes_up") == [0]


def section(heading: str) -> set[str]:
    """The keys in the first column of the table under a heading of docs/result.md."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/result.md has no section {heading!r}"
    cells = re.findall(r"^\| ([^|]+) \|", found[1], re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


FIGURES = figures([1, 2], [0, 1], [0, 1], [1, 1], 50)
COST = cost(LEDGER_ROW, "text", 9)


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("The document", document("", "", {}, {})),
        ("`environment`", environment()),
        ("A row: what was measured", [*Key.__dataclass_fields__, *CONDITIONS, "run"]),
        ("A row: times", FIGURES),
        ("A row: cost", COST),
        ("Summaries", summary([1])),
        ("`histograms`", FIGURES["histograms"]),
        ("A row of `security`", ATTACK),
        ("`observations`", OBSERVATION),
        ("`verdicts`", verdicts([])[0]),
    ],
)
def test_the_documentation_lists_exactly_the_keys_there_are(heading: str, keys: Any) -> None:
    assert section(heading) == set(keys)


def test_the_documentation_marks_what_must_be_equal_to_compare() -> None:
    assert set(re.findall(r"`(\w+)` \\\*", PAGE)) == set(MATTERS)


def example() -> dict[str, Any]:
    """The row that the page shows."""
    found = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_the_example_has_only_documented_keys() -> None:
    headings = re.findall(r"^## (A row: .*)$", PAGE, re.MULTILINE)
    assert example().keys() <= {key for heading in headings for key in section(heading)}
    assert f"`{SCHEMA}`" in PAGE


def test_the_examples_figures_are_those_of_its_times() -> None:
    row = example()
    times = row["times"]
    reads = [len(list(tokens)) for _, tokens in groupby(times["received_ms"])]
    found = figures(times["received_ms"], times["appended_ms"], times["due_ms"], reads, row["token_ms"])
    histograms = found.pop("histograms")  # of times that were not rounded yet
    assert row["histograms"].keys() == histograms.keys()
    for key, figure in found.items():
        assert row[key] == pytest.approx(figure, abs=0.002), key
    found = cost(row, "x" * row["text_bytes"], row["envelope_bytes"])
    assert {key: row[key] for key in found} == found
