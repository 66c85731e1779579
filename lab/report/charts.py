"""The charts of the report as Vega-Lite specifications, and the one picture of the README.

The one thing to notice: a chart holds the values of all conditions and numbers of readers that were measured. Which of
them it shows are two parameters, `conditions` and `readers`, which the page sets.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, groupby, pairwise
from typing import Any

import altair as alt
import vl_convert

from lab.report.headline import Document
from lab.report.load_charts import cpu_of_readers, lag_of_readers, memory
from lab.report.look import (
    ALARM,
    LANE,
    SOFT,
    Chart,
    Values,
    across,
    colour,
    dash,
    finish,
    lanes,
    lanes_height,
    legend,
    quoted,
    scene,
    shape,
    strength,
    tooltip,
    upward,
)
from lab.report.series import Series, front, middle, scenes, series
from lab.result import Row
from lab.sides import number
from lab.spread import Histogram

PLANE = "Bytes per token against lag: down and left is better"
BAR, STRIP = 24, 52
SQUEEZED = "compressed, parts unknown"
BYTES = ("text", "envelope", "framing and headers", "TCP/IP (estimate)", SQUEEZED)
"""What the bytes of a token may be."""
SHOWN = 120
"""Tokens of a strip; more would be no ticks any more, but a bar."""


def charts(document: Document) -> dict[str, dict[str, Any]]:
    """The specification of each chart for which something was measured."""
    found = _found(document)
    drawn = {name: draw(found, document) for name, draw in CHARTS.items()}
    return {name: chart.to_dict() for name, chart in drawn.items() if chart}


def chart_svg(document: Document) -> str:
    """The plane of bytes and lag as a picture that needs no JavaScript. ValueError when no run has both."""
    if not (chart := plane(_found(document), document)):
        raise ValueError("No run of this result has both bytes and lag, so there is nothing to draw.")
    title = alt.Title(PLANE, subtitle="Medians with their 95 % intervals", anchor="start", offset=12)
    return str(vl_convert.vegalite_to_svg(chart.properties(width=680, title=title, padding=16).to_dict()))


def _found(document: Document) -> list[Series]:
    """The scene that is shown first comes first."""
    return [one for rivals in scenes(series(document)) for one in rivals]


def plane(found: Sequence[Series], _document: Document) -> Chart | None:
    """Bytes per token × p95 lag with intervals, and the front: nothing lies left of it and below it."""
    known = [one for one in found if {"bytes_per_token", "lag_p95"} <= one.medians.keys()]
    if not known:
        return None
    values = [scene(one) | quoted(one, "x", "bytes_per_token") | quoted(one, "y", "lag_p95") for one in known]
    edge = [step for rivals in scenes(known) for step in _edge(rivals, values)]
    hue = colour(known, legend())
    base = alt.Chart().encode(
        x=across(values, ("x", "x_low", "x_high"), "bytes per token, up and down (B)"),
        y=upward(values, ("y", "y_low", "y_high"), "p95 lag (ms)"),
    )
    stairs = base.transform_filter("datum.edge").mark_line(interpolate="step-after", color=SOFT, strokeDash=[2, 4])
    points = base.transform_filter("!datum.edge")
    layers = [
        stairs.encode(order="edge:Q"),
        points.mark_rule(strokeWidth=2).encode(x=alt.X("x_low:Q"), x2="x_high", color=hue),
        points.mark_rule(strokeWidth=2).encode(y=alt.Y("y_low:Q"), y2="y_high", color=hue),
        points.mark_point(filled=True, size=150, opacity=1).encode(
            color=hue, shape=shape(known), tooltip=tooltip(x_says="bytes per token", y_says="p95 lag")
        ),
    ]
    return finish(layers, values + edge, height=380)


def _edge(rivals: Sequence[Series], values: Values) -> Values:
    """The front as steps, from the upper edge of the plane to its right one."""
    best = sorted((middle(one, "bytes_per_token") or 0, middle(one, "lag_p95") or 0) for one in front(rivals))
    if not best:
        return []
    lowest = [*accumulate((lag for _, lag in best), min)]
    steps = [(best[0][0], max(value["y_high"] for value in values))]
    steps += [(cost, lag) for (cost, _), lag in zip(best, lowest, strict=True)]
    steps.append((max(value["x_high"] for value in values), lowest[-1]))
    return [scene(rivals[0]) | {"edge": at, "x": x, "y": y} for at, (x, y) in enumerate(steps, 1)]


def stack(found: Sequence[Series], _document: Document) -> Chart | None:
    """What the bytes of a token are."""
    values = [scene(one) | part for one in found for part in _parts(one)]
    if not values:
        return None
    kinds = [kind for kind in BYTES if any(value["kind"] == kind for value in values)]
    base = alt.Chart().encode(y=lanes(found))
    bars = base.mark_bar(height=BAR).encode(
        x=alt.X("bytes:Q", title="bytes per token (B)", stack="zero"),
        order=alt.Order("at:Q"),
        color=colour(found, None),
        opacity=strength("kind", kinds, 1.0, 0.16),
        tooltip=tooltip(kind="part", bytes="bytes per token"),
    )
    totals = base.transform_filter("datum.end").mark_text(align="left", dx=6, fontWeight=600)
    return finish([bars, totals.encode(x="end:Q", text="total:N")], values, height=lanes_height(found, LANE))


def _parts(one: Series) -> Values:
    """The parts of a median token. Deflate leaves fewer bytes than it was given, and they cannot be told apart."""
    total, wire = middle(one, "bytes_per_token"), middle(one, "wire_per_token")
    text, envelope = middle(one, "text_per_token"), middle(one, "envelope_per_token")
    if total is None:
        return []
    if text is None or envelope is None or total < text + envelope:
        sizes = {SQUEEZED: total}
    else:
        sizes = {"text": text, "envelope": envelope, "framing and headers": total - text - envelope}
    if wire is not None:
        sizes["TCP/IP (estimate)"] = wire - total
    parts: Values = [{"kind": kind, "bytes": round(size, 3), "at": at} for at, (kind, size) in enumerate(sizes.items())]
    parts[-1] |= {"end": sum(sizes.values()), "total": number(total if wire is None else wire)}
    return parts


def curves(found: Sequence[Series], document: Document) -> Chart | None:
    """Lag at each percentile, of all runs together."""
    load = document["experiment"] == "load"
    title, name = ("corrected lag (ms)", "corrected_lag_us") if load else ("lag (ms)", "lag_us")
    values = [scene(one) | point for one in found for point in _curve(one.rows, name)]
    if not values:
        return None
    places = alt.Axis(
        values=[1, 2, 4, 10, 20, 100, 1000, 10_000, 100_000],
        labelExpr="format(100 - 100 / datum.value, '~r') + ' %'",
    )
    x = alt.X("x:Q", title="share of tokens at or below", scale=alt.Scale(type="log", domainMin=1), axis=places)
    base = alt.Chart().encode(x=x, y=upward(values, ["ms"], title), color=colour(found, legend()))
    lines = base.mark_line(strokeWidth=2).encode(strokeDash=dash(found))
    points = base.transform_filter("datum.name").mark_point(filled=True, size=80, opacity=1)
    named = points.encode(shape=shape(found), tooltip=tooltip(name="percentile", ms=title))
    return finish([lines, named], values, height=340)


def _curve(rows: Sequence[Row], name: str) -> Values:
    """Points of the merged histogram; x = 1 / (1 − percentile), as HdrHistogram's own plots have it."""
    merged = Histogram()
    for row in rows:
        if encoded := (row.get("histograms") or {}).get(name):
            merged.add(Histogram.decode(encoded))
    most = len(merged)  # the largest of n values stands at 1 - 1/n: beyond it nothing was seen
    line = {1 / max(1 - share / 100, 1 / most): ms for share, ms in merged.curve()}
    points: Values = [{"x": x, "ms": ms} for x, ms in line.items()]
    for label, x in {"p50": 2, "p95": 20, "p99": 100}.items():
        if x <= most:
            points.append({"x": x, "ms": merged.summary()[label], "name": label})
    return points


def strips(found: Sequence[Series], _document: Document) -> Chart | None:
    """Each token of a run on one time axis: when it was written, and when it was here."""
    values = [scene(one) | mark for one in found for mark in _strip(one)]
    if not values:
        return None
    end = max(mark["to"] for mark in values if mark["kind"] == "read")
    time = alt.X("from:Q", title="milliseconds since the start", scale=alt.Scale(domain=[0, end], nice=False))
    base = alt.Chart().encode(x=time, y=lanes(found), color=colour(found, None))
    says = tooltip(tokens="tokens of this read", waited="the first waited (ms)", to="here at (ms)")
    waits = base.transform_filter("datum.kind === 'read'").mark_bar(height=18, opacity=0.28)
    written = base.transform_filter("datum.kind === 'token'").mark_tick(thickness=1, height=18, opacity=0.7)
    here = base.transform_filter("datum.kind === 'read'").mark_tick(thickness=3, height=24, opacity=1)
    gaps = base.transform_filter("datum.kind === 'gap'").mark_rule(strokeWidth=3, yOffset=17)
    marks = (
        waits.encode(x2="to", tooltip=says),
        written,
        here.encode(x=alt.X("to:Q"), tooltip=says),
        gaps.encode(x2="to", color=alt.value(ALARM), tooltip=tooltip(waited="silence (ms)")),
    )
    return finish(marks, values, height=lanes_height(found, STRIP))


def _strip(one: Series) -> Values:
    """The first run that kept its times: every token, the read that brought it, and the silences."""
    if not (times := next((row["times"] for row in one.rows if row.get("times")), None)):
        return []
    written = [round(at, 1) for at in times["appended_ms"][:SHOWN]]
    here = [round(at, 1) for at in times["received_ms"][:SHOWN]]
    marks: Values = [{"kind": "token", "from": at} for at in written]
    for end, tokens in groupby(zip(here, written, strict=True), key=lambda pair: pair[0]):
        begins = [start for _, start in tokens]
        read = {
            "kind": "read",
            "from": begins[0],
            "to": end,
            "tokens": len(begins),
            "waited": round(end - begins[0], 1),
        }
        marks.append(read)
    pace = one.key.token_ms
    for start, end in pairwise(here):
        if end - start > 2 * pace > 0:
            marks.append({"kind": "gap", "from": start + pace, "to": end, "waited": round(end - start, 1)})
    return marks


CHARTS: dict[str, Callable[[Sequence[Series], Document], Chart | None]] = {
    "plane": plane,
    "stack": stack,
    "curves": curves,
    "strips": strips,
    "memory": memory,
    "cpu_of_readers": cpu_of_readers,
    "lag_of_readers": lag_of_readers,
}
