"""The soak, shown: what came of it in a sentence, a line for each transport, and what was held over time.

The one thing to notice: the sentence is made from the rows and observations alone. What was not looked at, because
somebody stopped it, is not said to be in order.
"""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clients.terminal import safe
from lab.report.frame import render
from lab.report.headline import Document, readers
from lab.report.series import place, shown
from lab.report.soak_charts import charts
from lab.report.table import warning
from lab.result import Row
from lab.soak.verdict import LEFT, MEMORY, many, total, wrong

CHAPTERS = {
    "held": (
        "What the server held",
        "Open sockets, tasks of the event loop, requests for answers that were being served, and answers that were "
        "being typed. The dashed line is when no more answers were begun. Behind it all must come down to where it "
        "was before the first reader.",
    ),
    "memory": (
        "Memory of the server",
        "PSS, every two seconds. An ended answer is kept for a while, so it grows until as many are forgotten as are "
        "begun, and is judged from then on. What Python has once taken it keeps for later, so it does not come down.",
    ),
    "cuts": (
        "Cuts",
        "How many connections the two relays cut in each second, in order and without. Each byte is as likely to be "
        "the last one as any other.",
    ),
}
"""Of each chart: what is seen, and how to read it."""

COLUMNS = {
    "readers": "readers",
    "answers": "answers",
    "left": "left\nearly",
    "tokens": "tokens",
    "lost": "lost",
    "duplicate": "twice",
    "other": "wrong",
    "gave_up": "given\nup",
    "cuts": "cut\noff",
    "p50": "back\np50 ms",
    "p99": "back\np99 ms",
    "requests": "requests",
    "read_again_bytes": "read\nagain B",
}
"""Figures of a row and their headings."""

IN_TERMINAL = ("answers", "left", "tokens", "lost", "duplicate", "other", "gave_up", "cuts", "p50")
"""Those for which a line of a terminal has room."""


def rows(document: Document) -> list[Row]:
    """In the order in which they are shown."""
    return sorted(document["rows"], key=lambda row: place(row["transport"]))


def cells(row: Row) -> dict[str, str]:
    """The figures of a row, as they are shown; – for what it does not have."""
    recovery = row.get("recovery_ms") or {}
    known = row | {"p50": recovery.get("p50"), "p99": recovery.get("p99"), "other": others(row)}
    return {name: shown(known.get(name)) for name in COLUMNS}


def others(row: Row) -> int:
    """Tokens that came out of order, or were others."""
    return (row.get("reordered") or 0) + (row.get("divergent") or 0)


def headlines(document: Document) -> list[str]:
    """What came of it, the most important sentence first."""
    found = document["rows"]
    if not found:
        return ["Nothing was read, so there is nothing to say."]
    minutes = document["parameters"].get("minutes")
    during = f" in {minutes:g} min" if minutes else ""
    cut_off = f"cut off {many(total(found, 'cuts'), 'time')}"
    figures = ", ".join((readers(total(found, "readers")), counted(document), cut_off))
    said = wrong(document)
    return [f"{figures}{during}: {', '.join(_verdict(document))}.", *([said] if said else [])]


def _verdict(document: Document) -> Iterator[str]:
    """The parts of the sentence."""
    found = document["rows"]
    for name, words in (("lost", "lost"), ("duplicate", "twice")):
        count = total(found, name)
        yield f"{many(count, 'token')} {words}" if count else f"nothing {words}"
    if count := sum(map(others, found)):
        yield f"{many(count, 'token')} wrong"
    held = {one["id"]: one.get("holds") for one in document.get("observations", [])}
    if all(held.get(name) for name in LEFT):
        yield "nothing left behind"
    else:
        known = any(held.get(name) is False for name in LEFT)
        yield "something left behind" if known else "what was left behind was not looked at"
    if MEMORY in held and held[MEMORY] is None:
        yield "too short to judge the memory"


def counted(document: Document) -> str:
    """How much was read."""
    return many(total(document["rows"], "answers"), "answer")


def table(document: Document) -> RenderableType:
    """The lines for a terminal, what was observed, and what was said where an answer was given up."""
    drawn = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    drawn.add_column("", no_wrap=True)
    for name in IN_TERMINAL:
        drawn.add_column(COLUMNS[name], justify="right", no_wrap=True)
    for row in rows(document):
        figures = cells(row)
        drawn.add_row(safe(row["transport"]), *(figures[name] for name in IN_TERMINAL))
    said = [Text(f"{safe(row['transport'])}: {safe(row['says'])}") for row in rows(document) if row.get("says")]
    sentences = [Text(sentence, "bold") for sentence in map(safe, headlines(document))]
    return Group(*warning(document), drawn, *said, Text(), _observed(document), Text(), *sentences)


def _observed(document: Document) -> Table:
    drawn = Table.grid(padding=(0, 1))
    for one in document.get("observations", []):
        sign, style = SIGNS[one.get("holds")]
        drawn.add_row(Text(sign, style), Text(safe(one["id"]), no_wrap=True), Text(safe(one["says"]), "dim"))
    return drawn


SIGNS: dict[bool | None, tuple[str, str]] = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "dim")}
"""Whether an observation holds, so that it is not told by its colour alone."""


def report(document: Document, _folder: Path) -> str:
    """The HTML of any result, however little was read."""
    drawn = charts(document)
    return render(
        "soak.html.jinja",
        document,
        headlines(document),
        counted(document),
        chapters=[(name, *CHAPTERS[name], drawn[name]) for name in CHAPTERS if name in drawn],
        lines=[(row, cells(row)) for row in rows(document)],
        columns=COLUMNS,
        observations=document.get("observations", []),
        outcome_of={True: "stopped", False: "succeeded", None: "not applicable"},
        sign_of={holds: sign for holds, (sign, _) in SIGNS.items()},
    )
