"""What the attacks say about the article's claims C5 to C13.

The one thing to notice: an attack that succeeds through TLS speaks against "HTTPS protects it" as much as one that TLS
stops speaks for it. Both are findings, so such a claim depends, and the findings say on what.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lab.result import Row
from lab.security.probe import STOPPED, SUCCEEDED
from lab.security.probes import FAMILIES
from lab.sides import NAMES, ORDER, Finding
from lab.verdicts import CLAIMS as COUNTED
from server.defences import DEFENCES

Observation = Mapping[str, Any]
"""A fact about a transport, a library or a browser that is no attack: {"id", "holds", "says", …}."""

Judge = Callable[[Sequence[Row], Sequence[Observation]], Iterable[Finding]]

POLLINGS = ("polling", "long_polling", "iframe")

TLS_PROBES = ("eavesdropping", "tampering")
"""What TLS is there to stop."""
LENGTHS = "token-length"
"""What it does not stop."""
THROUGH = "through TLS"

SHIPS = {name for name, defence in DEFENCES.items() if defence.ships}
"""The defences that this server has."""

OUTCOMES = {
    frozenset(): "not measured",
    frozenset({True}): "holds",
    frozenset({False}): "does not hold",
    frozenset({True, False}): "depends",
}
"""The verdict on a claim, by which findings there are: for it, against it."""


class Claim(NamedTuple):
    """A claim of the article, how it is judged, and what that takes."""

    says: str
    judge: Judge
    needs: str
    lacks: Callable[[Sequence[Finding]], str] = lambda findings: ""
    """What half of it is not judged here. Then it depends at most, whatever the findings say."""


def verdicts(rows: Sequence[Row], observations: Sequence[Observation] = ()) -> list[dict[str, str]]:
    """A verdict on each of these claims, with what was seen."""
    rows = sorted(rows, key=_place)
    return [
        {"claim": number, "says": claim.says, **_verdict(claim, rows, observations)} for number, claim in CLAIMS.items()
    ]


def of_document(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """The same for a result."""
    return verdicts(document["rows"], document.get("observations", ()))


def _verdict(claim: Claim, rows: Sequence[Row], observations: Sequence[Observation]) -> dict[str, str]:
    findings = list(claim.judge(rows, observations))
    verdict = OUTCOMES[frozenset(finding.holds for finding in findings)]
    if not findings:
        return {"verdict": verdict, "because": f"This needs {claim.needs}."}
    if lacks := claim.lacks(findings):
        return {"verdict": "depends", "because": f"{_because(findings)} Not measured: {lacks}."}
    return {"verdict": verdict, "because": _because(findings)}


def _because(findings: Sequence[Finding]) -> str:
    """What speaks for it, and what against it."""
    sides = {
        word: [one for one in findings if one.holds is holds] for word, holds in (("For", True), ("Against", False))
    }
    if all(sides.values()):
        return " ".join(f"{word} it: {_listed(found)}" for word, found in sides.items())
    return _listed(findings)


def _listed(findings: Sequence[Finding]) -> str:
    subjects: dict[str, list[str]] = {}
    for finding in findings:
        subjects.setdefault(finding.about, []).append(finding.says)
    return " ".join(f"{about}: {'; '.join(says)}." for about, says in subjects.items())


def protected_by_tls(*transports: str) -> Judge:
    """C5, C8, C11: what others on the way can do when TLS is there, on all of these transports."""

    def judge(rows: Sequence[Row], _observations: Sequence[Observation]) -> Iterator[Finding]:
        for probe in TLS_PROBES:
            found = [row for row in _tried(rows, "on", transports) if _cell(row) == (probe, "tls")]
            for row in _if_all(transports, found):
                yield Finding(row["on"] == STOPPED, f"{probe} {THROUGH}", f"{_name(row)} {row['on']}")
        lengths = _first_of_each(row for row in _tried(rows, "off", transports) if row["probe"] == LENGTHS)
        for row in _if_all(transports, lengths):
            says = f"{_name(row)} {row['off']} ({row.get('off_says', '').rstrip('.')})"
            yield Finding(row["off"] == STOPPED, f"{LENGTHS} {THROUGH}", says)

    return judge


def unseen(findings: Sequence[Finding]) -> str:
    """Which half of what TLS is said to stop was not tried."""
    seen = {finding.about for finding in findings}
    halves = {"whether TLS stops reading and changing": TLS_PROBES, "whether the lengths of tokens leak": (LENGTHS,)}
    return " and ".join(
        words for words, probes in halves.items() if not seen >= {f"{probe} {THROUGH}" for probe in probes}
    )


def attacked(claim: str, *transports: str) -> Judge:
    """C7, C13: how many attacks that bear on the claim get through, without this server's defences and with them."""

    def judge(rows: Sequence[Row], _observations: Sequence[Observation]) -> Iterator[Finding]:
        probes = {name for family in FAMILIES.values() for name, probe in family.items() if claim in probe.claims}
        ours = [row for row in rows if row["probe"] in probes and row["defence"] in SHIPS]
        for run, defended in (("off", "without their defence"), ("on", "with it")):
            for name in transports:
                outcomes = [row[run] for row in _tried(ours, run, (name,))]
                count = outcomes.count(SUCCEEDED)
                if outcomes:
                    says = f"{NAMES.get(name, name)} {count} of {len(outcomes)}"
                    yield Finding(count > 0, f"attacks that succeed {defended}", says)

    return judge


def observed(name: str, about: str, holds: bool) -> Judge:
    """C10, C12, C13: an observation, which has to hold, or not to hold, for the claim to do so."""

    def judge(_rows: Sequence[Row], observations: Sequence[Observation]) -> Iterator[Finding]:
        for one in observations:
            if one.get("id") == name and isinstance(one.get("holds"), bool):
                yield Finding(one["holds"] is holds, about, str(one.get("says", "")).rstrip("."))

    return judge


def either(*judges: Judge) -> Judge:
    """C13: a claim of several parts."""
    return lambda rows, observations: (finding for judge in judges for finding in judge(rows, observations))


def nothing(_rows: Sequence[Row], _observations: Sequence[Observation]) -> Iterator[Finding]:
    """C6 and C9: what is counted elsewhere."""
    yield from ()


def _tried(rows: Iterable[Row], run: str, transports: Iterable[str]) -> list[Row]:
    """The rows of these transports in which that run took place."""
    return [row for row in rows if row["transport"] in transports and row[run] in (SUCCEEDED, STOPPED)]


def _if_all(transports: Iterable[str], rows: Sequence[Row]) -> Sequence[Row]:
    """These rows, if there are some of every transport: a claim about three is not judged by one."""
    return rows if {row["transport"] for row in rows} >= set(transports) else []


def _first_of_each(rows: Iterable[Row]) -> list[Row]:
    """One row for each transport: without any defence it is the same attack, whichever defence the row is about."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row["transport"], row)
    return list(found.values())


def _place(row: Row) -> tuple[int, int]:
    """Where a row stands, whatever was tried first: by transport, then by defence."""
    places = ((ORDER, row["transport"]), (list(DEFENCES), row["defence"]))
    transport, defence = (names.index(name) if name in names else len(names) for names, name in places)
    return transport, defence


def _cell(row: Row) -> tuple[str, str]:
    return row["probe"], row["defence"]


def _name(row: Row) -> str:
    return NAMES.get(row["transport"], str(row["transport"]))


COUNTS = "a count, not an attack: `python -m lab overhead` decides it"
HTTPS = "the attacks `eavesdropping`, `tampering` and `token-length`"
CLAIMS: dict[str, Claim] = {
    "C5": Claim(
        "Short polling, long polling and iframe streaming are HTTP, so HTTPS encrypts them and stops a man in the "
        "middle and data leaks",
        protected_by_tls(*POLLINGS),
        f"{HTTPS} on polling, long_polling and iframe",
        unseen,
    ),
    "C6": Claim(COUNTED["C6"].says, nothing, COUNTS),
    "C7": Claim(
        "Short polling, long polling and iframe streaming can be disturbed by malicious requests or answers",
        attacked("C7", *POLLINGS),
        "attacks on polling, long_polling or iframe",
    ),
    "C8": Claim("SSE is HTTP too, so HTTPS protects it as well", protected_by_tls("sse"), f"{HTTPS} on sse", unseen),
    "C9": Claim(COUNTED["C9"].says, nothing, COUNTS),
    "C10": Claim(
        "SSE is one-way: the client cannot send",
        observed("two-way-sse", "sending over the event stream", holds=False),
        "a client that tries to send over an event stream",
    ),
    "C11": Claim(
        "WebSocket runs over TCP and is encrypted with WSS against theft and tampering",
        protected_by_tls("websocket"),
        f"{HTTPS} on websocket",
        unseen,
    ),
    "C12": Claim(
        "WebSocket is two-way at any time",
        observed("two-way-websocket", "sending while tokens come", holds=True),
        "a client that sends over a WebSocket while tokens come",
    ),
    "C13": Claim(
        "WebSocket needs an extra port and extra components, and meets compatibility or security trouble",
        either(observed("same-port", "the port", holds=False), attacked("C13", "websocket")),
        "a WebSocket beside HTTP on one port",
        lambda findings: "compatibility with what stands in between, such as proxies",
    ),
}
