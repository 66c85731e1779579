"""The experiment `stream-or-not`, shown: what one waits, what it costs, and what the article's claims are worth.

The one thing to notice: the headline is made of an asker who is alone, since that is what one feels; what a crowd does
to the server stands in the verdicts, with its figures.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clients.terminal import safe
from lab.report.frame import render
from lab.report.headline import Document, remarks, runs
from lab.report.stream_or_not_charts import VARIANTS, charts, crowd
from lab.report.table import said, warning
from lab.result import Row, values
from lab.sides import Side, noticeable, number, quoted
from lab.spread import median
from lab.stream_or_not.claims import BYTES, CPU, E2E, GAP, HELD, MEMORY, TPOT, TTFT
from lab.stream_or_not.ways import PAIRS

COLUMNS = {
    "ttft": "first ms",
    "tpot": "ms a token",
    "gap": "gap p50 ms",
    "e2e": "last ms",
    "held": "held ms",
    "bytes": "bytes",
    "cpu": "CPU ms",
    "memory": "KiB",
    "cores": "cores",
    "failed": "failed",
}
"""Figures of a line and their headings."""
IN_TERMINAL = ("ttft", "e2e", "held", "bytes", "cpu", "memory")
CHAPTERS = {
    "text": (
        "When text comes",
        "One asker, first run: a line for as long as the answer took, and a tick for each text as it came.",
    ),
    "ttft": ("The wait", "From asking to the first text: medians, with their interval."),
    "e2e": ("All of it", "From asking to the last text."),
    "bytes": ("Bytes", "TCP payload both ways for one answer, the question included."),
    "cpu": (
        "CPU of the server",
        "What its process used for one answer, beyond what it uses in as much idle time. A model's own work, in "
        "another process or on another machine, is not in it.",
    ),
    "memory": ("Memory of the server", "The most that it held while the crowd was there, by asker."),
}
"""Of each chart: what is seen, and how to read it."""
NOTHING = "–"
BUSY = 0.6
"""Cores of the process that asks, from which on it is told; with more than 0.8 a run is void."""


class Line(NamedTuple):
    """One way with one crowd."""

    name: str
    cells: dict[str, str]
    notes: list[str]


class Scene(NamedTuple):
    """All ways with one crowd."""

    says: str
    lines: list[Line]


def scenes(document: Document) -> list[Scene]:
    """What was measured, the smallest crowd first, the ways as they are always listed."""
    crowds: dict[int, dict[str, list[Row]]] = {}
    for row in sorted(document["rows"], key=lambda row: (row["readers"] or 0, _place(row["variant"]))):
        crowds.setdefault(row["readers"] or 0, {}).setdefault(row["variant"], []).append(row)
    return [
        Scene(crowd(askers), [Line(name, _cells(rows), list(_notes(rows))) for name, rows in ways.items()])
        for askers, ways in crowds.items()
    ]


def _place(variant: str) -> int:
    return VARIANTS.index(variant) if variant in VARIANTS else len(VARIANTS)


def _cells(rows: Sequence[Row]) -> dict[str, str]:
    """The figures of a way, as they are shown."""
    side = Side("", "", [row for row in rows if not row.get("void")])
    failed = values(side.rows, "failed")
    return {
        "ttft": _quoted(TTFT.of(side)),
        "tpot": _quoted(TPOT.of(side)),
        "gap": _quoted(GAP.of(side)),
        "e2e": _quoted(E2E.of(side)),
        "held": _quoted(HELD.of(side)),
        "bytes": _quoted(BYTES.of(side)),
        "cpu": _quoted(CPU.of(side)),
        "memory": _quoted([size / 1024 for size in MEMORY.of(side)]),
        "cores": _quoted(values(side.rows, "server_cpu")),
        "failed": f"{sum(failed):,.0f}" if failed else NOTHING,
    }


def _quoted(found: Sequence[float]) -> str:
    return quoted(found) if found else NOTHING


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """What has to be known beside the figures."""
    clients = dict.fromkeys(str(row["client"]) for row in rows if row.get("client"))
    yield f"asked by {' and '.join('a lean asker' if client == 'lean' else client for client in clients)}"
    if count := sum(bool(row.get("saturated")) for row in rows if not row.get("void")):
        yield f"saturated in {count} of {len(rows)} runs: the server had no time left"
    busiest = max((max(row["client_cpu"]) for row in rows if row.get("client_cpu") and not row.get("void")), default=0)
    if busiest > BUSY and any(row["readers"] > 1 for row in rows):
        yield f"the process that asks used {busiest:.2f} cores, so some of the lateness may be its own"
    yield from remarks(rows)


def headlines(document: Document) -> list[str]:
    """What streaming does for one who asks alone, and what it costs: a sentence for each pair."""
    alone = [row for row in document["rows"] if row.get("readers") == 1 and not row.get("void")]
    found = [sentence for one, other in PAIRS for sentence in _said(alone, one, other)]
    return found or ["No question was asked both streamed and not by one asker, so there is nothing to compare."]


def _said(rows: Sequence[Row], one: str, other: str) -> Iterator[str]:
    streamed, whole = (Side(name, name, [row for row in rows if row["variant"] == name]) for name in (one, other))
    figures = [(figure.of(streamed), figure.of(whole)) for figure in (TTFT, E2E, BYTES)]
    if all(here and there for here, there in figures):
        ttft, e2e, size = [(median(here), median(there)) for here, there in figures]
        last = f"after {number(e2e[0] / 1000)} s instead of {number(e2e[1] / 1000)} s"
        yield (
            f"{one}: the first text after {number(ttft[0] / 1000)} s instead of {number(ttft[1] / 1000)} s, the last "
            f"{last if noticeable(*e2e) else f'after {number(e2e[1] / 1000)} s either way'}, for "
            f"{number(size[0] / size[1])} times the bytes."
        )


def wrong(document: Document) -> str | None:
    """What ended before its end; None when nothing did."""
    ended = [str(row["void"]) for row in document["rows"] if row.get("void") and "client" not in row]
    if not ended:
        return None
    count = f"{len(ended)} run{'s' * (len(ended) != 1)} did not come to an end."
    return " ".join([count, *dict.fromkeys(ended)])


def table(document: Document) -> RenderableType:
    """A table for each crowd, then the headline and the verdicts."""
    drawn = [each for scene in scenes(document) for each in _drawn(scene)]
    return Group(*warning(document), *drawn, *said([safe(each) for each in headlines(document)], document))


def _drawn(scene: Scene) -> Iterator[RenderableType]:
    yield Text(scene.says, "bold")
    drawn = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    drawn.add_column("")
    for name in IN_TERMINAL:
        drawn.add_column(COLUMNS[name], justify="right")
    for line in scene.lines:
        drawn.add_row(safe(line.name), *(line.cells[name] for name in IN_TERMINAL))
    yield drawn
    yield from (Text(f"{safe(line.name)} {safe(note)}", "dim") for line in scene.lines for note in line.notes)
    yield Text()


def report(document: Document, _folder: Path) -> str:
    """The HTML of any result, however little was measured."""
    drawn = charts(document)
    found = scenes(document)
    return render(
        "stream_or_not.html.jinja",
        document,
        headlines(document),
        runs(document),
        scenes=found,
        columns=COLUMNS,
        choices=[(scene.says, {"conditions": scene.says}) for scene in found],
        chapters=[(name, *CHAPTERS[name], drawn[name]) for name in CHAPTERS if name in drawn],
    )
