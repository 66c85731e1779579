"""What the gallery says, in the reader's language: its own words, and those about each attack and each defence.

The one thing to notice: the English about an attack stands with its probe, and nowhere else. The other languages
translate it, sentence by sentence.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from lab.security.probes import PROBES
from server.defences import DEFENCES
from server.site import LANGUAGES
from server.site import WORDS as PAGES

FOLDER = Path(__file__).parent / "words"
SOURCE = "en"
"""The language that the probes themselves are written in."""

TRANSPORTS = "name_"
"""How the words begin that the server's own pages have for the transports."""


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


TRANSLATED: dict[str, Any] = {language: _read(f"attacks.{language}") for language in LANGUAGES if language != SOURCE}
"""What probes.py and defences.py say, in the other languages."""


class About(NamedTuple):
    """What is said about an attack."""

    name: str
    does: str
    why: str
    remains: str
    """Empty where there is nothing to say."""


class Measure(NamedTuple):
    """What is said about a defence."""

    name: str
    stops: str


def about(probe: str, language: str) -> About:
    """What an attack does, why it works, and what its defence does not stop."""
    if translated := _translated(language, "probes", probe):
        return About(**translated)
    attack = PROBES[probe]
    return About(attack.name, attack.does, attack.why, attack.remains)


def measure(defence: str, language: str) -> Measure:
    """What a defence is called, and what it stops."""
    if translated := _translated(language, "defences", defence):
        return Measure(**translated)
    return Measure(DEFENCES[defence].name, DEFENCES[defence].stops)


def reason(why: str, language: str) -> str:
    """Why a transport is spared."""
    return _translated(language, "spares", why) or why


def _translated(language: str, kind: str, name: str) -> Any:
    """What is said instead of the English; None where that has to do, since nobody has translated it yet."""
    return TRANSLATED.get(language, {}).get(kind, {}).get(name)


def _words(language: str) -> dict[str, str]:
    """The gallery's own words, and the names of what is on the page."""
    transports = {key: word for key, word in PAGES[language].items() if key.startswith(TRANSPORTS)}
    return _read(language) | transports | {f"defence_{name}": measure(name, language).name for name in DEFENCES}


WORDS: dict[str, dict[str, str]] = {language: _words(language) for language in LANGUAGES}
"""The words of the pages, scripts included."""
