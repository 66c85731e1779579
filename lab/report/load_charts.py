"""The charts that only the load experiment has something for: memory, and what happens as readers become more.

The one thing to notice: CPU per token and lag stand over the number of readers, never alone.
"""

from collections.abc import Sequence

import altair as alt

from lab.report.headline import Document
from lab.report.look import (
    ALARM,
    LANE,
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
from lab.report.series import Series


def memory(found: Sequence[Series], _document: Document) -> Chart | None:
    """What an open connection costs the server, with nothing to send and with tokens on their way."""
    states = {"idle": "memory_idle", "active": "memory_active"}
    measured = sorted((one for one in found if "memory_idle" in one.medians), key=lambda one: one.key.readers)
    most = {(one.conditions, one.label): one for one in measured}  # the more connections, the better known is a slope
    values = [
        scene(one) | quoted(one, "x", figure) | {"state": state}
        for one in most.values()
        for state, figure in states.items()
        if figure in one.medians
    ]
    if not values:
        return None
    base = alt.Chart().encode(
        x=alt.X("x:Q", title="memory per connection (KiB)"),
        y=lanes(found),
        yOffset=alt.YOffset("state:N", sort=list(states)),
    )
    says = tooltip(state="connections", readers="as many as", x_says="KiB for each")
    bars = base.mark_bar().encode(
        color=colour(found, None), opacity=strength("state", list(states), 0.4, 1.0), tooltip=says
    )
    labels = base.mark_text(align="left", dx=6).encode(text="x_text:N")
    return finish([bars, labels], values, height=lanes_height(most.values(), LANE), by=_telling(values))


def lag_of_readers(found: Sequence[Series], document: Document) -> Chart | None:
    """Corrected lag over the number of readers, and the objective."""
    if document["experiment"] != "load":
        return None
    objective = document["parameters"].get("objective_ms")
    return _of_readers(found, "corrected_p95", "p95 corrected lag (ms)", objective)


def cpu_of_readers(found: Sequence[Series], _document: Document) -> Chart | None:
    """CPU per token over the number of readers."""
    return _of_readers(found, "cpu", "server CPU per token (µs)", None)


def _of_readers(found: Sequence[Series], figure: str, title: str, objective: float | None) -> Chart | None:
    values = [scene(one) | quoted(one, "y", figure) for one in found if figure in one.medians]
    if not values:
        return None
    hue = colour(found, legend())
    limit = [{"y": objective}] if objective else []
    x = across(values, ["readers"], "readers at once", sorted({value["readers"] for value in values}))
    base = alt.Chart().encode(x=x, y=upward([*values, *limit], ("y", "y_low", "y_high"), title))
    lines = base.mark_line(strokeWidth=2).encode(color=hue, strokeDash=dash(found))
    noise = base.mark_rule(strokeWidth=2).encode(y=alt.Y("y_low:Q"), y2="y_high", color=hue)
    says = tooltip(readers="readers", y_says=title)
    points = base.mark_point(filled=True, size=90, opacity=1).encode(color=hue, shape=shape(found), tooltip=says)
    layers = [lines, noise, points]
    if limit:
        layers.append(alt.Chart(alt.InlineData(values=limit)).mark_rule(color=ALARM, strokeDash=[6, 4]).encode(y="y:Q"))
    return finish(layers, values, height=340, by=_telling(values))


def _telling(values: Values) -> Sequence[str]:
    """Of all numbers of readers at once. And where crowds were measured under one condition only, that is shown."""
    return ("conditions",) if len({value["conditions"] for value in values}) > 1 else ()
