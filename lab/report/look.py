"""How a variant looks in every chart: its colour, its shape, its dash, its lane.

The one thing to notice: the colour is the transport's, so what tells two polling intervals apart is never the colour.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from lab.report.series import Series, shown

COLOURS = {  # of Okabe and Ito, as in pages/style.css
    "polling": "#e69f00",
    "long_polling": "#56b4e9",
    "iframe": "#cc79a7",
    "sse": "#009e73",
    "websocket": "#0072b2",
    "whole": "#6b7280",
}
ALARM, INK, SOFT, LINE = "#b34700", "#17212b", "#4d5965", "#d8d4c9"
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4), (3, 6))
LANE = 40
"""Height of a lane."""
DECADES = 20
"""From this ratio of largest to smallest on, an axis is logarithmic."""

Values = list[dict[str, Any]]
Chart = alt.LayerChart

SCENE = ("conditions", "readers")
"""What tells a value's scene. A chart is filtered by these fields, or by some of them, or by none."""

CONFIG: dict[str, Any] = {
    "background": "#ffffff",
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
    "view": {"stroke": None},
    "title": {"fontSize": 17, "color": INK, "subtitleFontSize": 13, "subtitleColor": SOFT, "subtitlePadding": 4},
    "axis": {
        "labelColor": SOFT,
        "labelFontSize": 12,
        "titleColor": INK,
        "titleFontSize": 13,
        "titleFontWeight": 600,
        "titlePadding": 8,
        "gridColor": "#e8e5dc",
        "domainColor": LINE,
        "tickColor": LINE,
        "labelOverlap": "greedy",
    },
    "axisQuantitative": {"tickCount": 8},
    "axisY": {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "start", "titleX": 0, "titleY": -12},
    "legend": {
        "orient": "top",
        "labelColor": INK,
        "labelFontSize": 13,
        "labelLimit": 0,
        "symbolSize": 110,
        "symbolStrokeWidth": 0,
        "columnPadding": 18,
        "offset": 34,
    },
    "text": {"color": INK, "fontSize": 13},
}


def scene(one: Series) -> dict[str, Any]:
    """Where a value belongs: what the reader of the report can choose between, and its variant."""
    return {"conditions": one.conditions, "readers": one.key.readers, "variant": one.label}


def quoted(one: Series, field: str, figure: str) -> dict[str, Any]:
    """A median for a chart, its interval, and both in words."""
    known = one.medians[figure]
    low, high = known.interval
    says = shown(known.middle)
    words = {f"{field}_text": says, f"{field}_says": f"{says} ({shown(low)} to {shown(high)})"}
    return {field: known.middle, f"{field}_low": low, f"{field}_high": high} | words


def finish(layers: Iterable[alt.Chart], values: Values, height: float, by: Sequence[str] = SCENE) -> Chart:
    """Put layers together and give them their data. Which of it is shown, a parameter for each field in `by` says."""
    chart = alt.LayerChart(
        layer=list(layers),
        data=alt.InlineData(values=values),
        width="container",
        height=height,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        config=CONFIG,
    )
    for name in by:
        chart = chart.transform_filter(f"datum.{name} === {name}").add_params(alt.param(name, value=values[0][name]))
    return chart


def legend() -> alt.Legend:
    """Its entries side by side, as many as there is room for."""
    return alt.Legend(title=None, columns=columns(150))


def columns(each: int, least: int = 2) -> alt.ExprRef:
    """As many of `each` pixels as the page has room for. A chart's own `width` is known too late: it would cut some."""
    return alt.ExprRef(f"isFinite(containerSize()[0]) ? max({least}, floor(containerSize()[0] / {each})) : 4")


def colours(found: Iterable[Series]) -> alt.Scale:
    """Those of the transports."""
    return _scale({one.label: COLOURS.get(one.key.transport, INK) for one in found})


def colour(found: Iterable[Series], key: alt.Legend | None) -> alt.Color:
    """The transport's; `key` is the legend, if there is one."""
    return alt.Color("variant:N", scale=colours(found), legend=key)


def strength(field: str, parts: Sequence[str], first: float, last: float) -> alt.Opacity:
    """How strongly the parts of a bar are drawn, whatever its colour: in even steps."""
    grey = alt.Legend(
        title=None,
        symbolType="square",
        symbolFillColor=INK,
        columns=columns(175),
        offset=10,
    )
    steps = alt.Scale(domain=list(parts), range=[first, last])
    return alt.Opacity(f"{field}:N", sort=list(parts), scale=steps, legend=grey)


def shape(found: Iterable[Series]) -> alt.Shape:
    """One for each variant, as long as there are any."""
    labels = dict.fromkeys(one.label for one in found)
    shapes = {label: SHAPES[at % len(SHAPES)] for at, label in enumerate(labels)}
    return alt.Shape("variant:N", scale=_scale(shapes), legend=legend())


def dash(found: Sequence[Series]) -> alt.StrokeDash:
    """One for each variant of a transport; the first is a solid line."""
    seen: dict[str, list[str]] = {}
    for one in found:
        labels = seen.setdefault(one.key.transport, [])
        if one.label not in labels:
            labels.append(one.label)
    dashes = {label: DASHES[at % len(DASHES)] for labels in seen.values() for at, label in enumerate(labels)}
    ordered = {one.label: dashes[one.label] for one in found}
    return alt.StrokeDash("variant:N", scale=_scale(ordered), legend=legend())


def lanes_height(found: Iterable[Series], each: int) -> int:
    """Room for every lane."""
    return each * len({one.label for one in found})


def lanes(found: Iterable[Series]) -> alt.Y:
    """Each variant in a lane of its own, named at its left."""
    return alt.Y(
        "variant:N",
        title=None,
        sort=list(dict.fromkeys(one.label for one in found)),
        axis=alt.Axis(
            domain=False, ticks=False, grid=False, labelFontSize=13, labelColor=INK, labelLimit=160, labelPadding=8
        ),
    )


def across(values: Values, fields: Sequence[str], title: str, marks: Sequence[float] = ()) -> alt.X:
    """A horizontal axis for the first of `fields`, with room for the others, and lines at `marks`."""
    scale, axis = _axis(values, fields)
    return alt.X(f"{fields[0]}:Q", title=title, scale=scale, axis=alt.Axis(values=list(marks)) if marks else axis)


def upward(values: Values, fields: Sequence[str], title: str) -> alt.Y:
    """The same as a vertical axis."""
    scale, marks = _axis(values, fields)
    return alt.Y(f"{fields[0]}:Q", title=title, scale=scale, axis=marks)


def _axis(values: Values, fields: Sequence[str]) -> tuple[alt.Scale, alt.Axis]:
    """From zero; logarithmic, with lines at 1, 2 and 5, where the largest would hide the smallest."""
    numbers = [value[field] for value in values for field in fields if field in value]
    low, high = min(numbers), max(numbers)
    if low <= 0 or high / low <= DECADES:
        return alt.Scale(domain=[min(low, 0), max(high, 1e-3)], nice=True), alt.Axis()
    low, high = low / 1.6, high * 1.6
    lines = [digit * 10.0**power for power in range(-4, 10) for digit in (1, 2, 5)]
    return alt.Scale(type="log", domain=[low, high], nice=False), alt.Axis(
        values=[line for line in lines if low <= line <= high], format=",~r"
    )


def tooltip(**fields: str) -> list[alt.Tooltip]:
    """The variant, and these fields under their titles."""
    named = {"variant": "variant"} | fields
    return [alt.Tooltip(field=field, title=title) for field, title in named.items()]


def _scale(looks: dict[str, Any]) -> alt.Scale:
    return alt.Scale(domain=list(looks), range=list(looks.values()))
