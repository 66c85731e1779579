"""Writes into docs/models.md what a committed run of `python -m lab stream-or-not` shows.

`make models` measures anew; then this is run. Tests hold the page against the result.
"""

from pathlib import Path
from typing import Any

from lab.report import stream_or_not
from lab.result import read
from tests.blocks import facts, table, verdicts, written

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "models.md"
RESULT = ROOT / "docs" / "models" / "result.json"


def shown(document: dict[str, Any]) -> str:
    """Who waited for what, by crowd, and what the claims are worth."""
    parts = [facts(document), " ".join(stream_or_not.headlines(document))]
    for scene in stream_or_not.scenes(document):
        rows = [(line.name, *line.cells.values()) for line in scene.lines]
        parts += [f"**{scene.says}**:", table(("", *stream_or_not.COLUMNS.values()), rows)]
        notes = dict.fromkeys(
            f"{line.name}: {note.rstrip('.')}." for line in scene.lines for note in line.notes if "asked by" not in note
        )
        parts += list(notes)
    return "\n\n".join([*parts, verdicts(document)])


def page(text: str, document: dict[str, Any]) -> str:
    """The page with its block written anew."""
    return written(text, {"stream or not": shown(document)})


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), read(RESULT)), encoding="utf-8")


if __name__ == "__main__":
    main()
