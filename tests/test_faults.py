"""The faults experiment for real: a relay that breaks connections, the clients that everybody uses, and the report."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from clients.chunk import Chunk
from lab.experiment import carry_out
from lab.faults.experiment import Parameters, Seen, faults, told
from lab.faults.kinds import FAULTS
from lab.report.faults import ABSENT, BROKEN, WHOLE, headlines, report, sign, table, wrong
from lab.result import Row, document, read
from server.transports import TRANSPORTS


def found(rows: list[Row]) -> dict[str, Any]:
    """A document of these rows."""
    made = document("faults", "python -m lab faults", {}, {})
    return made | {"rows": rows, "complete": True, "verdicts": []}


def row(fault: str = "cut", transport: str = "sse", **fields: Any) -> Row:
    """The row of a reader that got a token."""
    seen = Seen(raw=[Chunk(1, "够")], used=[(2.0, Chunk(1, "够"))])
    return {"fault": fault, "transport": transport} | told(["够"], seen, 1.5) | fields


def test_a_row_tells_what_came_how_soon_and_what_was_read_again() -> None:
    chunks = [Chunk(1, "够"), Chunk(2, "了")]
    seen = Seen(raw=[*chunks, chunks[1]], used=[(1.0, chunks[0]), (3.5, chunks[1])], says="It broke.")
    assert told(["够", "了", "!"], seen, 3.0).items() >= {
        ("tokens", 3),
        ("ok", 2),
        ("lost", 1),
        ("lost_end", 1),
        ("recovery_ms", 500.0),
        ("read_again_bytes", 3),
        ("says", "It broke."),
    }


def test_the_headline_counts_and_never_hides_who_did_not_say() -> None:
    lost: dict[str, Any] = {"ok": 0, "lost_end": 1, "lost": 1}
    rows = [row(), row(transport="iframe", **lost, says="It is gone."), row(transport="polling", **lost)]
    assert headlines(found(rows)) == [
        "1 of 3 answers came whole and once: 3 tokens, 1 fault.",
        "Of the others, 1 said so, and 1 did not.",
    ]


def test_who_lost_something_and_did_not_say_so_is_what_is_wrong() -> None:
    said = row(transport="iframe", ok=0, says="It is gone.")
    assert wrong(found([row(), said])) is None
    assert (
        wrong(found([row(), said, row(transport="polling", ok=0)])) == "Not whole, and it was not said: cut on polling."
    )


def test_a_fault_that_found_nothing_to_strike_is_no_success() -> None:
    assert [sign(row(struck=struck, ok=ok)) for struck, ok in ((True, 1), (False, 1), (True, 0), (False, 0))] == [
        WHOLE,
        ABSENT,
        BROKEN,
        BROKEN,
    ]


def test_terminal_and_page_show_every_cell_and_run_nothing_of_it() -> None:
    hostile = "<script>alert(1)</script>\x1b[2J"
    made = found([row(), row(transport="iframe", ok=0, lost_end=1, lost=1, says=hostile), row(fault=hostile)])
    out = StringIO()
    Console(file=out, width=200).print(table(made))
    assert "lost end" in out.getvalue()
    assert "500 ms" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()
    page = report(made, Path())
    assert "500 ms" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("rows", [[], [row("unknown"), row("cut", "carrier pigeon")]])
def test_any_result_can_be_shown(rows: list[Row]) -> None:
    made = found(rows)
    Console(file=StringIO()).print(table(made))
    assert "</html>" in report(made, Path())


def test_every_fault_says_what_happens() -> None:
    assert all(fault.says.endswith(".") for fault in FAULTS.values())
    with pytest.raises(ValueError, match="--fault is empty"):
        Parameters(fault=())


def test_nothing_is_lost_or_doubled_on_any_transport_and_all_is_kept(tmp_path: Path) -> None:
    parameters = Parameters(fault=("none", "cut", "reset", "lost response", "doubled request"), token_ms=5)

    async def measure(keep: Any, progress: Progress) -> None:
        await faults(parameters, keep, progress)

    assert carry_out("faults", "python -m lab faults", parameters, measure, tmp_path) == 0
    rows = read(tmp_path)["rows"]
    assert len(rows) == 5 * len(TRANSPORTS)
    assert [each for each in rows if each["ok"] != each["tokens"] or each["ended"] != "finished"] == []
    assert {each["fault"] for each in rows if not each["struck"]} <= {"lost response"}
    assert all(each["requests"] > 1 for each in rows if each["fault"] in ("cut", "reset"))
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")
