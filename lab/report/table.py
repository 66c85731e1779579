"""The table of runs in the terminal: one line for each variant, then what it means for the claims.

The one thing to notice: a terminal is as wide as it is. The most important columns are tried first, and their intervals
before the others' columns; nothing is cut off in the middle of a figure.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from clients.terminal import safe
from lab.report.headline import SIGNS, Document, capacities, headlines, incomplete, readers
from lab.report.series import Series, series, shown

COLUMNS = {
    "requests": "requests",
    "bytes_up": "up\nB",
    "bytes_down": "down\nB",
    "bytes_per_token": "B per\ntoken",
    "overhead_factor": "over-\nhead ×",
    "ttft_p50": "TTFT\np50 ms",
    "lag_p50": "lag\np50 ms",
    "lag_p95": "lag\np95 ms",
    "gap_max": "max gap\nms",
    "burst_max": "max\nburst",
    "cpu": "CPU µs\nper token",
    "memory_idle": "KiB per\nidle conn.",
}
"""Of the overhead experiment: figures and their headings, as they stand from left to right."""

LOAD_COLUMNS = {
    "bytes_per_token": "B per\ntoken",
    "lag_p50": "lag\np50 ms",
    "corrected_p95": "corrected\nlag p95 ms",
    "cpu": "CPU µs\nper token",
    "memory_idle": "KiB per\nidle conn.",
    "memory_active": "KiB per\nactive conn.",
}
"""Of the load experiment."""

WEIGHTS = (
    *("corrected_p95", "bytes_per_token", "lag_p95", "cpu", "memory_idle", "lag_p50", "requests", "gap_max"),
    *("memory_active", "overhead_factor", "burst_max", "ttft_p50", "bytes_up", "bytes_down"),
)
"""The most important figures first. Where a line is too short for all, the last ones are left to the report."""

QUOTED = ("bytes_per_token", "lag_p95", "corrected_p95", "cpu")
"""Figures whose interval is shown in narrow terminals, too."""

CONDITIONS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "token_ms": ("pace\nms", shown),
    "unit": ("unit", str),
    "cookie_bytes": ("cookies\nB", shown),
    "tls": ("TLS", lambda tls: "yes" if tls else "no"),
    "readers": ("readers", shown),
}
"""Columns that are there when the groups differ in them."""

UNLIMITED = 10_000

CAPTION = "Medians of the runs, some with their 95 % interval. All figures are in the report."

STYLES = {"holds": "green", "does not hold": "red", "depends": "yellow", "not measured": "dim"}


class Plan(NamedTuple):
    """Which figures to show, and which of them with their intervals."""

    figures: Sequence[str]
    quoted: Sequence[str]


def table(document: Document) -> RenderableType:
    """What was measured, for `Console.print`; it works with every document, however little was measured."""
    found = series(document)
    lines = [Fitting(found, document)] if found else []
    return Group(*warning(document), *lines, *_void(document), *said(headlines(found, document), document))


@dataclass(frozen=True)
class Fitting:
    """The table, as much of it as fits."""

    found: Sequence[Series]
    document: Document

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Take the first plan that fits, or the shortest there is."""
        drawn = None
        for plan in _plans(self.found, self.document):
            drawn = _drawn(self.found, plan, capacities(self.document))
            if console.measure(drawn, options=options.update(max_width=UNLIMITED)).maximum <= options.max_width:
                break
        yield drawn or ""


def _plans(found: Sequence[Series], document: Document) -> Iterator[Plan]:
    """From everything to the most important figure alone."""
    columns = LOAD_COLUMNS if document["experiment"] == "load" else COLUMNS
    measured = [name for name in columns if any(name in one.medians for one in found)]
    weighed = sorted(measured, key=WEIGHTS.index)
    yield Plan(measured, measured)
    for most in range(len(measured), 0, -1):
        kept = [name for name in measured if name in weighed[:most]]
        yield Plan(kept, QUOTED)
    yield Plan(weighed[:1], ())


def _drawn(found: Sequence[Series], plan: Plan, most: dict[str, Any]) -> Table:
    drawn = Table(box=None, header_style="bold", pad_edge=False, caption=CAPTION, caption_justify="left")
    differ = [name for name in CONDITIONS if len({getattr(one.key, name) for one in found}) > 1]
    telling = differ if "readers" in differ or not most else [*differ, "readers"]
    drawn.add_column("", no_wrap=True)
    for heading in [CONDITIONS[name][0] for name in telling]:
        drawn.add_column(heading, justify="right", no_wrap=True)
    for name in plan.figures:
        drawn.add_column((COLUMNS | LOAD_COLUMNS)[name], justify="right", no_wrap=True)
    if most:
        drawn.add_column("capacity\nreaders", justify="right", no_wrap=True)
    rooms = {name: _rooms(found, name, name in plan.quoted) for name in plan.figures}
    for one in found:
        conditions = [CONDITIONS[name][1](getattr(one.key, name)) for name in telling]
        figures = [_cell(one, name, *rooms[name]) for name in plan.figures]
        capacity = [shown(most[one.key.transport]["readers"])] if most else []
        drawn.add_row(one.label, *conditions, *figures, *capacity)
    return drawn


def _rooms(found: Sequence[Series], name: str, quoted: bool) -> tuple[int, int]:
    """How wide a column's medians and its intervals are, so that medians without an interval stand under the others."""
    intervals = max(len(_interval(one, name)) for one in found) if quoted else 0
    heading = max(map(len, (COLUMNS | LOAD_COLUMNS)[name].splitlines()))
    return max([heading - intervals, *(len(_middle(one, name)) for one in found)]), intervals


def _cell(one: Series, name: str, left: int, right: int) -> Text:
    """A median in the left part, and its interval in the right one, if there is such a part."""
    return Text.assemble(_middle(one, name).rjust(left), (_interval(one, name) if right else "", "dim"), justify="left")


def _middle(one: Series, name: str) -> str:
    return shown(one.medians[name].middle) if name in one.medians else "–"


def _interval(one: Series, name: str) -> str:
    """Where the median lies, if that is wide enough to be seen."""
    low, high = map(shown, one.medians[name].interval) if name in one.medians else ("", "")
    return "" if low == high else f" {low}–{high}"


def warning(document: Document) -> Iterator[Text]:
    """Said before anything else, where not all was measured."""
    if why := incomplete(document):
        yield Text(f"incomplete: {safe(why)}", "bold yellow")


def _void(document: Document) -> Iterator[Text]:
    """The runs that are not published, and why."""
    rows = [row for row in document["rows"] if row.get("void")]
    reasons = [(f"{row.get('variant')}, {readers(row.get('readers') or 0)}", row["void"]) for row in rows]
    for who, why in dict.fromkeys(reasons):
        yield Text.assemble(("void ", "bold yellow"), f"{who}: {why}")


def said(headlines: Sequence[str], document: Document) -> Iterator[RenderableType]:
    """The headline and the verdicts, readable without colour as well."""
    yield Text()
    for sentence in headlines:
        yield Text(sentence, "bold")
    verdicts = Table.grid(padding=(0, 1))
    for each in document["verdicts"]:
        style = STYLES.get(each["verdict"], "")
        mark = Text(f"{SIGNS.get(each['verdict'], '?')} {each['verdict']}", style, no_wrap=True)
        verdicts.add_row(each["claim"], mark, Text.assemble(each["says"], "\n", (safe(each["because"]), "dim")))
    if document["verdicts"]:
        yield Text()
        yield verdicts
