"""Writes into docs/figures.md what is known of each figure, and one committed result; draws the README's chart from it.

`make figures` measures anew and then runs this. The tests hold both files against docs/figures/result.json.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.report.charts import chart_svg
from lab.report.glossary import FIGURES
from lab.report.series import Series, series, shown
from lab.result import read

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "figures.md"
RESULT = ROOT / "docs" / "figures" / "result.json"
CHART = ROOT / "docs" / "figures" / "plane.svg"
BLOCK = "<!-- {name} -->\n.*<!-- end of {name} -->\n"

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
    return _table(("figure", "unit", "what it is", "source, and how far to trust it"), rows)


def result(document: dict[str, Any]) -> str:
    """What was measured, where and how."""
    where = document["environment"]
    facts = (
        f"`{document['command']}`, {document['started'][:10]}, commit {where['commit']}: {where['cpu']}, "
        f"{where['cores']} cores, {where['system']} {where['kernel']}, {where['python']}, aiohttp {where['aiohttp']}, "
        f"{where['network']}, congestion control {where['tcp_congestion_control']}."
    )
    found = series(document)
    alone = [one for one in found if one.key.readers == 1]
    crowds = [one for one in found if one.key.readers > 1]
    parts = [facts, _figures(alone, COLUMNS["reading"])]
    for readers in sorted({one.key.readers for one in crowds}):
        these = [one for one in crowds if one.key.readers == readers]
        parts += [f"With {readers} readers at once, each with its own answer:", _figures(these, COLUMNS["crowd"])]
    return "\n\n".join(parts)


def verdicts(document: dict[str, Any]) -> str:
    """The verdict on every claim, with its figures."""
    rows = [(each["claim"], each["says"], each["verdict"], each["because"]) for each in document["verdicts"]]
    return _table(("claim", "says", "verdict", "because"), rows)


def page(text: str, document: dict[str, Any]) -> str:
    """The page with all its blocks written anew."""
    blocks = {"figures": glossary(), "result": result(document), "verdicts": verdicts(document)}
    for name, block in blocks.items():
        old = re.search(BLOCK.format(name=name), text, re.DOTALL)
        assert old, f"docs/figures.md has no block of {name}"
        text = text.replace(old[0], f"<!-- {name} -->\n\n{block}\n\n<!-- end of {name} -->\n")
    return text


def _figures(found: list[Series], names: list[str]) -> str:
    known = [name for name in names if any(name in one.medians for one in found)]
    headings = [f"{FIGURES[name].name} {FIGURES[name].unit}".strip() for name in known]
    return _table(("", *headings), [(one.label, *(_quoted(one, name) for name in known)) for one in found])


def _quoted(one: Series, name: str) -> str:
    """The median, and its interval where it has one."""
    if name not in one.medians:
        return "–"
    low, high = map(shown, one.medians[name].interval)
    return shown(one.medians[name].middle) + (f" ({low}–{high})" if low != high else "")


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main() -> None:
    """Write the page and the chart."""
    document = read(RESULT)
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), document), encoding="utf-8")
    CHART.write_text(chart_svg(document), encoding="utf-8")


if __name__ == "__main__":
    main()
