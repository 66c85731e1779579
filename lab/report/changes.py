"""What changed between two results of the security experiment: which attacks come out differently.

The one thing to notice: here machines and versions may differ. That a new browser or library changes an outcome is what
such a comparison is made for.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from clients.terminal import safe
from lab.report.attacks import lines

Cells = dict[str, str]
"""How each attack came out, without its defence and with it, by what it is called."""


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """Which of the attacks that both results have came out differently, in a sentence or two."""
    before, after = cells(a), cells(b)
    return safe(" ".join([_differently(before, after), *_only("A", before, after), *_only("B", after, before)]))


def _differently(before: Cells, after: Cells) -> str:
    common = [cell for cell in before if cell in after]
    changed = [f"{cell}: {before[cell]}, now {after[cell]}" for cell in common if before[cell] != after[cell]]
    if not common:
        return "The two results have no attack in common."
    if not changed:
        return f"All {len(common):,} attacks that both have came out alike."
    return f"Of {len(common):,} attacks that both have, {len(changed):,} came out differently: {'; '.join(changed)}."


def _only(letter: str, here: Cells, there: Cells) -> Iterator[str]:
    """How many only one of them has."""
    if count := len(here.keys() - there.keys()):
        yield f"{count:,} attack{'s' * (count > 1)} only in {letter}."


def cells(document: Mapping[str, Any]) -> Cells:
    """Every cell of the matrix."""
    return {
        f"{line.probe} ({line.defence}) on {transport}": f"{row['off']} → {row['on']}"
        for line in lines(document)
        for transport, row in line.cells.items()
    }
