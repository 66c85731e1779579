"""The words of the interface: two languages that say the same things, and nothing that nobody says."""

import json
import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "pages"
WORDS: dict[str, dict[str, str]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((PAGES / "words").glob("*.json"))
}
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for pattern in ("js/**/*.js", "templates/*.html")
    for path in sorted(PAGES.glob(pattern))
)
# words.start in a template, 'start' in a script; a name that ends in _ is the beginning of many: 'loop_' ~ name
SAID = set(re.findall(r"words\.(\w+)|['`](\w+)", SOURCES))
NAMES = {one or other for one, other in SAID}
BEGINNINGS = tuple(name for name in NAMES if name.endswith("_"))


@pytest.mark.parametrize("language", WORDS)
def test_every_language_has_the_same_keys(language: str) -> None:
    assert WORDS[language].keys() == WORDS["en"].keys()


@pytest.mark.parametrize("language", WORDS)
def test_every_language_fills_in_the_same_values(language: str) -> None:
    def values(sentence: str) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", sentence))

    assert {key: values(text) for key, text in WORDS[language].items()} == {
        key: values(text) for key, text in WORDS["en"].items()
    }


@pytest.mark.parametrize("key", WORDS["en"])
def test_every_word_is_said_somewhere(key: str) -> None:
    assert key in NAMES or key.startswith(BEGINNINGS)


@pytest.mark.parametrize("language", WORDS)
def test_no_word_is_empty(language: str) -> None:
    assert all(text.strip() for text in WORDS[language].values())
