"""The faults experiment, shown: a line for each fault, a cell for each transport.

The one thing to notice: a cell says ✓ only if every token came once, in order, and was right. How long it took to come
back is told beside it, and is never what decides. Where a fault found nothing to strike, a cell says that instead.
"""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clients.terminal import safe
from lab.faults.kinds import FAULTS
from lab.faults.tokens import Fate
from lab.report.frame import render
from lab.report.headline import Document
from lab.report.series import place, shown
from lab.report.table import warning
from lab.result import Row

WHOLE, BROKEN, ABSENT = "✓", "✗", "–"
LEGEND = {
    WHOLE: "every token came once, in order, and right; beside it, how soon after the fault the next one was there",
    BROKEN: "not so; beside it, what was lost or doubled",
    ABSENT: "the fault found nothing to strike: a stream has no third response, and of `whole` nothing was on its way "
    "in that second",
}
"""What the signs of a cell mean."""
OUTCOMES = {WHOLE: "stopped", BROKEN: "succeeded", ABSENT: "not applicable"}
"""By what the style sheet knows them."""
STYLES = {WHOLE: "green", BROKEN: "red", ABSENT: "dim"}

Lines = dict[str, dict[str, Row]]
"""Rows by fault and transport."""


def is_whole(row: Row) -> bool:
    """Whether every token came once, in order, and was right."""
    return bool(row["ok"] == row["tokens"])


def lines(document: Document) -> Lines:
    """The rows in the order in which they are shown."""
    found: Lines = {}
    for row in sorted(document["rows"], key=lambda row: place(row["transport"])):
        found.setdefault(row["fault"], {})[row["transport"]] = row
    known = [name for name in FAULTS if name in found]
    return {name: found[name] for name in (*known, *(found.keys() - set(known)))}


def transports(document: Document) -> list[str]:
    """Those that were tried."""
    return sorted({row["transport"] for row in document["rows"]}, key=place)


def damage(row: Row) -> str:
    """What went wrong with its tokens, in words; empty where nothing did."""
    wrong = {fate: row[fate.value] for fate in Fate if fate is not Fate.OK and row[fate.value]}
    return ", ".join(f"{count} {fate.value.replace('_', ' ')}" for fate, count in wrong.items())


def recovery(row: Row) -> str:
    """How long after the fault was over the next token was there."""
    return "" if row.get("recovery_ms") is None else f"{shown(row['recovery_ms'])} ms"


def sign(row: Row) -> str:
    """What a cell says at once."""
    return ABSENT if is_whole(row) and not row.get("struck", True) else WHOLE if is_whole(row) else BROKEN


def beside(row: Row) -> str:
    """What a cell says after that."""
    return {ABSENT: "", WHOLE: recovery(row), BROKEN: damage(row)}[sign(row)]


def headlines(document: Document) -> list[str]:
    """What came of it, in sentences."""
    rows = document["rows"]
    if not rows:
        return ["Nothing was tried, so there is nothing to say."]
    whole, tokens = sum(map(is_whole, rows)), sum(row["tokens"] for row in rows)
    kinds = len(lines(document).keys() - {"none"})
    faults = f"{kinds} fault{'s' * (kinds != 1)}"
    found = [f"{whole} of {len(rows)} answers came whole and once: {tokens:,} tokens, {faults}."]
    said = [row for row in rows if not is_whole(row)]
    silent = [row for row in said if not row.get("says")]
    if said:
        found.append(f"Of the others, {len(said) - len(silent)} said so, and {len(silent)} did not.")
    return found


def wrong(document: Document) -> str | None:
    """Where an answer came neither whole nor with a sentence that says so; None when there is no such reader."""
    silent = [
        f"{row['fault']} on {row['transport']}" for row in document["rows"] if not (is_whole(row) or row.get("says"))
    ]
    return f"Not whole, and it was not said: {', '.join(silent)}." if silent else None


def counted(document: Document) -> str:
    """How much was tried."""
    return f"{(count := len(document['rows'])):,} answer{'s' * (count != 1)}"


def table(document: Document) -> RenderableType:
    """The matrix for a terminal, and what was said where an answer did not come whole."""
    names = transports(document)
    drawn = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("fault", *names):
        drawn.add_column(heading)
    for fault, cells in lines(document).items():
        drawn.add_row(safe(fault), *(_cell(cells[name]) if name in cells else Text() for name in names))
    legend = Text("\n".join(f"{each} {meaning}" for each, meaning in LEGEND.items()), "dim")
    sentences = [Text(said, "bold") for said in headlines(document)]
    return Group(*warning(document), drawn, legend, *_said(document), Text(), *sentences)


def _cell(row: Row) -> Text:
    return Text.assemble((sign(row), STYLES[sign(row)]), " ", beside(row))


def _said(document: Document) -> Iterator[Text]:
    for row in document["rows"]:
        if not is_whole(row):
            yield Text(safe(f"{row['fault']}, {row['transport']}: {row.get('says') or 'it did not say so.'}"))


def report(document: Document, _folder: Path) -> str:
    """The HTML of any result, however little was tried."""
    return render(
        "faults.html.jinja",
        document,
        headlines(document),
        counted(document),
        lines=lines(document),
        transports=transports(document),
        kinds=FAULTS,
        legend=LEGEND,
        sign=sign,
        beside=beside,
        outcomes=OUTCOMES,
    )
