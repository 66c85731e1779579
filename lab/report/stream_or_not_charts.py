"""The charts of streaming or not: when text came, and a bar for each way and figure.

The one thing to notice: the first chart is the whole experiment. Both ways hold the connection for as long; only one of
them has anything to show for it meanwhile.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from lab.report.headline import Document
from lab.report.look import COLOURS, INK, LANE, SOFT, Chart, Values, finish, tooltip
from lab.report.peers_charts import bars
from lab.result import Row
from lab.sides import Figure, Side, quoted
from lab.spread import interval, median
from lab.stream_or_not.claims import BYTES, CPU, E2E, MEMORY, TTFT
from lab.stream_or_not.ways import WAYS

HUES = {"streamed": COLOURS["sse"], "whole": SOFT}
BARS = {"ttft": TTFT, "e2e": E2E, "bytes": BYTES, "cpu": CPU, "memory": MEMORY}
"""Figures that have a chart."""
VARIANTS = [way.variant for way in WAYS.values()]


def charts(document: Document) -> dict[str, dict[str, Any]]:
    """The specification of each chart for which something was measured."""
    rows = [row for row in document["rows"] if not row.get("void")]
    drawn = {"text": times(rows)} | {
        name: bars(list(_bars(rows, figure)), VARIANTS, figure.words, HUES) for name, figure in BARS.items()
    }
    return {name: chart.to_dict() for name, chart in drawn.items() if chart}


def times(rows: Sequence[Row]) -> Chart | None:
    """Of one asker in the first run: a line up to the last text, and a tick for each text."""
    alone = [row for row in rows if row.get("readers") == 1 and row.get("run") == 1 and row.get("read_ms")]
    found: Values = [
        {"variant": row["variant"], "whose": _whose(row), "ms": ms, "end": row["read_ms"][-1]}
        for row in sorted(alone, key=lambda row: VARIANTS.index(row["variant"]) if row["variant"] in VARIANTS else 99)
        for ms in row["read_ms"]
    ]
    if not found:
        return None
    lanes = list(dict.fromkeys(value["variant"] for value in found))
    axis = alt.Axis(domain=False, ticks=False, grid=False, labelFontSize=13, labelColor=INK, labelLimit=160)
    base = alt.Chart().encode(y=alt.Y("variant:N", title=None, sort=lanes, axis=axis))
    hues = alt.Color("whose:N", scale=alt.Scale(domain=list(HUES), range=list(HUES.values())), legend=None)
    marks = [
        base.mark_rule(color=SOFT, strokeWidth=1)
        .encode(x=alt.X("zero:Q", title="milliseconds after asking", scale=alt.Scale(domainMin=0)), x2="end:Q")
        .transform_calculate(zero="0"),
        base.mark_tick(thickness=2, height=22).encode(
            x=alt.X("ms:Q", title="milliseconds after asking"), color=hues, tooltip=tooltip(ms="text came after (ms)")
        ),
    ]
    return finish(marks, found, height=LANE * max(len(lanes), 2), by=())


def _bars(rows: Sequence[Row], figure: Figure) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["readers"] or 0, row["variant"]), []).append(row)
    for (askers, variant), theirs in groups.items():
        if found := figure.of(Side(variant, variant, theirs)):
            low, high = interval(found)
            yield {
                "conditions": crowd(askers),
                "variant": variant,
                "whose": _whose(theirs[0]),
                "x": round(median(found), 3),
                "low": low,
                "high": high,
                "says": quoted(found),
                "of": crowd(askers),
            }


def _whose(row: Row) -> str:
    return "streamed" if row.get("streamed") else "whole"


def crowd(askers: int) -> str:
    """How many, in words."""
    return f"{askers:,} asking" + (" at once" if askers > 1 else " alone")
