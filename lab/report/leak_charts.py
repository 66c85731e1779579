"""The charts of the security experiment: what the sizes of encrypted records tell, and what it costs that they do not.

The one thing to notice: without a defence and with each of them, it is the same attack that measures.
"""

from collections.abc import Callable, Mapping
from typing import Any

import altair as alt

from lab.report.attacks import lines
from lab.report.headline import Document
from lab.report.look import COLOURS, INK, SHAPES, Chart, Values, across, columns, finish, legend, upward
from lab.security.claims import LENGTHS
from lab.sides import number

NONE = "no defence"
BAR = 13
"""Height of a bar."""


def charts(document: Document) -> dict[str, dict[str, Any]]:
    """The specification of each chart for which something was measured."""
    values = leaks(document)
    return {name: draw(values).to_dict() for name, draw in CHARTS.items()} if values else {}


def leaks(document: Document) -> Values:
    """What the attack on token lengths found out, without a defence and with each, on each transport."""
    tried = [line for line in lines(document) if line.probe == LENGTHS]
    found = [(NONE, name, row.get("off_figures")) for line in tried for name, row in line.cells.items()]
    found += [(line.against, name, row.get("on_figures")) for line in tried for name, row in line.cells.items()]
    values = {
        (defence, name): _value(defence, name, figures)
        for defence, name, figures in reversed(found)  # without a defence it is the same for all: the first stays
        if figures and {"leak_bits", "bytes_per_token"} <= figures.keys()
    }
    return list(reversed(values.values()))


def _value(defence: str, transport: str, figures: Mapping[str, float]) -> dict[str, Any]:
    bits, cost = figures["leak_bits"], figures["bytes_per_token"]
    words = {"bits_text": number(bits), "bytes_text": number(cost)}
    return {"defence": defence, "transport": transport, "bits": bits, "bytes": cost} | words


def leak(values: Values) -> Chart:
    """Bits of each token's length that its record tells."""
    defences = _each(values, "defence")
    lanes = alt.Axis(domain=False, ticks=False, labelFontSize=13, labelColor=INK, labelLimit=190, labelPadding=8)
    base = alt.Chart().encode(
        x=across(values, ["bits"], "leak (bits per token)"),
        y=alt.Y("defence:N", title=None, sort=defences, axis=lanes),
        yOffset=alt.YOffset("transport:N", sort=_each(values, "transport")),
    )
    bars = base.mark_bar(height=BAR - 2).encode(color=_hue(values, None), tooltip=_says())
    labels = base.mark_text(align="left", dx=5, fontSize=11).encode(text="bits_text:N")
    height = (BAR * len(_each(values, "transport")) + 14) * len(defences)
    return finish([bars, labels], values, height=height, by=())


def price(values: Values) -> Chart:
    """The same over what a token costs: down and left is better."""
    base = alt.Chart().encode(
        x=across(values, ["bytes"], "bytes per token, down (B)"),
        y=upward(values, ["bits"], "leak (bits per token)"),
    )
    shapes = alt.Scale(domain=_each(values, "defence"), range=SHAPES[: len(_each(values, "defence"))])
    below = alt.Legend(title=None, orient="bottom", symbolFillColor=INK, columns=columns(210, 1), offset=12)
    shape = alt.Shape("defence:N", scale=shapes, legend=below)
    points = base.mark_point(filled=True, size=130, opacity=0.9)
    return finish([points.encode(color=_hue(values, legend()), shape=shape, tooltip=_says())], values, 360, by=())


def _hue(values: Values, key: alt.Legend | None) -> alt.Color:
    names = _each(values, "transport")
    scale = alt.Scale(domain=names, range=[COLOURS.get(name, INK) for name in names])
    return alt.Color("transport:N", scale=scale, legend=key)


def _says() -> list[alt.Tooltip]:
    titles = {"defence": "defence", "transport": "transport", "bits_text": "bits told", "bytes_text": "bytes per token"}
    return [alt.Tooltip(field=field, title=title) for field, title in titles.items()]


def _each(values: Values, field: str) -> list[str]:
    """The different values of a field, in their order."""
    return list(dict.fromkeys(value[field] for value in values))


CHARTS: dict[str, Callable[[Values], Chart]] = {"leak": leak, "price": price}
