"""What the page shows of each attack, in the reader's language. Pure.

The one thing to notice: a transport without the surface for an attack is there as well, greyed and with the reason.
What does not apply is a finding, too.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from markupsafe import Markup, escape

from lab.security.gallery.plays import AS_IT_SHIPS, PLAYS, Play
from lab.security.gallery.words import WORDS, About, Measure, about, measure, reason
from lab.security.probes import FAMILIES, PROBES
from server.defences import DEFENCES, Defence
from server.transports import TRANSPORTS

ORDER = ("origins", "injections", "leaks", "floods")
"""Families of attacks: those first that are played in the browser."""


class Stop(NamedTuple):
    """A defence against an attack."""

    id: str
    says: Measure
    defence: Defence


class Choice(NamedTuple):
    """A transport to attack."""

    name: str
    word: str
    why: str
    """Why it cannot be chosen; empty where it can."""


class Option(NamedTuple):
    """What the two servers may differ in."""

    id: str
    off: str
    """What the first one lacks."""
    on: str
    """What the second one has."""


class Card(NamedTuple):
    """An attack, with all that can be chosen and told."""

    id: str
    says: About
    play: Play | None
    """How it is played in the browser; None: the lab runs it."""
    transports: list[Choice]
    stops: list[Stop]
    besides: list[Measure]
    """What both servers lack, so that the defence is judged alone."""
    options: list[Option]

    @property
    def spared(self) -> dict[str, list[str]]:
        """The transports that cannot be chosen, by the reason."""
        reasons: dict[str, list[str]] = {}
        for choice in self.transports:
            if choice.why:
                reasons.setdefault(choice.why, []).append(choice.word)
        return reasons


def families(language: str) -> Iterator[tuple[str, list[Card]]]:
    """All attacks, by family."""
    for family in ORDER:
        yield family, [card(probe, language) for probe in FAMILIES[family]]


def card(probe: str, language: str) -> Card:
    """What there is to show of one attack."""
    attack, words = PROBES[probe], WORDS[language]
    stops = [Stop(name, measure(name, language), DEFENCES[name]) for name in attack.defences]
    options = [Option(stop.id, stop.says.name, stop.says.name) for stop in stops]
    all_of_them = Option(AS_IT_SHIPS, words["comma"].join(stop.says.name for stop in stops), words["as_it_ships"])
    return Card(
        id=probe,
        says=about(probe, language),
        play=PLAYS.get(probe),
        transports=[
            Choice(name, words.get(f"name_{name}", name), reason(attack.spares.get(name, ""), language))
            for name in TRANSPORTS
        ],
        stops=stops,
        besides=[measure(name, language) for name in attack.besides],
        options=[*options, all_of_them] if probe in PLAYS else options,
    )


def marked(text: str) -> Markup:
    """Text for a page, with what stands between backticks as code."""
    pieces: Iterable[str] = (
        f"<code>{escape(piece)}</code>" if code % 2 else escape(piece) for code, piece in enumerate(text.split("`"))
    )
    return Markup("").join(map(Markup, pieces))
