"""What a result says, in sentences: the headline of the report and of the terminal.

The one thing to notice: no sentence knows who wins. Each is made from what was measured, and names all whom nothing
beats; what was not measured is said, too.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from lab.load import capacity
from lab.report.series import Series, front, middle, place, scenes, shown
from lab.result import Row

Document = dict[str, Any]

SIGNS = {"holds": "✓", "does not hold": "✗", "depends": "±", "not measured": "–"}
"""Of the verdicts, so that none is told by its colour alone."""
VOID = -1
"""In place of the most readers, where every run of a transport was void: nothing is known of it, not even that."""


def headlines(found: Sequence[Series], document: Document) -> list[str]:
    """The verdict in a few sentences, the most important one first; never a winner by one number."""
    said = _objective(document)
    for rivals in scenes(found)[:1]:
        where = f" ({heading(rivals[0])})" if len(scenes(found)) > 1 or rivals[0].key.readers != 1 else ""
        said += front_of(rivals, where) + _baseline(rivals)
    return said or ["No run gave figures that could be compared, so there is nothing to say."]


def capacities(document: Document) -> dict[str, dict[str, Any]]:
    """Of each transport the most readers that were served within the objective, if there was one, and why not more."""
    if not (objective := document["parameters"].get("objective_ms")):
        return {}
    found = capacity(document["rows"], objective)
    return {name: found[name] for name in sorted(found, key=place)}


def _objective(document: Document) -> list[str]:
    """How many readers were served in time."""
    published = {row["transport"] for row in document["rows"] if not row.get("void")}
    alike: dict[int, list[str]] = {}
    for name, known in capacities(document).items():
        alike.setdefault((known["readers"] or 0) if name in published else VOID, []).append(name)
    words = {0: "no crowd by", VOID: "unknown (void) for"}
    served = [f"{words.get(most, f'{readers(most)} by')} {joined(alike[most])}" for most in sorted(alike, reverse=True)]
    limit = shown(document["parameters"].get("objective_ms"))
    begin = f"Served with p95 of corrected lag at most {limit} ms and nothing missing"
    return [f"{begin}: {', '.join(served)}."] if served else []


def front_of(rivals: Sequence[Series], where: str = "") -> list[str]:
    """Whom nothing beats on the plane of bytes and lag, if there is anybody to beat."""
    best = sorted(front(rivals), key=lambda one: one.medians["bytes_per_token"].middle)
    if sum(one.pushes for one in rivals) < 2 or not best:
        return []
    names = [
        f"{one.label} ({shown(middle(one, 'bytes_per_token'))} B per token, p95 lag {shown(middle(one, 'lag_p95'))} ms)"
        for one in best
    ]
    return [f"On bytes and lag taken together{where}, nothing beats {joined(names, 'or')}."]


def _baseline(rivals: Sequence[Series]) -> list[str]:
    """What it is like without pushing."""
    return [
        f"Without pushing ({one.label}) a token costs {shown(middle(one, 'bytes_per_token'))} B, "
        f"and the first is there after {shown(middle(one, 'ttft_p50'))} ms."
        for one in rivals
        if not one.pushes and {"bytes_per_token", "ttft_p50"} <= one.medians.keys()
    ]


def absent(found: Sequence[Series], document: Document) -> list[str]:
    """What is not in this report, and why."""
    measured = {name for one in found for name in one.medians}
    rows = [row for one in found for row in one.rows]
    said = []
    if not measured & {"memory_idle", "memory_active", "cpu"}:
        said.append("Memory per connection and CPU per token were not measured: `python -m lab load` does that.")
    if found and document["experiment"] == "load":
        said.append(
            "The times of single tokens are kept by `python -m lab overhead` only, so there are no token strips."
        )
    if any(row.get("source") == "asyncio" for row in rows):
        said.append("This system's kernel does not count segments, so TCP/IP headers could not be estimated.")
    if rows and max(len(one.rows) for one in found) == 1:
        said.append("There is one run of each, so nothing is known about noise: every interval is a single value.")
    return said + list(dict.fromkeys(row["cpu_note"] for row in rows if row.get("cpu_note")))


def heading(one: Series) -> str:
    """The conditions that it shares with its rivals, as far as there are others."""
    return ", ".join(filter(None, (readers(one.key.readers or 0), one.conditions)))


def crowds(found: Sequence[Series]) -> str:
    """The scenes of which there is CPU or memory, in words, where there are others as well."""
    known = {heading(one): bool({"cpu", "memory_idle"} & one.medians.keys()) for one in found}
    return "" if all(known.values()) else "; ".join(name for name, measured in known.items() if measured)


def joined(names: Sequence[str], word: str = "and") -> str:
    """A, B and C."""
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _named(one: Series) -> str:
    return f"{one.label} ({one.conditions})" if one.conditions else one.label


def readers(count: int) -> str:
    """So many of them."""
    return f"{count:,} reader{'s' * (count != 1)}"


def runs(document: Document) -> str:
    """How much was measured."""
    return f"{(count := len(document['rows'])):,} run{'s' * (count != 1)}"


def remarks(rows: Sequence[Row]) -> Iterator[str]:
    """What has to be known beside the figures of some runs: which are void, what the first that failed said."""
    void = [str(row["void"]) for row in rows if row.get("void")]
    for sentence in dict.fromkeys(void):
        yield f"void in {void.count(sentence)} of {len(rows)} runs: {sentence}"
    for key in ("error", "cpu_note"):
        yield from [str(row[key]) for row in rows if row.get(key)][:1]


def incomplete(document: Document) -> str | None:
    """Why it is not complete, where it is not."""
    return None if document["complete"] else document["note"] or "the experiment did not come to its end."
