"""Writes into docs/figures.md what is known of each figure, and one committed result; draws the README's chart from it.

`make figures` measures anew and then runs this. The tests hold both files against docs/figures/result.json.
"""

from pathlib import Path
from typing import Any

from lab.report.charts import chart_svg
from lab.report.glossary import FIGURES
from lab.report.series import Series, series, shown
from lab.result import read
from tests.blocks import facts, table, verdicts, written

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "figures.md"
RESULT = ROOT / "docs" / "figures" / "result.json"
CHART = ROOT / "docs" / "figures" / "plane.svg"

COLUMNS = {
    "reading": [
        *("requests", "bytes_up", "bytes_down", "bytes_per_token", "wire_per_token", "overhead_factor"),
        *("ttft_p50", "lag_p50", "lag_p95", "gap_max", "burst_max", "fluidity"),
    ],
    "crowd": ["cpu", "memory_idle", "memory_active", "corrected_p95"],
}
"""The figures of one reader that is alone, and those that show only in a crowd."""


def glossary() -> str:
    """Every figure, its formula, its source and how far to trust it."""
    rows = [(figure.name, figure.unit, figure.means, figure.trust) for figure in FIGURES.values()]
    return table(("figure", "unit", "what it is", "source, and how far to trust it"), rows)


def result(document: dict[str, Any]) -> str:
    """What was measured, where and how."""
    where = document["environment"]
    network = f"congestion control {where['tcp_congestion_control']}"
    found = series(document)
    alone = [one for one in found if one.key.readers == 1]
    crowds = [one for one in found if one.key.readers > 1]
    parts = [facts(document, where["network"], network), _figures(alone, COLUMNS["reading"])]
    for readers in sorted({one.key.readers for one in crowds}):
        these = [one for one in crowds if one.key.readers == readers]
        parts += [f"With {readers} readers at once, each with its own answer:", _figures(these, COLUMNS["crowd"])]
    return "\n\n".join(parts)


def page(text: str, document: dict[str, Any]) -> str:
    """The page with all its blocks written anew."""
    return written(text, {"figures": glossary(), "result": result(document), "verdicts": verdicts(document)})


def _figures(found: list[Series], names: list[str]) -> str:
    known = [name for name in names if any(name in one.medians for one in found)]
    headings = [f"{FIGURES[name].name} {FIGURES[name].unit}".strip() for name in known]
    return table(("", *headings), [(one.label, *(_quoted(one, name) for name in known)) for one in found])


def _quoted(one: Series, name: str) -> str:
    """The median, and its interval where it has one."""
    if name not in one.medians:
        return "–"
    low, high = map(shown, one.medians[name].interval)
    return shown(one.medians[name].middle) + (f" ({low}–{high})" if low != high else "")


def main() -> None:
    """Write the page and the chart."""
    document = read(RESULT)
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), document), encoding="utf-8")
    CHART.write_text(chart_svg(document), encoding="utf-8")


if __name__ == "__main__":
    main()
