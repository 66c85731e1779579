"""The charts of the peers: a bar for each, with its interval.

The one thing to notice: a chart holds all transports and crowds. Which of them it shows is one parameter, `conditions`,
which the page sets.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import altair as alt

from lab.peers.targets import OURS, REQUEST, cost_of
from lab.report.headline import Document
from lab.report.look import COLOURS, INK, LANE, SOFT, Chart, Values, finish, tooltip
from lab.result import Row, values
from lab.sides import quoted
from lab.spread import interval, median

BAR = 22
HUES = {"pushlab": COLOURS["sse"], "peer": SOFT}


def charts(document: Document, names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The specification of each chart for which something was measured; `names` are the peers, in their order."""
    rows = [row for row in document["rows"] if not row.get("void")]
    drawn = {
        "cpu": bars(list(_bars(rows, names, None)), names.values(), "server CPU (µs)", HUES),
        "lag": bars(list(_bars(rows, names, "corrected_lag_ms.p99")), names.values(), "p99 corrected lag (ms)", HUES),
    }
    return {name: chart.to_dict() for name, chart in drawn.items() if chart}


def bars(found: Values, names: Iterable[str], title: str, hues: Mapping[str, str]) -> Chart | None:
    """A bar for each value's `variant`, in the order of `names` and in the colour that `hues` has for its `whose`."""
    if not found:
        return None
    order = [name for name in names if any(value["variant"] == name for value in found)]
    axis = alt.Axis(domain=False, ticks=False, grid=False, labelFontSize=13, labelColor=INK, labelLimit=240)
    scale = alt.Scale(domain=list(hues), range=list(hues.values()))
    base = alt.Chart().encode(
        y=alt.Y("variant:N", title=None, sort=order, axis=axis),
        x=alt.X("x:Q", title=title, stack=None, scale=alt.Scale(domainMin=0)),
    )
    marks = [
        base.mark_bar(height=BAR).encode(
            color=alt.Color("whose:N", scale=scale, legend=None), tooltip=tooltip(says=title, of="of")
        ),
        base.mark_rule(strokeWidth=2, color=INK).encode(x="low:Q", x2="high"),
        base.mark_text(align="left", dx=6, yOffset=-BAR / 2 - 5, fontSize=12).encode(text="says:N"),
    ]
    most = max(sum(value["conditions"] == one["conditions"] for value in found) for one in found)
    return finish(marks, found, height=LANE * max(most, 2), by=("conditions",))


def _bars(rows: Sequence[Row], names: Mapping[str, str], figure: str | None) -> Iterator[dict[str, Any]]:
    """The values of a chart; without a figure it is that of CPU which the transport has."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["transport"], str(row.get("crowd")), str(row.get("peer"))), []).append(row)
    for (transport, crowd, peer), theirs in groups.items():
        if found := values(theirs, figure or cost_of(transport)):
            low, high = interval(found)
            yield {
                "conditions": f"{transport}, {crowd}",
                "variant": names.get(peer, peer),
                "whose": "pushlab" if peer == OURS else "peer",
                "x": round(median(found), 3),
                "low": low,
                "high": high,
                "says": quoted(found),
                "of": "each request" if not figure and cost_of(transport) == REQUEST else "each token",
            }
