"""Writes into docs/security.md what the defences are, and what one committed result shows of them.

`python -m lab security --out docs/security` attacks anew; then this is run. Tests hold the page against that result.
"""

from pathlib import Path
from typing import Any

from lab.report.attacks import LEGEND, SIGNS, Line, families, headlines, left, outcomes, transports, untried
from lab.report.costs import Change, costs
from lab.report.headline import joined
from lab.report.security import versions
from lab.result import read
from lab.security.probes import PROBES
from server.checks import ALL, FILES, PAGES, RULES
from server.defences import DEFENCES
from tests.blocks import facts, table, verdicts, written

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "security.md"
RESULT = ROOT / "docs" / "security" / "result.json"


def attacks() -> str:
    """Every probe: what the attacker does, and why it works."""
    rows = [(f"`{name}`", probe.name, probe.does, probe.why) for name, probe in PROBES.items()]
    return table(("id", "attack", "what the attacker does", "why it works"), rows)


def rules() -> str:
    """What a browser may ask for, by what it says of itself."""
    rows = [
        (
            rule.asked_by,
            rule.origin,
            " ".join(f"`{each}`" for each in rule.destinations if each) or "–",
            " ".join(f"`{site}`" for site in rule.sites),
            {PAGES: "the pages", FILES: "the pages' files", ALL: "everything"}[rule.paths],
        )
        for rule in RULES
    ]
    return table(("asked by", "`Origin` is sent", "`Sec-Fetch-Dest`", "`Sec-Fetch-Site` let in", "may ask for"), rows)


def defences() -> str:
    """Every defence, its flag, the requirement that asks for it, the weakness without it, and which probes judge it."""
    rows = [
        (
            f"`{name}`",
            defence.name + ("" if defence.ships else " (compared)"),
            defence.stops,
            f"`{defence.flag}`" if defence.flag else "–" if defence.ships else "not there",
            defence.asvs or "–",
            f"CWE-{defence.cwe}",
            ", ".join(f"`{probe}`" for probe in PROBES if name in PROBES[probe].defences),
        )
        for name, defence in DEFENCES.items()
    ]
    return table(("id", "defence", "is there to stop", "asked for by", "ASVS 5.0", "without it", "probes"), rows)


def matrix(document: dict[str, Any]) -> str:
    """How every attack came out, where and how that was tried."""
    parts = [facts(document, *(f"{name} {version}" for name, version in versions(document).items()))]
    parts += [" ".join(headlines(document)), _legend()]
    names = transports(document)
    for title, lines in families(document).items():
        rows = [(line.attack, line.against, *(_cell(line, name) for name in names)) for line in lines]
        parts += [f"### {title}", table(("attack", "defence", *names), rows)]
    parts += [f"Could not run: {attacks}. {why}" for why, attacks in untried(document).items()]
    return "\n\n".join(parts)


def _legend() -> str:
    signs = [f"{SIGNS[outcome]} {meaning}" for outcome, meaning in LEGEND.items()]
    return f"Each cell is the attack without the defence → with it. {'; '.join(signs)}."


def _cell(line: Line, transport: str) -> str:
    return " → ".join(SIGNS[outcome] for outcome in outcomes(line.cells[transport])) if transport in line.cells else ""


def price(document: dict[str, Any]) -> str:
    """What the defences cost, from the two runs of the attacks."""
    names = transports(document)
    rows = [
        (cost.line.against, cost.line.attack, cost.figure, *(_change(cost.cells.get(name)) for name in names))
        for cost in costs(document)
    ]
    return table(("defence", "attack", "figure", *names), rows)


def _change(change: Change | None) -> str:
    if change is None:
        return "–"
    return f"{change.says} ({change.share})" if change.share else change.says


def remains(document: dict[str, Any]) -> str:
    """What is not stopped: by the defences that are only compared, as seen; and by the others, as known."""
    seen = [
        (line.attack, line.against, name, says)
        for line, by_transport in left(document)
        for name, says in by_transport.items()
    ]
    known = [
        (probe.name, joined([DEFENCES[defence].name for defence in probe.defences]), probe.remains)
        for probe in PROBES.values()
        if probe.remains
    ]
    lead = "What the attacks of this result still got where a defence was that is only compared:"
    parts = [lead, table(("attack", "defence", "transport", "what it got"), seen)] if seen else []
    return "\n\n".join([*parts, "What is known to remain:", table(("attack", "defences", "what remains"), known)])


def observations(document: dict[str, Any]) -> str:
    """What was found beside."""
    rows = [
        (f"`{one['id']}`", one["says"], " ".join(filter(None, (one.get("library"), one.get("version")))))
        for one in document.get("observations", [])
    ]
    return table(("what", "seen", "where"), rows)


def page(text: str, document: dict[str, Any]) -> str:
    """The page with all its blocks written anew."""
    blocks = {"matrix": matrix(document), "costs": price(document), "remains": remains(document)}
    blocks |= {"attacks": attacks(), "rules": rules(), "defences": defences()}
    return written(text, blocks | {"observations": observations(document), "verdicts": verdicts(document)})


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), read(RESULT)), encoding="utf-8")


if __name__ == "__main__":
    main()
