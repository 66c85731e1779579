"""What came of it for the article's claims on streaming (C19 to C22).

The one thing to notice: each pair differs in nothing but streaming, and a claim is judged on each pair and each crowd.
Where they do not agree, it depends, and the findings say on what. A real model says something else each time; then only
the wait for its first word can be compared, and what an answer costs in all cannot.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.sides import Finding, Side, amount, less, noticeable, number, per, quoted
from lab.spread import median
from lab.stream_or_not.ways import PAIRS, PROMPT, SCRIPT
from lab.verdicts import CLAIMS as ARTICLE
from lab.verdicts import Claim, judged, under_each_setting
from server.sources.presets import PRESETS

TTFT = amount("ttft_ms.p50", "ms to the first text")
E2E = amount("e2e_ms.p50", "ms to the last text")
HELD = amount("held_ms.p50", "ms that the connection is held")
BYTES = per(("bytes_up", "bytes_down"), "answers", "bytes per answer")
CPU = amount("cpu_ms_per_answer", "ms of server CPU per answer")
MEMORY = amount("memory_bytes_per_asker", "bytes of server memory per asker, at the most")

TOKENS = per(("tokens",), "answers", "tokens per answer")
TPOT = amount("tpot_ms.p50", "ms a token, on average")
GAP = amount("gap_ms.p50", "ms from one text to the next, in the middle")

PUBLISHED_S, PUBLISHED_TTFT_MS, PUBLISHED_GAP_MS = (2.5, 3.5), (50.0, 150.0), (10.0, 20.0)
"""What the article quotes, "about 3 s", "0.1 s" and "0.01 to 0.02 s", as ranges that are still fairly called so."""
NEARLY = 0.05
"""A share of the wait that nobody would call a part of it."""


def pairs(sides: Sequence[Side]) -> Iterator[tuple[Side, Side]]:
    """Streamed, and not."""
    named = {side.name: side for side in sides}
    yield from ((named[one], named[other]) for one, other in PAIRS if one in named and other in named)


def alike(sides: Sequence[Side]) -> Iterator[tuple[Side, Side]]:
    """Those pairs whose answers were as long."""
    for pair in pairs(sides):
        lengths = [TOKENS.of(side) for side in pair]
        if all(lengths) and not noticeable(*map(median, lengths)):
            yield pair


def waiting(sides: Sequence[Side]) -> Iterator[Finding]:
    """C19. Longer to the last text; and the one connection is open for all of the wait."""
    for streamed, whole in alike(sides):
        yield from less(streamed, whole, E2E)
    for _, whole in pairs(sides):
        held, wait = HELD.of(whole), E2E.of(whole)
        if held and wait:
            is_held = not noticeable(median(held), median(wait), NEARLY)
            yield Finding(
                is_held, "ms of a held connection while waiting", f"{whole.name} {quoted(held)} of {quoted(wait)}"
            )


def shorter_and_cheaper(sides: Sequence[Side]) -> Iterator[Finding]:
    """C20. The wait; and then what it takes of the server."""
    for streamed, whole in pairs(sides):
        yield from less(streamed, whole, TTFT)
    for streamed, whole in alike(sides):
        yield from less(streamed, whole, HELD, CPU, MEMORY)


def more_traffic(sides: Sequence[Side]) -> Iterator[Finding]:
    """C21."""
    for streamed, whole in alike(sides):
        for finding in less(whole, streamed, BYTES):
            times = median(BYTES.of(streamed)) / median(BYTES.of(whole))
            yield finding._replace(says=f"{finding.says}, {number(times)} times as many")


def as_published(sides: Sequence[Side]) -> Iterator[Finding]:
    """C22. Its three figures, of who asks alone: all of it, the first text, and from one token to the next."""
    for streamed, whole in pairs(sides) if all(row["readers"] == 1 for side in sides for row in side.rows) else ():
        both = [E2E.of(streamed), E2E.of(whole)]
        if all(both):
            says = f"{streamed.name} {quoted(both[0])}, {whole.name} {quoted(both[1])}"
            yield Finding(all(_within(median(found) / 1000, PUBLISHED_S) for found in both), E2E.words, says)
        if first := TTFT.of(streamed):
            yield Finding(_within(median(first), PUBLISHED_TTFT_MS), TTFT.words, f"{streamed.name} {quoted(first)}")
        for figure in (TPOT, GAP):
            if gaps := figure.of(streamed):
                yield Finding(_within(median(gaps), PUBLISHED_GAP_MS), figure.words, f"{streamed.name} {quoted(gaps)}")


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]


BOTH = "the same question streamed and not"
COUNTING = "C22"
CLAIMS = {
    "C19": Claim(ARTICLE["C19"].says, under_each_setting(waiting), BOTH, half=E2E),
    "C20": Claim(ARTICLE["C20"].says, under_each_setting(shorter_and_cheaper), BOTH, half=CPU),
    "C21": Claim(ARTICLE["C21"].says, under_each_setting(more_traffic), BOTH),
    COUNTING: Claim(
        "Counting to 100 takes about 3 s either way; streamed, the first token comes after 0.1 s, and then one every "
        "0.01 to 0.02 s",
        under_each_setting(as_published),
        f"{BOTH}, by one asker, and the question to be that one",
    ),
}


def verdicts(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """A verdict on each of them, with the figures that it stands on."""
    rows, parameters = document["rows"], document["parameters"]
    model, prompt = parameters.get("model"), parameters.get("prompt")
    counts = model == SCRIPT or (model not in PRESETS and prompt == PROMPT)
    other = CLAIMS if counts else CLAIMS | {COUNTING: CLAIMS[COUNTING]._replace(judge=lambda _measured: {})}
    return judged(other, rows)
