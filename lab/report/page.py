"""The report: a result document as one HTML file that opens anywhere, offline.

The one thing to notice: the verdict comes first, and below it what it rests on: charts, then figures, then how they
were measured. The template forbids the page every request, so what it shows is in the file.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from lab.report.charts import PLANE, charts
from lab.report.glossary import FIGURES
from lab.report.headline import SIGNS, Document, absent, capacities, crowds, front_of, heading, headlines
from lab.report.look import COLOURS, SCENE, scene
from lab.report.series import Series, scenes, series, shown
from lab.result import FILE

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

templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def report(document: Document) -> str:
    """The HTML of any result, however little was measured."""
    found, drawn = series(document), charts(document)
    comparable = [(heading(rivals[0]), rivals) for rivals in scenes(found)]
    return templates.get_template("page.html.jinja").render(
        document=document,
        file=FILE,
        headlines=headlines(found, document),
        elsewhere=[(name, said) for name, rivals in comparable[1:] for said in front_of(rivals)],
        signs=SIGNS,
        colours=COLOURS,
        chapters=[(name, *CHAPTERS[name], drawn[name]) for name in CHAPTERS if name in drawn],
        crowds=crowds(found),
        of_crowds=OF_CROWDS,
        absent=absent(found, document),
        choices=choices(comparable),
        capacities=capacities(document),
        tables=comparable,
        figures={name: figure for name, figure in FIGURES.items() if any(name in one.medians for one in found)},
        void=[row for row in document["rows"] if row.get("void")],
        code=code,
        plain=plain,
        shown=shown,
        javascript=javascript() if drawn else "",
    )


@cache
def javascript() -> str:
    """Vega-Embed and all that it needs, to be set into the page."""
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def choices(comparable: Sequence[tuple[str, Sequence[Series]]]) -> list[tuple[str, dict[str, Any]]]:
    """The scenes between which there is a choice: each in words, and what the charts are filtered by."""
    if len(comparable) < 2:
        return []
    return [(name, {part: scene(rivals[0])[part] for part in SCENE}) for name, rivals in comparable]


def code(text: str) -> Markup:
    """Escaped for HTML, with what stands between backquotes set as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def plain(name: str, value: Any) -> str:
    """A value of the environment or the parameters in words."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not known"}[value]
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(name, each) for each in value)
    if name.endswith("_bytes") and value >= 2**30:
        return f"{value / 2**30:.1f} GiB"
    return str(value)
