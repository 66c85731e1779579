"""Writes into docs/performance.md what committed results show: the peers, the targets, and where the time goes.

`make performance` measures anew; then this is run. Tests hold the page against the results.
"""

import json
from pathlib import Path
from typing import Any

from lab.peers.targets import VERDICTS
from lab.report import peers
from lab.result import read
from tests.blocks import facts, table, written

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
FOLDER = ROOT / "docs" / "performance"
PEERS, CROWDS = FOLDER / "peers.json", FOLDER / "crowds.json"
"""All peers with one crowd, and ever larger crowds of this server and the floor."""
PROFILES = {
    name: FOLDER / f"profile-{name}.json"
    for name in ("sse-before", "sse", "websocket", "polling-before", "polling", "long_polling")
}

SHOWN = 10
"""Functions of a profile."""


def compared(document: dict[str, Any]) -> str:
    """Every peer beside this server, by transport and crowd."""
    parts = [facts(document), " ".join(peers.headlines(document))]
    for scene in peers.scenes(document):
        rows = [(f"`{line.peer}`", *line.cells.values()) for line in scene.lines]
        parts += [f"**{scene.transport}**, {scene.says}:", table(("peer", *scene.columns.values()), rows)]
        parts += [f"`{line.peer}`: {note}" for line in scene.lines for note in line.notes]
    return "\n\n".join(parts)


def introduced(document: dict[str, Any]) -> str:
    """What each peer is."""
    rows = [
        (f"`{one['id']}`", str(one.get("library") or one["id"]), one["says"], str(one.get("version") or "left out"))
        for one in document["observations"]
    ]
    return table(("id", "peer", "what it is", "version"), rows)


def targets(*documents: dict[str, Any]) -> str:
    """Each target, and whether it is reached, from the first of the results that can tell."""
    best: dict[str, dict[str, Any]] = {}
    for each in (verdict for document in documents for verdict in document["verdicts"]):
        if best.setdefault(each["says"], each)["verdict"] == VERDICTS[None]:
            best[each["says"]] = each
    rows = [(each["says"], peers.REACHED[each["verdict"]], each["because"]) for each in best.values()]
    return table(("target", "", "seen"), rows)


def profiled(profiles: dict[str, dict[str, Any]]) -> str:
    """The functions in which most of the time went, before all that is told here and now."""
    parts = []
    for name, found in profiles.items():
        rows = [
            (f"`{function}`", f"{alone:.1%}", f"{within:.1%}") for function, alone, within in found["functions"][:SHOWN]
        ]
        before = " --source" + " TREE" if name.endswith("-before") else ""
        parts += [
            f"**{found['transport']}, {'before' if before else 'now'}**: "
            f"`python -m tests.profile OUT.json --transport {found['transport']}{before}`, {found['crowd']}, "
            f"commit {found['commit']}, {found['started'][:10]}. Busy in {found['busy']:.0%} of the samples.",
            table(("function", "alone", "with what it calls"), rows),
        ]
    return "\n\n".join(parts)


def page(text: str, document: dict[str, Any], crowds: dict[str, Any], profiles: dict[str, dict[str, Any]]) -> str:
    """The page with all its blocks written anew."""
    return written(
        text,
        {
            "targets": targets(document, crowds),
            "peers": compared(document),
            "what they are": introduced(document),
            "crowds": compared(crowds),
            "profiles": profiled(profiles),
        },
    )


def profiles() -> dict[str, dict[str, Any]]:
    """The committed ones."""
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in PROFILES.items()}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), read(PEERS), read(CROWDS), profiles()), encoding="utf-8")


if __name__ == "__main__":
    main()
