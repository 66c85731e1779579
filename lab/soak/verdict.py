"""What a soak shows: whether all came once, and whether all that it took was given back. Pure.

The one thing to notice: each rule is an observation that says yes or no, with the figures that made it so. What is
wrong is read from the document alone, so that a result tells the same to everybody who opens it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lab.faults.tokens import Fate
from lab.result import Row
from lab.spread import median

Sample = Mapping[str, Any]
Observation = dict[str, Any]

MOST_GROWTH = 0.05
"""Of the memory, from one half of the time to the next."""
MOST_BYTES = 2048
"""By which it may grow for each answer that is read meanwhile: less than one that is kept would take, and more than
memory moves by itself from one half to the next."""
LEAST_SAMPLES = 5
"""Of each half; with fewer, nothing is said."""
MIB = 1024 * 1024

TASKS, SOCKETS, ANSWERS, MEMORY, LOG, CUTS, CORES = (
    *("no task left", "no socket left", "no answer left", "memory flat", "nothing in the log", "cuts", "cores"),
)
"""The ids of the observations."""
LEFT = (TASKS, SOCKETS, ANSWERS)
"""Those about what is left behind."""


def settled(before: Sample, now: Sample) -> bool:
    """Whether nothing is held that was not held before the first reader came."""
    return all(each["holds"] for each in left_behind(before, (), now))


def left_behind(before: Sample, samples: Iterable[Sample], after: Sample) -> list[Observation]:
    """What is held after the last reader, and was not before the first. `after` knows what is `kept`, if asked."""
    most = {name: max((sample[name] for sample in samples), default=0) for name in ("tasks", "sockets", "readers")}
    return [
        {
            "id": TASKS,
            "says": f"Tasks of the server's event loop: {before['tasks']} before the first reader, at most "
            f"{most['tasks']:,}, {after['tasks']} after the last.",
            "holds": after["tasks"] <= before["tasks"],
        },
        {
            "id": SOCKETS,
            "says": f"Open sockets of the server: {before['sockets']} before the first reader, at most "
            f"{most['sockets']:,}, {after['sockets']} after the last; its open files: {before['open_files']} and "
            f"{after['open_files']}; sockets of the readers: {before['reader_sockets']} and {after['reader_sockets']}; "
            f"connections that the relays still carry: {after['relayed']}.",
            "holds": all(after[each] <= before[each] for each in ("sockets", "open_files", "reader_sockets"))
            and not after["relayed"],
        },
        {
            "id": ANSWERS,
            "says": f"Answers that the server was still typing after the last reader: {after['typing']}; that were in "
            f"its memory once they should be forgotten: {after.get('kept', 0)}; requests that it was serving: "
            f"{after['readers']}, at most {most['readers']:,}.",
            "holds": not (after["typing"] or after.get("kept") or after["readers"]),
        },
    ]


def memory(samples: Sequence[Sample], from_s: float, until_s: float) -> Observation:
    """Whether the memory stays as it is, once as much is forgotten as is begun (`from_s`), until the time is over.

    Flat means: from the first half of that time to the second, the median grows by 5 % at most, and by 2 KiB at most
    for each answer that was read between the two.
    """
    inside = [sample for sample in samples if from_s <= sample["at_s"] <= until_s]
    halves = inside[: len(inside) // 2], inside[len(inside) // 2 :]
    if len(halves[0]) < LEAST_SAMPLES:
        from_then = f"Memory is judged from second {from_s:.0f} on, when as much is forgotten as is begun."
        return {"id": MEMORY, "says": f"The soak was too short to tell. {from_then}"}
    first, second = (median([sample["memory_bytes"] for sample in half]) for half in halves)
    answers, later = (median([sample["answers"] for sample in half]) for half in halves)
    growth, each = second - first, (second - first) / max(later - answers, 1)
    says = (
        f"The server's memory (PSS) was {first / MIB:.1f} MiB in the median from second {from_s:.0f} on, and "
        f"{second / MIB:.1f} MiB in the second half of the time that was left: {growth / first:+.1%}, or {each:+,.0f} "
        f"bytes for each answer read. At most +{MOST_GROWTH:.0%} and +{MOST_BYTES:,} bytes is flat."
    )
    return {"id": MEMORY, "says": says, "holds": growth <= MOST_GROWTH * first and each <= MOST_BYTES}


def log(written: Mapping[str, str]) -> Observation:
    """Whether anybody complained. `written` is what each process wrote to standard error."""
    lines = {who: text.splitlines() for who, text in written.items() if text.strip()}
    said = [f"The {who} wrote {len(text)} lines, the last one {text[-1][:200]!r}." for who, text in lines.items()]
    nobody = f"Nothing was written to standard error by: {', '.join(written)}."
    return {"id": LOG, "says": " ".join(said) or nobody, "holds": not lines}


def cuts(last: Sample, complete: bool) -> Observation:
    """How often connections were cut, and how. Without any cut a soak shows nothing, if it was not stopped before."""
    said = [f"{count:,} with {cut.upper()}" for cut, count in last["cuts"].items()]
    says = f"Connections that the relays cut: {', '.join(said)}. Not all of them had a reader who noticed."
    return {"id": CUTS, "says": says, "holds": all(last["cuts"].values()) or (False if complete else None)}


def cores(samples: Sequence[Sample]) -> Observation:
    """How many cores each process kept busy from the first sample to the last."""
    (first, last), who = (samples[0], samples[-1]), samples[0]["cpu_s"]
    took_s = last["at_s"] - first["at_s"]
    used = {each: (last["cpu_s"][each] - first["cpu_s"][each]) / took_s if took_s else 0 for each in who}
    return {"id": CORES, "says": f"Cores kept busy: {', '.join(f'{who} {share:.2f}' for who, share in used.items())}."}


def wrong(document: Mapping[str, Any]) -> str | None:
    """What is not as it must be, in a sentence; None when all is."""
    rows: list[Row] = document["rows"]
    found = [said for name, count in COUNTS.items() if (said := _said(rows, name, count))]
    found += [
        f"{one['id']} ({one['says'].rstrip('.')})"
        for one in document.get("observations", [])
        if one.get("holds") is False
    ]
    return f"Not as it must be: {'; '.join(found)}." if found else None


def total(rows: Iterable[Row], name: str) -> int:
    """A count of all rows that have it."""
    return sum(row.get(name) or 0 for row in rows)


def _said(rows: Sequence[Row], name: str, words: tuple[str, str]) -> str | None:
    """A count that must be nothing, and where it is not."""
    where = [row["transport"] for row in rows if row.get(name)]
    kind, what = words
    return f"{many(total(rows, name), kind)} {what} ({', '.join(where)})" if where else None


def many(count: int, kind: str) -> str:
    """So many of them, in words."""
    return f"{count:,} {kind}{'s' * (count != 1)}"


COUNTS: dict[str, tuple[str, str]] = {
    "lost": ("token", "lost"),
    Fate.DUPLICATE.value: ("token", "twice"),
    Fate.REORDERED.value: ("token", "out of order"),
    Fate.DIVERGENT.value: ("token", "replaced by others"),
    "gave_up": ("answer", "not read to the end"),
}
"""What must be nothing in every row, and its words."""
