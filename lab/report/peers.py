"""The experiment `peers`, shown: how this server does beside each peer, and which targets it reaches.

The one thing to notice: every ratio is this server's figure divided by the peer's, so below 1 is better than the peer.
It is made run by run, and is quoted with its interval; a run that is void takes part in none.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clients.terminal import safe
from lab.peers.targets import IDLE, KIB, OURS, REQUEST, cost_of, ratios
from lab.report.frame import render
from lab.report.headline import SIGNS, Document, joined, remarks, runs
from lab.report.peers_charts import charts
from lab.report.series import place
from lab.report.table import STYLES, warning
from lab.result import Row, values
from lab.sides import NAMES, number, quoted
from lab.spread import median

USUAL = "1000x50"
"""The crowd of which the headline speaks, where it was measured."""
REACHED = {"holds": "reached", "does not hold": "not reached", "not measured": "not measured"}
"""What the verdict on a target is called."""
CHAPTERS = {
    "cpu": (
        "CPU, by peer",
        "What the server's process used while typing, less what it uses in as much idle time with the same "
        "connections: for each token, and where tokens are asked for, for each request. Medians, with their interval.",
    ),
    "lag": (
        "How late the latest tokens are",
        "p99 of corrected lag, from when a token was due to the `recv` that brought its last byte: the median of the "
        "runs. For polling most of it is the wait for the next poll.",
    ),
}
"""Of each chart: what is seen, and how to read it."""
COLUMNS = {
    "cpu": "CPU µs per {what}",
    "cpu_ratio": "pushlab ÷ it",
    "memory": "idle connection KiB",
    "memory_ratio": "pushlab ÷ it",
    "lag_p50": "lag p50 ms",
    "lag_p99": "lag p99 ms",
    "cores": "cores",
    "missing": "tokens missing",
}
"""Figures of a line and their headings."""
IN_TERMINAL = ("cpu", "cpu_ratio", "memory", "lag_p99", "missing")
"""Those for which a line of a terminal has room."""
NOTHING = "–"


class Line(NamedTuple):
    """One peer in one scene."""

    peer: str
    name: str
    cells: dict[str, str]
    notes: list[str]


class Scene(NamedTuple):
    """All peers with one transport and one crowd."""

    transport: str
    crowd: str
    says: str
    columns: dict[str, str]
    lines: list[Line]


def names(document: Document) -> dict[str, str]:
    """The names of the peers by their ids, in their order."""
    known = {one["id"]: one.get("library") or one["id"] for one in document.get("observations", [])}
    return known | {peer: peer for row in document["rows"] if (peer := str(row.get("peer"))) not in known}


def scenes(document: Document) -> list[Scene]:
    """What was measured: transports as they are always listed, crowds as they came first, the smallest before."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(document["rows"], key=lambda row: (place(row["transport"]), row["readers"] or 0)):
        found.setdefault((row["transport"], str(row.get("crowd"))), []).append(row)
    return [_scene(document, transport, crowd, rows) for (transport, crowd), rows in found.items()]


def _scene(document: Document, transport: str, crowd: str, rows: Sequence[Row]) -> Scene:
    what = "request" if cost_of(transport) == REQUEST else "token"
    ours = [row for row in rows if row.get("peer") == OURS]
    lines = []
    for peer, name in names(document).items():
        if theirs := [row for row in rows if row.get("peer") == peer]:
            lines.append(Line(peer, name, _cells(ours, theirs), list(_notes(theirs))))
    columns = {key: heading.format(what=what) for key, heading in COLUMNS.items()}
    return Scene(transport, crowd, _pace(rows[0]), columns, lines)


def _pace(row: Row) -> str:
    """The conditions in words."""
    polled = f", a poll every {row['poll_ms']:g} ms" if row.get("poll_ms") else ""
    return f"{row['readers'] or 0:,} readers, a token every {row['token_ms'] or 0:g} ms{polled}"


def _cells(ours: Sequence[Row], theirs: Sequence[Row]) -> dict[str, str]:
    """The figures of a peer, as they are shown."""
    ours, theirs = _valid(ours), _valid(theirs)
    figure = cost_of(theirs[0]["transport"]) if theirs else REQUEST
    mine = bool(theirs) and theirs[0].get("peer") == OURS
    missing = values(theirs, "missing_tokens")
    return {
        "cpu": _quoted(values(theirs, figure)),
        "cpu_ratio": NOTHING if mine else _quoted(ratios(ours, theirs, figure)),
        "memory": _quoted([size / KIB for size in values(theirs, IDLE)]),
        "memory_ratio": NOTHING if mine else _quoted(ratios(ours, theirs, IDLE)),
        "lag_p50": _quoted(values(theirs, "corrected_lag_ms.p50")),
        "lag_p99": _quoted(values(theirs, "corrected_lag_ms.p99")),
        "cores": _quoted(values(theirs, "server_cpu")),
        "missing": f"{sum(missing):,.0f}" if missing else NOTHING,
    }


def _valid(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.get("void")]


def _quoted(found: Sequence[float]) -> str:
    return quoted(found) if found else NOTHING


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """What has to be known beside the figures."""
    if count := sum(bool(row.get("saturated")) for row in _valid(rows)):
        yield f"saturated in {count} of {len(rows)} runs: its one core had no time left"
    yield from remarks(rows)


def headlines(document: Document) -> list[str]:
    """The verdict: a sentence for each transport."""
    found = scenes(document)
    said = [
        sentence
        for transport in dict.fromkeys(scene.transport for scene in found)
        for sentence in _said(document, transport)
    ]
    if not said:
        return [_why_not(document)]
    several = len({row["run"] for row in document["rows"]}) > 1
    noise = "Each ratio is a median of runs made side by side." if several else "Of one run each: noise is not known."
    return [*said, f"Below 1 this server takes less. {noise}"]


def _why_not(document: Document) -> str:
    """Why no ratio could be made."""
    rows = _valid(document["rows"])
    beside = [(row["transport"], row.get("crowd")) for row in rows if row.get("peer") != OURS]
    ours = [row for row in rows if row.get("peer") == OURS and (row["transport"], row.get("crowd")) in beside]
    if noted := next((row["cpu_note"] for row in ours if row.get("cpu_note")), None):
        return f"CPU cannot be compared. {noted} Measure a larger crowd, or for longer."
    return "No run of this server stands beside one of a peer, so there is nothing to compare."


def _said(document: Document, transport: str) -> Iterator[str]:
    """The sentence of one transport, if there is something to compare: of the usual crowd, or else of the largest."""
    rows = [row for row in _valid(document["rows"]) if row["transport"] == transport]
    figure = cost_of(transport)
    crowds = sorted(
        {str(row["crowd"]) for row in rows if row["readers"]}, key=lambda crowd: (crowd != USUAL, _less(crowd))
    )
    for crowd in crowds:
        here = [row for row in rows if row["crowd"] == crowd]
        ours = [row for row in here if row["peer"] == OURS]
        beside = {peer: ratios(ours, [row for row in here if row["peer"] == peer], figure) for peer in names(document)}
        if said := [f"{number(median(found))} × {peer}" for peer, found in beside.items() if found and peer != OURS]:
            what = "request" if figure == REQUEST else "token"
            yield f"{NAMES.get(transport, transport)}: {joined(said)} in CPU per {what}, with {crowd}."
            return


def _less(crowd: str) -> int:
    """For sorting: the more readers, the earlier."""
    return -int(crowd.partition("x")[0]) if crowd.partition("x")[0].isdigit() else 0


def left_out(document: Document) -> list[str]:
    """The peers that could not run, in sentences."""
    absent = [one for one in document.get("observations", []) if one.get("version") is None]
    return [f"{one.get('library') or one['id']} is left out: {one['says']}" for one in absent]


def wrong(document: Document) -> str | None:
    """What ended before its end; None when nothing did."""
    failed = [str(row["void"]) for row in document["rows"] if row.get("failed")]
    if not failed:
        return None
    count = f"{len(failed)} run{'s' * (len(failed) != 1)} did not come to an end."
    return " ".join([count, *dict.fromkeys(failed)])


def table(document: Document) -> RenderableType:
    """A table for each transport and crowd, then targets and verdict."""
    drawn = [each for scene in scenes(document) for each in _drawn(scene)]
    absent = [Text(safe(said), "yellow") for said in left_out(document)]
    sentences = [Text(safe(said), "bold") for said in headlines(document)]
    return Group(*warning(document), *drawn, *absent, *_targets(document), Text(), *sentences)


def _drawn(scene: Scene) -> Iterator[RenderableType]:
    yield Text(f"{safe(scene.transport)}: {scene.says}", "bold")
    drawn = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    drawn.add_column("")
    for name in IN_TERMINAL:
        drawn.add_column(scene.columns[name], justify="right")
    for line in scene.lines:
        drawn.add_row(safe(line.peer), *(line.cells[name] for name in IN_TERMINAL))
    yield drawn
    yield from (Text(f"{safe(line.peer)} {safe(note)}", "dim") for line in scene.lines for note in line.notes)
    yield Text()


def _targets(document: Document) -> Iterator[RenderableType]:
    """Those that were measured, and how many were not."""
    drawn = Table.grid(padding=(0, 1))
    measured = [each for each in document["verdicts"] if each["verdict"] != "not measured"]
    for each in measured:
        verdict = each["verdict"]
        sign = Text(SIGNS.get(verdict, "?"), STYLES.get(verdict, ""))
        drawn.add_row(
            sign, Text(REACHED.get(verdict, verdict)), Text(safe(each["says"])), Text(safe(each["because"]), "dim")
        )
    yield drawn
    if count := len(document["verdicts"]) - len(measured):
        yield Text(f"{count} target{'s' * (count != 1)} not measured; the report says what they take.", "dim")


def report(document: Document, _folder: Path) -> str:
    """The HTML of any result, however little was measured."""
    drawn = charts(document, names(document))
    found = scenes(document)
    return render(
        "peers.html.jinja",
        document,
        headlines(document),
        runs(document),
        scenes=found,
        choices=[
            (f"{scene.transport}, {scene.crowd}", {"conditions": f"{scene.transport}, {scene.crowd}"})
            for scene in found
        ],
        chapters=[(name, *CHAPTERS[name], drawn[name]) for name in CHAPTERS if name in drawn],
        peers=document.get("observations", []),
        left_out=left_out(document),
        reached=REACHED,
    )
