"""Blocks of a page that are written by a program: what stands between `<!-- name -->` and `<!-- end of name -->`.

The one thing to notice: the rest of the page is written by people, and left alone.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

BLOCK = "<!-- {name} -->\n.*<!-- end of {name} -->\n"


def written(text: str, blocks: Mapping[str, str]) -> str:
    """The page with these blocks written anew."""
    for name, block in blocks.items():
        old = re.search(BLOCK.format(name=name), text, re.DOTALL)
        assert old, f"the page has no block of {name}"
        text = text.replace(old[0], f"<!-- {name} -->\n\n{block}\n\n<!-- end of {name} -->\n")
    return text


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """What ends no cell, and is no markup: a `<` outside of code, where nothing else can show it."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if at % 2 else part.replace("<", "\\<") for at, part in enumerate(parts))


def facts(document: Mapping[str, Any], *more: str) -> str:
    """How, when and where a result was made; `more` is what else was there."""
    where = document["environment"]
    named = [
        where["cpu"],
        f"{where['cores']} cores",
        f"{where['system']} {where['kernel']}",
        where["python"],
        f"aiohttp {where['aiohttp']}",
        *more,
    ]
    return f"`{document['command']}`, {document['started'][:10]}, commit {where['commit']}: {', '.join(named)}."


def verdicts(document: Mapping[str, Any]) -> str:
    """The verdict on every claim, with what it stands on."""
    rows = [(each["claim"], each["says"], each["verdict"], each["because"]) for each in document["verdicts"]]
    return table(("claim", "says", "verdict", "because"), rows)
