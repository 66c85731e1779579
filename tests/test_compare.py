"""Two results: what changed, what may be noise, and what must not be compared at all."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lab.compare import MATTERS, Incomparable, compare, table
from lab.environment import environment
from lab.result import BadResult, document, read, write
from tests.security import sample
from tests.test_verdicts import runs

ENVIRONMENT = environment()


def result(*sides: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    made = document("overhead", "python -m lab overhead", ENVIRONMENT, {"runs": 5, "token_ms": [50.0]})
    return made | {"complete": True, "rows": [row for side in sides for row in side]} | more


def shown(a: dict[str, Any], b: dict[str, Any], width: int = 160) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table(compare(a, b)))
    return capture.get()


def test_a_result_has_not_changed_from_itself() -> None:
    one = result(runs("sse", ttft=101), runs("whole"))
    assert compare(one, one).summary == "Nothing changed beyond noise."


def test_a_change_beyond_noise_is_named_with_both_medians() -> None:
    before, after = result(runs("sse"), runs("whole")), result(runs("sse", bytes_down=3500), runs("whole"))
    assert compare(before, after).summary == "1 figure changed beyond noise: SSE bytes_down 4,300 → 3,500."
    lines = [line for line in shown(before, after).splitlines() if "bytes_down" in line and "SSE" in line]
    assert lines[0].split() == ["SSE", "bytes_down", "4,300", "3,500", "-18.6%", "changed"]


def lagging(values: list[float]) -> list[dict[str, Any]]:
    return [row | {"lag_ms": {"p95": value}} for row, value in zip(runs("sse", len(values)), values, strict=True)]


def test_intervals_with_a_common_value_are_no_change() -> None:
    before, after = result(lagging([1, 2, 3, 4, 5])), result(lagging([5, 6, 7, 8, 9]))
    assert compare(before, after).summary == "Nothing changed beyond noise."
    assert "3 (1 to 5)" in shown(before, after)
    assert "changed beyond noise: SSE lag_ms.p95 3 → 7" in compare(before, result(lagging([5.1, 6, 7, 8, 9]))).summary


def test_too_few_runs_are_not_called_a_change() -> None:
    few, many = result(lagging([1, 1, 1, 1])), result(lagging([2, 2, 2, 2, 2]))
    summary = compare(few, many).summary
    assert summary.startswith("1 figure differs, but fewer than 5 runs are too few to tell noise: SSE lag_ms.p95 1 → 2")
    assert any(line.rstrip().endswith("too few runs") for line in shown(few, many).splitlines())


def test_many_changes_are_counted() -> None:
    before = result(*(runs(name) for name in ("sse", "whole", "iframe")))
    after = result(*(runs(name, bytes_up=1, bytes_down=2) for name in ("sse", "whole", "iframe")))
    summary = compare(before, after).summary
    assert summary.startswith("6 figures changed beyond noise: iframe bytes_up 200 → 1; ")
    assert summary.endswith("; and 1 more.")


def test_what_is_in_one_result_only_is_named() -> None:
    other = [row | {"tls": True} for row in runs("sse")]
    notes = compare(result(runs("sse"), runs("whole")), result(other, runs("sse"))).notes
    assert "Only in A: whole." in notes
    assert "Only in B: SSE, TLS." in notes


def test_results_without_a_common_figure_say_so() -> None:
    assert compare(result(), result(runs("sse"))).summary == "The two results have no figure in common."
    assert "no figure in common" in shown(result(runs("whole")), result(runs("sse")))


def test_results_that_came_to_no_end_and_void_runs_are_noted() -> None:
    void = [row | {"void": "The client was saturated."} for row in runs("whole", 2)]
    partial = result(runs("sse"), void, complete=False, note="stopped by Ctrl-C after 7 of 30 runs")
    notes = compare(partial, result(runs("sse"), complete=False, note=None)).notes
    assert "A is not complete: stopped by Ctrl-C after 7 of 30 runs." in notes
    assert "A has 2 void runs, which are left out." in notes
    assert "B is not complete: the experiment did not end." in notes


def test_the_order_in_which_conditions_were_measured_does_not_matter() -> None:
    sides = [runs("sse"), runs("sse", tls=True), runs("sse", cookie_bytes=2000), runs("sse", readers=9)]
    comparison = compare(result(*sides), result(*reversed(sides)))
    assert {pair.side for pair in comparison.pairs} == {
        "SSE",
        "SSE, TLS",
        "SSE, 2000 bytes of cookies",
        "SSE, 9 readers",
    }
    assert not any(note.startswith("Only") for note in comparison.notes)


@pytest.mark.parametrize("field", MATTERS)
def test_other_environments_are_refused_with_both_values(field: str) -> None:
    there = result(runs("sse"), environment=ENVIRONMENT | {field: "another"})
    with pytest.raises(Incomparable, match=f"{field} is .* and another") as refusal:
        compare(result(runs("sse")), there)
    assert str(ENVIRONMENT[field]) in str(refusal.value)
    assert str(refusal.value).endswith("Measure both on one machine with the same command.")


def test_other_parameters_are_refused() -> None:
    there = result(runs("sse"), parameters={"runs": 3, "token_ms": [50.0], "tls": True})
    with pytest.raises(Incomparable, match=r"parameter runs is 5 and 3; parameter tls is None and True \(first A"):
        compare(result(runs("sse")), there)


def test_another_experiment_or_schema_is_refused() -> None:
    with pytest.raises(Incomparable, match="experiment is overhead and load"):
        compare(result(), result(experiment="load"))
    with pytest.raises(Incomparable, match="schema is pushlab-result/1 and pushlab-result/2"):
        compare(result(), result(schema="pushlab-result/2"))


def test_the_commit_the_date_and_the_load_may_differ_and_are_shown() -> None:
    later = ENVIRONMENT | {"commit": "abc123", "dirty": True, "memory_bytes": 1, "load_average": [9.5, 1, 1]}
    text = shown(result(runs("sse")), result(runs("sse"), environment=later, started="2026-11-23T08:00:00+00:00"))
    assert "B: 2026-11-23T08:00:00+00:00, commit abc123 with changes, load average [9.5, 1, 1]." in text


def test_a_change_from_nothing_has_no_percentage() -> None:
    before, after = result(lagging([0] * 5)), result(lagging([2] * 5))
    assert "–" in shown(before, after)


def test_files_that_were_written_and_read_compare_as_well(tmp_path: Path) -> None:
    made = result(runs("sse"), parameters={"poll_ms": (100, 200)})
    one = read(write(tmp_path / "a", made))
    assert compare(one, read(write(tmp_path / "b", made))).summary == "Nothing changed beyond noise."


def test_numbers_are_whole_in_a_narrow_terminal() -> None:
    crowd = runs("polling 500 ms", readers=150, token_ms=100.0, cpu_us_per_token=1234.5, wire_bytes=3_303_212)
    crowd = [row | {"memory_bytes_per_connection": {"active": 33_007 + row["run"]}} for row in crowd]
    one = result(runs("sse"), crowd)
    for width in (60, 80):
        text = shown(one, one, width)
        assert "…" not in text
        assert "polling 500 ms, 150 readers, a token every 100 ms" in text
        assert all(text.count(number) == 2 for number in ("3,303,212", "1,234", "33,010"))


@pytest.mark.parametrize("damage", [{"variant": None}, {"token_ms": "x"}, {"transport": ["a"]}, {"readers": None}])
def test_a_damaged_row_is_named(damage: dict[str, Any]) -> None:
    bad = result([row | damage for row in runs("sse", 1)])
    with pytest.raises(BadResult, match=f"B is damaged: `{next(iter(damage))}` of row 1 is missing or strange"):
        compare(result(runs("sse")), bad)


def test_two_results_of_attacks_say_which_came_out_differently() -> None:
    before = sample.result()
    rows = [
        row | {"on": "succeeded"} if row["probe"] == "tampering" and row["transport"] == "sse" else row
        for row in before["rows"]
    ]
    comparison = compare(before, before | {"rows": rows})
    assert comparison.summary == (
        f"Of {len(rows)} attacks that both have, 1 came out differently: "
        "tampering (tls) on sse: succeeded → stopped, now succeeded → succeeded."
    )
    assert "tampering (tls) on sse" in " ".join(shown(before, before | {"rows": rows}).split())
    assert compare(before, before).summary == f"All {len(rows)} attacks that both have came out alike."


def test_attacks_that_one_result_has_alone_are_counted() -> None:
    before = sample.result()
    fewer = before | {"rows": before["rows"][:3]}
    assert (
        compare(before, fewer).summary
        == f"All 3 attacks that both have came out alike. {len(before['rows']) - 3} attacks only in A."
    )
    assert compare(fewer, before | {"rows": before["rows"][3:]}).summary.startswith(
        "The two results have no attack in common. 3 att"
    )


def test_attacks_are_compared_across_versions_which_are_named() -> None:
    before = sample.result()
    newer = before | {"environment": before["environment"] | {"aiohttp": "3.15.0"}}
    comparison = compare(before, newer)
    assert "Not alike (first A, then B): aiohttp is 3.14.5 and 3.15.0." in comparison.notes
    assert not any("Not alike" in note for note in compare(before, before).notes)


def test_attacks_are_not_compared_with_runs() -> None:
    with pytest.raises(Incomparable, match="experiment is security and overhead"):
        compare(sample.result(), result(runs("sse")))
