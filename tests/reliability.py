"""Writes into docs/reliability.md what two committed results show: every fault, and the crowd that was cut.

`make reliability` measures anew; then this is run. Tests hold the page against the results.
"""

from pathlib import Path
from typing import Any

from clients.course import ATTEMPTS
from clients.resume import bounds
from lab.faults.kinds import FAULTS
from lab.report import faults, soak
from lab.result import read
from tests.blocks import facts, table, written

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = {name: ROOT / "docs" / "reliability" / f"{name}.json" for name in ("faults", "soak")}


def pauses() -> str:
    """How long a reader waits before each try, and when one gives up that hears nothing any more."""
    waits = [bounds(cuts) for cuts in range(1, ATTEMPTS)]
    rows = [
        ("at least", *(f"{least:g}" for least, _ in waits)),
        ("at most", *(f"{most:g}" for _, most in waits)),
    ]
    least, most = (sum(each) for each in zip(*waits, strict=True))
    average = (least + most) / 2
    return "\n\n".join(
        [
            table(("pause (s)", *map(str, range(1, ATTEMPTS))), rows),
            f"A reader to whom nobody answers any more gives up after all of these: {average:.0f} s on average, "
            f"{most:.0f} s at most, not counting what the tries themselves take.",
        ]
    )


def matrix(document: dict[str, Any]) -> str:
    """How every fault came out, where and how that was tried."""
    names = faults.transports(document)
    legend = "; ".join(f"{each} {meaning}" for each, meaning in faults.LEGEND.items())
    rows = [
        (
            f"**{fault}**: {FAULTS[fault].says}",
            *(f"{faults.sign(cells[name])} {faults.beside(cells[name])}" for name in names),
        )
        for fault, cells in faults.lines(document).items()
    ]
    said = " ".join(faults.headlines(document))
    return "\n\n".join([facts(document), said, f"Each cell: {legend}.", table(("fault", *names), rows)])


def crowd(document: dict[str, Any]) -> str:
    """What the crowd got, and whether anything was left behind."""
    headings = [" ".join(heading.split()) for heading in soak.COLUMNS.values()]
    rows = [(row["transport"], *soak.cells(row).values()) for row in soak.rows(document)]
    observed = [(soak.SIGNS[one.get("holds")][0], one["id"], one["says"]) for one in document["observations"]]
    said = " ".join(soak.headlines(document))
    return "\n\n".join(
        [facts(document), said, table(("transport", *headings), rows), table(("", "to be shown", "seen"), observed)]
    )


def page(text: str, documents: dict[str, dict[str, Any]]) -> str:
    """The page with all its blocks written anew."""
    blocks = {"faults": matrix(documents["faults"]), "soak": crowd(documents["soak"])}
    return written(text, blocks | {"pauses": pauses()})


def main() -> None:
    """Write the page."""
    documents = {name: read(path) for name, path in RESULTS.items()}
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), documents), encoding="utf-8")


if __name__ == "__main__":
    main()
