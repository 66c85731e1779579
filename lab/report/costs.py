"""What the defences cost: the figures of attacks, and of the honest reader beside them, without a defence and with it.

The one thing to notice: a cost is only shown beside what it was paid for, from the two runs of one attack.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lab.report.attacks import Line, lines
from lab.report.headline import Document
from lab.report.series import shown
from lab.result import Row

COSTS = re.compile("bytes_per_token|delay|honest_p99")
"""How the names of figures begin that are paid by those who use a server, attacked or not."""

UNITS = {"ms": "ms", "us": "µs", "s": "s", "bytes": "B", "bits": "bit", "percent": "%"}
"""What a name may end with."""


class Change(NamedTuple):
    """From what to what; and by how much more or less, where that can be said."""

    says: str
    share: str = ""


class Cost(NamedTuple):
    """One figure of one line, on each transport that has it in both runs."""

    line: Line
    figure: str
    cells: Mapping[str, Change]


def costs(document: Document) -> list[Cost]:
    """All that was found out about costs, in the order of the lines."""
    return [cost for line in lines(document) for cost in _of(line)]


def _of(line: Line) -> Iterator[Cost]:
    names = dict.fromkeys(name for row in line.cells.values() for name in both(row) if COSTS.match(name))
    for name in names:
        found = {transport: both(row)[name] for transport, row in line.cells.items() if name in both(row)}
        cells = {transport: change(*pair, counted=not name.endswith("_ms")) for transport, pair in found.items()}
        yield Cost(line, labelled(name), cells)


def both(row: Row) -> dict[str, tuple[float | None, float | None]]:
    """Each figure of a row, without the defence and with it."""
    off, on = row.get("off_figures") or {}, row.get("on_figures") or {}
    return {name: (off.get(name), on.get(name)) for name in dict.fromkeys([*off, *on])}


def change(off: float | None, on: float | None, counted: bool) -> Change:
    """What the defence made of a figure. A time of two single runs gives no share: chance moves it too much."""
    says = f"{shown(off)} → {shown(on)}"
    if not counted:
        return Change(says)
    share = round(100 * (on - off) / off) if off and on is not None and off > 0 else 0
    return Change(says, f"{share:+d} %".replace("-", "−") if share else "")


def labelled(name: str) -> str:
    """`honest_p99_ms` is honest p99 (ms)."""
    words, _, unit = name.rpartition("_")
    return f"{words.replace('_', ' ')} ({UNITS[unit]})" if words and unit in UNITS else name.replace("_", " ")
