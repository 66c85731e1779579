"""What the measured rows say about the article's claims.

The one thing to notice: nothing here knows how a claim comes out. A claim is a function from what was measured to
findings, each for or against it. When all agree it holds, or it does not; when they do not agree it depends, and the
findings say on what.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from operator import itemgetter
from typing import NamedTuple

from lab.result import Row
from lab.sides import (
    Figure,
    Finding,
    Setting,
    Settings,
    Side,
    amount,
    less,
    noticeable,
    number,
    of,
    per,
    quoted,
    settings,
)
from lab.spread import ENOUGH_RUNS, interval, median, slope

MB = 1_000_000

TTFT = amount("ttft_ms.p50", "ms to the first token")
E2E = amount("e2e_ms.p50", "ms to the last token")
BYTES = per(("bytes_up", "bytes_down"), "tokens", "bytes per token")
ANSWER = per(("bytes_up", "bytes_down"), "readers", "bytes per answer, its handshake or heads included")
CPU = amount("cpu_us_per_token", "µs of server CPU per token")
CORES = amount("server_cpu", "cores of server CPU")
IDLE = amount("memory_bytes_per_connection.idle", "bytes of server memory per idle connection")
ACTIVE = amount("memory_bytes_per_connection.active", "bytes of server memory per active connection")
REQUESTS = per(("requests",), "readers", "requests per answer")
CONNECTIONS = per(("connections",), "readers", "connections per answer")

Evidence = Mapping[Setting, Sequence[Finding]]
Runs = Mapping[Setting, int]
"""How often the side with the fewest runs was measured under a setting."""


class Claim(NamedTuple):
    """A claim of the article, how it is judged, and what that takes."""

    says: str
    judge: Callable[[Settings], Evidence]
    needs: str
    half: Figure | None = None
    """Without it only half of the claim is judged, whatever the other findings say."""


def verdicts(rows: Iterable[Row]) -> list[dict[str, str]]:
    """A verdict on every claim, with the figures that it stands on."""
    return judged(CLAIMS, rows)


def judged(claims: Mapping[str, Claim], rows: Iterable[Row]) -> list[dict[str, str]]:
    """A verdict on each of these claims, with the figures that it stands on."""
    measured = settings(rows)
    runs = {setting: min(len(side.rows) for side in sides) for setting, sides in measured.items()}
    return [
        {"claim": number, "says": claim.says, **_verdict(claim, claim.judge(measured), runs)}
        for number, claim in claims.items()
    ]


def _verdict(claim: Claim, evidence: Evidence, runs: Runs) -> dict[str, str]:
    seen = {finding.holds for findings in evidence.values() for finding in findings}
    if not seen:
        return {"verdict": "not measured", "because": f"This needs {claim.needs}."}
    verdict = "depends" if len(seen) == 2 else "holds" if True in seen else "does not hold"
    because = _because(evidence, runs)
    about = {finding.about for findings in evidence.values() for finding in findings}
    if claim.half and claim.half.words not in about:
        return {"verdict": "depends", "because": f"{because} Not measured: {claim.half.words}."}
    return {"verdict": verdict, "because": because}


def _because(evidence: Evidence, runs: Runs) -> str:
    """The findings under the first setting, then those under each one where they come out differently."""
    (first, findings), *others = [(setting, found) for setting, found in evidence.items() if found]
    unlike = [(setting, found) for setting, found in others if _outcome(found) != _outcome(findings)]
    parts = [_sentence(findings) + _noise(first, runs)]
    parts += [f"With {setting.unlike(first)}: {_sentence(found)}{_noise(setting, runs)}" for setting, found in unlike]
    if same := len(others) - len(unlike):
        parts.append(f"The same under {same} other condition{'s' * (same > 1)}.")
    return " ".join(parts)


def _noise(setting: Setting, runs: Runs) -> str:
    """What has to be said of figures measured too seldom; those of several settings are as good as the worst."""
    fewest = runs.get(setting, min(runs.values()))
    return "" if fewest >= ENOUGH_RUNS else f" ({fewest} run{'s' * (fewest > 1)}: little is known of noise.)"


def _outcome(findings: Sequence[Finding]) -> list[bool]:
    return [finding.holds for finding in findings]


def _sentence(findings: Sequence[Finding]) -> str:
    speak_for = _listed(finding for finding in findings if finding.holds)
    speak_against = _listed(finding for finding in findings if not finding.holds)
    if speak_for and speak_against:
        return f"For it: {speak_for} Against it: {speak_against}"
    return speak_for or speak_against


def _listed(findings: Iterable[Finding]) -> str:
    """Findings about the same behind one another."""
    subjects: dict[str, list[str]] = {}
    for finding in findings:
        subjects.setdefault(finding.about, []).append(finding.says)
    return " ".join(f"{about}: {'; '.join(says)}." for about, says in subjects.items())


def under_each_setting(judge: Callable[[Sequence[Side]], Iterator[Finding]]) -> Callable[[Settings], Evidence]:
    """Judge by what was measured under the same conditions, one setting after the other."""
    return lambda measured: {setting: list(judge(sides)) for setting, sides in measured.items()}


def frequent_requests(sides: Sequence[Side]) -> Iterator[Finding]:
    """C6. Frequent is what has to be done again before the answer is complete."""
    for side in of(sides, "polling", "long_polling", "iframe"):
        if found := REQUESTS.of(side):
            yield Finding(median(found) > 1, REQUESTS.words, f"{side.name} {quoted(found)}")


def one_connection(sides: Sequence[Side]) -> Iterator[Finding]:
    """C9."""
    pollings = of(sides, "polling") + of(sides, "long_polling")
    for sse in of(sides, "sse") if pollings else []:
        if found := CONNECTIONS.of(sse):
            yield Finding(median(found) <= 1, CONNECTIONS.words, f"{sse.name} {quoted(found)}")
        for polling in pollings:
            yield from less(sse, polling, REQUESTS, BYTES, CPU)


def idle_memory(sides: Sequence[Side]) -> Iterator[Finding]:
    """C14."""
    for side in sides:
        if found := IDLE.of(side):
            yield Finding(interval(found)[0] > 0, IDLE.words, f"{side.name} {quoted(found)}")


def growth(measured: Settings) -> Evidence:
    """C15. Each side with the fewest readers beside itself with the most."""
    sizes: dict[Setting, dict[str, list[tuple[int, Side]]]] = {}
    for setting, sides in measured.items():
        for side in sides:
            named = replace(side, name=f"{side.name} with {setting.crowd}")
            sizes.setdefault(replace(setting, readers=1), {}).setdefault(side.name, []).append((setting.readers, named))
    return {setting: [*_cpu_growth(by_name), *_memory_growth(by_name)] for setting, by_name in sizes.items()}


def _cpu_growth(sizes: Mapping[str, Sequence[tuple[int, Side]]]) -> Iterator[Finding]:
    for found in sizes.values():
        few, many = min(found, key=itemgetter(0)), max(found, key=itemgetter(0))
        if few[0] < many[0]:
            yield from less(few[1], many[1], CORES)


def _memory_growth(sizes: Mapping[str, Sequence[tuple[int, Side]]]) -> Iterator[Finding]:
    for name, found in sizes.items():
        points = [point for _, side in found for row in side.rows for point in row.get("memory_points") or []]
        if len({connections for connections, _ in points}) > 1:
            (few, small), (many, large) = min(points), max(points)
            says = f"{name} {number(small / MB)} with {few} connections, {number(large / MB)} with {many}"
            yield Finding(slope(points) > 0, "MB of server memory", says)


def lower_than_websocket(sides: Sequence[Side]) -> Iterator[Finding]:
    """C18. Both kinds of WebSocket, where deflate was measured."""
    for sse, websocket in product(of(sides, "sse"), of(sides, "websocket")):
        yield from less(sse, websocket, BYTES, ANSWER, CPU, IDLE, ACTIVE)


def waiting_for_the_whole(sides: Sequence[Side]) -> Iterator[Finding]:
    """C19. Longer to the last token; and for all of that time, one request that is not answered."""
    for sse, whole in _beside_whole(sides):
        yield from less(sse, whole, E2E)
        ends, begins = E2E.of(whole), TTFT.of(whole)
        if ends and begins:
            says = f"{whole.name} {quoted(begins)} of {quoted(ends)}"
            yield Finding(
                not noticeable(median(begins), median(ends)), "ms without a token on an open connection", says
            )


def shorter_and_cheaper(sides: Sequence[Side]) -> Iterator[Finding]:
    """C20."""
    for sse, whole in _beside_whole(sides):
        yield from less(sse, whole, TTFT, BYTES, CPU, ACTIVE)


def more_traffic(sides: Sequence[Side]) -> Iterator[Finding]:
    """C21."""
    for sse, whole in _beside_whole(sides):
        for finding in less(whole, sse, BYTES):
            times = median(BYTES.of(sse)) / median(BYTES.of(whole))
            yield finding._replace(says=f"{finding.says}, {number(times)} times as many")


def _beside_whole(sides: Sequence[Side]) -> Iterator[tuple[Side, Side]]:
    """The article's way to stream, and the one way not to."""
    yield from product(of(sides, "sse"), of(sides, "whole"))


LOAD = "which `python -m lab load` measures"
BOTH = "readings by sse and by whole"
CLAIMS: dict[str, Claim] = {
    "C6": Claim(
        "Polling, long polling and iframe streaming all need frequent requests and answers",
        under_each_setting(frequent_requests),
        "readings by polling, by long_polling and by iframe",
    ),
    "C9": Claim(
        "SSE needs one connection only, which saves network overhead and server load against polling",
        under_each_setting(one_connection),
        "readings by sse and by polling or long_polling",
    ),
    "C14": Claim(
        "A kept connection costs server memory",
        under_each_setting(idle_memory),
        f"the memory of idle connections, {LOAD}",
    ),
    "C15": Claim(
        "Many connections at once raise load and resource use",
        growth,
        f"the same with few and with many readers, {LOAD}",
    ),
    "C16": Claim(
        "Keeping connections costs bandwidth even when little is sent",
        lambda measured: {},
        "the bytes of connections on which nothing happens, which no experiment counts yet",
    ),
    "C18": Claim(
        "SSE's overhead is lower than WebSocket's",
        under_each_setting(lower_than_websocket),
        "readings by sse and by websocket",
    ),
    "C19": Claim(
        "Without streaming the answer takes longer, and the connection is held all the while anyway",
        under_each_setting(waiting_for_the_whole),
        BOTH,
    ),
    "C20": Claim(
        "Streaming shortens the wait and lowers the server's use of resources",
        under_each_setting(shorter_and_cheaper),
        BOTH,
        half=TTFT,
    ),
    "C21": Claim("Streaming uses more traffic", under_each_setting(more_traffic), BOTH),
}
