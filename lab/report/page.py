"""The report of `overhead` and `load`: a result document as one HTML file that opens anywhere, offline.

The one thing to notice: the verdict comes first, and below it what it rests on: charts, then figures, then how they
were measured. The template forbids the page every request, so what it shows is in the file.
"""

from collections.abc import Sequence
from typing import Any

from lab.report.charts import PLANE, charts
from lab.report.frame import render
from lab.report.glossary import FIGURES
from lab.report.headline import Document, absent, capacities, crowds, front_of, heading, headlines, runs
from lab.report.look import SCENE, scene
from lab.report.series import Series, scenes, series

CHAPTERS = {
    "plane": (
        PLANE,
        "Each point is the median of all runs, and its lines are the 95 % interval. Beyond noise, nothing that pushes "
        "lies below and left of the dotted steps. Which point on them is the best depends on whether bytes or "
        "milliseconds are dear.",
    ),
    "stack": (
        "What the bytes of a token are",
        "All that crosses the wire for a token, both ways: its text, the JSON around it, heads and framing, and an "
        "estimate of the TCP/IP headers of all segments, acknowledgements included.",
    ),
    "curves": (
        "The tail: how late the latest tokens are",
        "All runs together. The scale stretches towards 100 %, so that the few late tokens, which people notice, are "
        "not hidden by the many in time.",
    ),
    "strips": (
        "What a reader sees of one run",
        "A thin tick is a token being written, a thick one the read that brings it; a band joins the tokens of one "
        "read, from when the first was written. A line below marks silence of more than twice the pace, from when "
        "the next token was expected.",
    ),
    "lag_of_readers": (
        "How many readers are served in time",
        "Corrected lag counts from when a token was due, so a server that falls behind cannot look fast. The dashed "
        "line is the objective.",
    ),
    "cpu_of_readers": (
        "CPU per token, by number of readers",
        "A server with few readers sleeps in between, and waking up is part of what a token costs it. So no such "
        "figure is quoted without its number of readers.",
    ),
    "memory": (
        "Memory of an open connection",
        "By how many KiB each connection makes the server's memory (PSS, without the kernel's share) grow: idle, and "
        "with tokens on their way. Measured with the most readers.",
    ),
}
"""Of each chart: what is seen, and how to read it."""
OF_CROWDS = ("cpu_of_readers", "memory")
"""Charts of what is measured with many readers only."""


def report(document: Document) -> str:
    """The HTML of any result, however little was measured."""
    found, drawn = series(document), charts(document)
    comparable = [(heading(rivals[0]), rivals) for rivals in scenes(found)]
    return render(
        "page.html.jinja",
        document,
        headlines(found, document),
        runs(document),
        elsewhere=[(name, said) for name, rivals in comparable[1:] for said in front_of(rivals)],
        chapters=[(name, *CHAPTERS[name], drawn[name]) for name in CHAPTERS if name in drawn],
        crowds=crowds(found),
        of_crowds=OF_CROWDS,
        absent=absent(found, document),
        choices=choices(comparable),
        capacities=capacities(document),
        tables=comparable,
        figures={name: figure for name, figure in FIGURES.items() if any(name in one.medians for one in found)},
        void=[row for row in document["rows"] if row.get("void")],
    )


def choices(comparable: Sequence[tuple[str, Sequence[Series]]]) -> list[tuple[str, dict[str, Any]]]:
    """The scenes between which there is a choice: each in words, and what the charts are filtered by."""
    if len(comparable) < 2:
        return []
    return [(name, {part: scene(rivals[0])[part] for part in SCENE}) for name, rivals in comparable]
