"""The charts of the soak: what the server held, and what was done to its readers, over time.

The one thing to notice: the time goes on after the last reader has gone. All lines have to come down again then.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import altair as alt

from lab.report.headline import Document
from lab.report.look import COLOURS, SOFT, Chart, Values, columns, finish
from lab.soak.verdict import MIB, Sample

HELD = {"sockets": "sockets", "tasks": "tasks", "readers": "readers served", "typing": "answers typed"}
"""What is counted, and its words."""
HUES = (COLOURS["websocket"], COLOURS["polling"], COLOURS["sse"], COLOURS["iframe"])
CUTS = {"fin": "closed (FIN)", "rst": "reset (RST)"}
TIME = "seconds since the first reader came"


def charts(document: Document) -> dict[str, dict[str, Any]]:
    """The specification of each chart for which there are samples enough."""
    samples = document.get("samples", [])
    if len(samples) < 2:
        return {}
    until = document["parameters"].get("minutes")
    drawn = {
        "held": lines(list(held(samples)), "how many", HUES, until),
        "memory": lines(list(memory(samples)), "memory (MiB)", HUES, until),
        "cuts": lines(list(cuts(samples)), "cuts per second", HUES, until),
    }
    return {name: chart.to_dict() for name, chart in drawn.items() if chart}


def lines(values: Values, title: str, hues: Sequence[str], minutes: float | None) -> Chart | None:
    """A line for each that is counted; a dashed one stands where no more answers were begun."""
    if not values:
        return None
    names = list(dict.fromkeys(value["line"] for value in values))
    colours = alt.Scale(domain=names, range=[hues[at % len(hues)] for at in range(len(names))])
    key = alt.Legend(title=None, columns=columns(150)) if len(names) > 1 else None
    hue = alt.Color("line:N", scale=colours, legend=key)
    base = alt.Chart().encode(
        x=alt.X("at:Q", title=TIME, scale=alt.Scale(domain=[0, max(value["at"] for value in values)], nice=False)),
        y=alt.Y("y:Q", title=title, scale=alt.Scale(domainMin=0, nice=True)),
    )
    says = [
        alt.Tooltip(field=field, title=words) for field, words in (("line", "what"), ("at", "second"), ("y", title))
    ]
    drawn = [
        base.mark_line(strokeWidth=2).encode(color=hue),
        base.mark_point(filled=True, size=18, opacity=1).encode(color=hue, tooltip=says),
    ]
    if minutes:
        over = alt.Chart(alt.InlineData(values=[{"at": minutes * 60}]))
        drawn.append(over.mark_rule(color=SOFT, strokeDash=[6, 4]).encode(x="at:Q"))
    return finish(drawn, values, height=260, by=())


def held(samples: Sequence[Sample]) -> Iterator[dict[str, Any]]:
    """What was open at each moment."""
    for sample in samples:
        yield from ({"at": sample["at_s"], "y": sample[name], "line": words} for name, words in HELD.items())


def memory(samples: Sequence[Sample]) -> Iterator[dict[str, Any]]:
    """The server's memory."""
    for sample in samples:
        yield {"at": sample["at_s"], "y": round(sample["memory_bytes"] / MIB, 2), "line": "server"}


def cuts(samples: Sequence[Sample]) -> Iterator[dict[str, Any]]:
    """Cuts per second between two samples, by their kind."""
    for before, after in pairwise(samples):
        took_s = after["at_s"] - before["at_s"]
        for kind, count in after["cuts"].items():
            if took_s > 0:
                rate = (count - before["cuts"].get(kind, 0)) / took_s
                yield {"at": after["at_s"], "y": round(rate, 2), "line": CUTS.get(kind, kind)}
