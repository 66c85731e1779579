"""What a security result shows, in lines and cells: a line for each attack and defence, a cell for each transport.

The one thing to notice: it counts the attacks that succeeded and those that were stopped, and says no more than that.
Of an attack that was not tried nothing is known.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lab.report.headline import Document, joined
from lab.report.series import place
from lab.result import Row
from lab.security.experiment import changes
from lab.security.probe import COULD_NOT_RUN, NOT_APPLICABLE, STOPPED, SUCCEEDED, Probe
from lab.security.probes import FAMILIES
from server.defences import DEFENCES, Defence

SIGNS = {SUCCEEDED: "✗", STOPPED: "✓", NOT_APPLICABLE: "–", COULD_NOT_RUN: "?"}
"""Of the outcomes, so that none is told by its colour alone."""

LEGEND = {
    SUCCEEDED: "the attack succeeded",
    STOPPED: "the attack was stopped",
    NOT_APPLICABLE: "not applicable: this transport has no such surface",
    COULD_NOT_RUN: "could not run on this machine",
}

TITLES = {
    "leaks": "What crosses the wire",
    "origins": "Whose page asks",
    "injections": "What text may do",
    "floods": "How much one may ask for",
}
"""Of the families of probes."""
OTHERS = "Others"
"""For attacks of a result that this version of the lab does not have any more."""


class Line(NamedTuple):
    """One attack against one defence, on every transport that was tried."""

    probe: str
    defence: str
    cells: Mapping[str, Row]
    """By transport."""

    @property
    def attack(self) -> str:
        """What the attack is called."""
        return known.name if (known := probe_of(self.probe)) else self.probe

    @property
    def measure(self) -> Defence | None:
        """The defence, if there is such a one."""
        return DEFENCES.get(self.defence)

    @property
    def against(self) -> str:
        """What the defence is called."""
        return self.measure.name if self.measure else self.defence

    @property
    def compares(self) -> bool:
        """Whether the defence is in the lab only, to be compared with those that the server has."""
        return self.measure is not None and not self.measure.ships

    @property
    def besides(self) -> Sequence[str]:
        """The defences that both runs lack, since they would stop the attack as well."""
        known = probe_of(self.probe)
        return changes(known, self.defence)["on"].without if known and self.measure else ()


def probe_of(name: str) -> Probe | None:
    """A probe by its id."""
    return next((probes[name] for probes in FAMILIES.values() if name in probes), None)


def families(document: Mapping[str, Any]) -> dict[str, list[Line]]:
    """The lines under the titles of their families, in the order of the probes and of their defences."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in document["rows"]:
        found.setdefault((row["probe"], row["defence"]), {})[row["transport"]] = row
    titles: dict[str, list[Line]] = {}
    for (probe, defence), cells in sorted(found.items(), key=lambda item: _place(*item[0])):
        ordered = {name: cells[name] for name in sorted(cells, key=place)}
        titles.setdefault(_title(probe), []).append(Line(probe, defence, ordered))
    return titles


def lines(document: Mapping[str, Any]) -> list[Line]:
    """All of them."""
    return [line for group in families(document).values() for line in group]


def asked_for(document: Mapping[str, Any]) -> dict[str, str]:
    """The flags of the defences that are not there unless asked for, by what they are called."""
    return {line.against: line.measure.flag for line in lines(document) if line.measure and line.measure.flag}


def by_probe(found: Iterable[Line]) -> dict[str, list[Line]]:
    """The lines of each attack."""
    attacks: dict[str, list[Line]] = {}
    for line in found:
        attacks.setdefault(line.probe, []).append(line)
    return attacks


def transports(document: Document) -> list[str]:
    """Those that were tried."""
    return sorted({row["transport"] for row in document["rows"]}, key=lambda name: (place(name), name))


def _title(probe: str) -> str:
    family = next((name for name, probes in FAMILIES.items() if probe in probes), OTHERS)
    return TITLES.get(family, family)


def _place(probe: str, defence: str) -> tuple[int, str, int, str]:
    """Where a line stands; what this lab does not know comes last."""
    probes = [name for names in FAMILIES.values() for name in names]
    defences = list(known.defences) if (known := probe_of(probe)) else []
    return _index(probes, probe), probe, _index(defences, defence), defence


def _index(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)


def outcomes(row: Row) -> list[str]:
    """Without the defence and with it; what never ran in either is said once."""
    both = [row["off"], row["on"]]
    return both if {SUCCEEDED, STOPPED} & set(both) else list(dict.fromkeys(both))


def counted(document: Document) -> str:
    """How much was tried: an attack is one that ran, without its defence and with it."""
    count = sum(row["off"] in (SUCCEEDED, STOPPED) for row in document["rows"])
    return f"{count:,} attack{'s' * (count != 1)}"


def headlines(document: Document) -> list[str]:
    """What came of it in a few sentences, the most important one first."""
    found = lines(document)
    ours, compared = ([line for line in found if line.compares is kind] for kind in (False, True))
    said = [*_succeeded(ours), *_compared(compared), *_broken(found), *_untried(found)]
    return said or ["No attack was made, so there is nothing to say."]


def _succeeded(found: Sequence[Line]) -> Iterator[str]:
    """With the defences that the server has."""
    if not (off := _count(found, "off", SUCCEEDED)):
        return
    without = f"{off:,} attack{'s' * (off != 1)} succeeded without {'their' if off > 1 else 'its'} defence"
    if on := _count(found, "on", SUCCEEDED):
        yield f"{without}; with it, {on:,} still {'do' if on > 1 else 'does'}: {named(found)}."
    else:
        yield f"{without}, and none with it. Of other attacks this says nothing."


def _compared(found: Sequence[Line]) -> Iterator[str]:
    """With those that it does not have."""
    if tried := _count(found, "on", SUCCEEDED) + _count(found, "on", STOPPED):
        on = _count(found, "on", SUCCEEDED)
        which = f": {named(found)}" if on else ""
        yield f"Against defences that are here only to be compared, {on:,} of {tried:,} succeed{which}."


def _broken(found: Sequence[Line]) -> Iterator[str]:
    if broken := _count(found, "off", STOPPED):
        yield f"Nothing is shown by {broken:,} that failed with no defence there: {named(found, 'off', STOPPED)}."


def _untried(found: Sequence[Line]) -> Iterator[str]:
    counts = {
        "could not run on this machine": sum(_missing(row) for line in found for row in line.cells.values()),
        "do not apply to their transport": _count(found, "off", NOT_APPLICABLE),
    }
    if said := [f"{count:,} {words}" for words, count in counts.items() if count]:
        yield f"Of the others, {joined(said)}."


def _count(found: Iterable[Line], run: str, outcome: str) -> int:
    return sum(row[run] == outcome for line in found for row in line.cells.values())


def _missing(row: Row) -> bool:
    return COULD_NOT_RUN in (row["off"], row["on"])


def named(found: Iterable[Line], run: str = "on", outcome: str = SUCCEEDED) -> str:
    """Where a run came out so: the attacks, with their defences and transports."""
    where = [(line, [name for name, row in line.cells.items() if row[run] == outcome]) for line in found]
    return "; ".join(f"{line.attack} ({line.against}) on {joined(names)}" for line, names in where if names)


def untried(document: Document) -> dict[str, str]:
    """What could not run on this machine: each reason, and the attacks that it kept from being made."""
    reasons: dict[str, list[Line]] = {}
    for line in lines(document):
        for name, row in line.cells.items():
            if _missing(row):
                reasons.setdefault(row.get("why") or "The reason is not known.", []).append(
                    line._replace(cells={name: row})
                )
    return {why: _listed(found) for why, found in reasons.items()}


def _listed(found: Sequence[Line]) -> str:
    """Attacks with their transports, each once."""
    names: dict[str, dict[str, None]] = {}
    for line in found:
        names.setdefault(line.attack, {}).update(dict.fromkeys(line.cells))
    return "; ".join(f"{attack} on {joined(list(found))}" for attack, found in names.items())


def left(document: Document) -> list[tuple[Line, dict[str, str]]]:
    """What the defences leave that are here only to be compared: by transport, in the attack's own words."""
    found = []
    for line in lines(document):
        said = {name: row.get("on_says", "") for name, row in line.cells.items() if row["on"] == SUCCEEDED}
        if line.compares and said:
            found.append((line, said))
    return found
