"""The evidence of an attack, to be read by people: JSON as indented text, pictures in the page, other files as links.

The one thing to notice: attackers wrote half of it. Control characters are shown, a name of a file leads nowhere but
into the folder of the result, and what is long is cut.
"""

from base64 import b64encode
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from clients.terminal import safe
from lab.result import Row

LONGEST = 6_000
"""Characters of one run's evidence; all of it is in the result file."""
WORD = 40
"""Characters of what is listed without a line of its own."""
DEEPEST = 20
"""Levels of lists in lists."""
SMALL = 100_000
"""Bytes of a picture that is put into the page."""
PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
"""By suffix. No SVG among them: that is a document of its own."""


class File(NamedTuple):
    """What is no JSON."""

    name: str
    link: str
    picture: str | None
    """The picture itself, as a data URL."""


def told(evidence: Any) -> str:
    """JSON without its punctuation: a line for each value, and each level further in."""
    text = ""
    for line in _lines(evidence, 0):
        text += f"{safe(line)}\n"
        if len(text) > LONGEST:
            return f"{text[:LONGEST]}\n… and more, which is in the result file"
    return text.removesuffix("\n")


def _lines(value: Any, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        yield "  " * depth + "…"
    elif isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _entry(f"{key}:", inner, depth)
    elif isinstance(value, list) and value:
        if all(_is_word(inner) for inner in value):
            yield "  " * depth + ", ".join(map(_plain, value))
        else:
            for inner in value:
                yield from _entry("-", inner, depth)
    else:
        yield from ("  " * depth + line for line in _plain(value).split("\n"))


def _entry(mark: str, inner: Any, depth: int) -> Iterator[str]:
    """What is short stands beside its name, all else below it."""
    below = _lines(inner, depth + 1)
    first = list(islice(below, 2))
    if len(first) == 1:
        yield "  " * depth + f"{mark} {first[0].lstrip()}"
    else:
        yield "  " * depth + mark
        yield from first
        yield from below


def _is_word(value: Any) -> bool:
    """Whether it is so short that several stand in one line."""
    return not isinstance(value, (dict, list)) and len(str(value)) <= WORD and "\n" not in str(value)


def _plain(value: Any) -> str:
    """A value that has no parts."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)


def files(row: Row, folder: Path) -> list[File]:
    """What a row has to show beside its evidence; `folder` is where the result file is."""
    return [File(name, "./" + quote(name), _picture(folder, name)) for name in row.get("files") or ()]


def _picture(folder: Path, name: str) -> str | None:
    """The picture, if it is one, and small, and really in that folder."""
    path, kind = folder / name, PICTURES.get(Path(name).suffix)
    try:
        if not kind or not path.resolve().is_relative_to(folder.resolve()) or path.stat().st_size > SMALL:
            return None
        return f"data:{kind};base64,{b64encode(path.read_bytes()).decode()}"
    except (OSError, ValueError):
        return None
