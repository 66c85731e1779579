"""What came of an attack that the lab has run, in the reader's language. Pure.

The one thing to notice: the probes tell it in English. For other languages the same is told anew, from the figures;
where one of them is missing, the English has to do.
"""

from typing import Any

from lab.report.costs import labelled
from lab.report.series import shown
from lab.result import Row
from lab.security.gallery.words import SOURCE, TRANSLATED

SHARES = ("_rate", "_share")
"""How the names of figures end that are parts of a whole."""


def told(row: Row, language: str) -> dict[str, Any]:
    """For each of the two servers: the outcome, a sentence, the figures by name, and what there is to show for it."""
    return {side: _side(row, side, language) for side in ("off", "on")}


def _side(row: Row, side: str, language: str) -> dict[str, Any]:
    figures = row.get(f"{side}_figures") or {}
    return {
        "result": row[side],
        "says": sentence(row, side, language),
        "figures": [(label(name, language), figure(name, value)) for name, value in figures.items()],
        "evidence": (row.get("evidence") or {}).get(side),
    }


def sentence(row: Row, side: str, language: str) -> str:
    """What was seen; where the attack could not run, why not."""
    says = str(row.get(f"{side}_says") or row.get("why", ""))
    if language == SOURCE or f"{side}_says" not in row:
        return says
    figures = {name: figure(name, value) for name, value in row[f"{side}_figures"].items()}
    try:
        return str(TRANSLATED[language]["says"][row["probe"]].format_map(figures))
    except KeyError:
        return says


def label(name: str, language: str) -> str:
    """What a figure is called."""
    labels = {} if language == SOURCE else TRANSLATED[language]["figures"]
    return str(labels.get(name) or labelled(name))


def figure(name: str, value: float) -> str:
    """A figure as it is shown: parts of a whole in percent, all else with three digits."""
    return f"{value:.0%}" if name.endswith(SHARES) else shown(float(value))
