"""The experiment `peers`: the same answers at the same pace, typed by this server and by what else people would take.

The one thing to notice: runs of all peers are interleaved, and a ratio is made of two runs that were made side by side.
A machine that is slower in one hour than in the next then does not decide who is better.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

from rich.progress import Progress

from lab.limits import Failure, check
from lab.load import allow_files, watching
from lab.peers.catalogue import PEERS
from lab.peers.run import measure
from lab.peers.schedule import Run, a_run, crowd_of
from lab.result import Row
from lab.spread import interleaved
from server.transports import TRANSPORTS

STREAMS_AND_POLLS = tuple(name for name in TRANSPORTS if name != "whole")
"""What is compared: `whole` does not push."""

LIMITS = {"runs": (1, 1000), "seconds": (0.2, 600), "poll_ms": (10, 5000)}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What to measure: every peer over every transport that it has, with every crowd."""

    peer: tuple[str, ...] = tuple(PEERS)
    transport: tuple[str, ...] = STREAMS_AND_POLLS
    crowds: tuple[str, ...] = ("100x50", "1000x50")
    """Readers, and milliseconds between tokens."""
    runs: int = 5
    seconds: float = 5.0
    """Of typing."""
    poll_ms: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        check(self, LIMITS)
        for crowd in self.crowds:
            crowd_of(crowd)
        for name, given, known in (("peer", self.peer, PEERS), ("transport", self.transport, STREAMS_AND_POLLS)):
            if strange := [each for each in given if each not in known]:
                raise ValueError(f"There is no {name} {strange[0]!r}. There are {', '.join(known)}.")
        if not cases(self, self.peer):
            raise ValueError("None of these peers has any of these transports.")

    @property
    def most_readers(self) -> int:
        """Of the largest crowd."""
        return max(crowd_of(crowd)[0] for crowd in self.crowds)


def cases(parameters: Parameters, peers: Iterable[str]) -> list[tuple[str, str, str]]:
    """Every (peer, transport, crowd) that there is."""
    every = product(peers, parameters.transport, parameters.crowds)
    return [(peer, transport, crowd) for peer, transport, crowd in every if transport in PEERS[peer].transports]


def plan(parameters: Parameters, peers: Iterable[str]) -> list[Run]:
    """Every run of these peers, in the order in which they are made."""
    p = parameters
    return [
        a_run(peer, transport, crowd, run, p.seconds, p.poll_ms, p.seed)
        for run, (peer, transport, crowd) in interleaved(cases(p, peers), p.runs, p.seed)
    ]


def introduced(peers: Iterable[str]) -> list[Row]:
    """An observation about each peer: what it is, and its version; or what is missing, and then it has no version."""
    found = []
    for name in peers:
        missing = PEERS[name].missing()
        found.append(
            {
                "id": name,
                "says": PEERS[name].about if missing is None else missing,
                "library": PEERS[name].name,
                "version": PEERS[name].version() if missing is None else None,
            }
        )
    return found


async def peers(parameters: Parameters, report: Callable[[Row], None], progress: Progress) -> None:
    """Measure; each row goes to `report` at once. A peer that is missing is left out, and a sentence says so.

    Raises Failure when no peer is there, TooFewFiles before anything is measured.
    """
    allow_files(parameters.most_readers)
    known = introduced(parameters.peer)
    for each in known:
        report(each)
        if each["version"] is None:
            print(f"{each['library']} is left out: {each['says']}", file=sys.stderr)
    runs = plan(parameters, [each["id"] for each in known if each["version"] is not None])
    if not runs:
        raise Failure("None of these peers can run here.")
    running = progress.add_task("peers", total=round(sum(run.expected_s for run in runs)))
    phase = progress.add_task("")
    spent_s = 0.0
    for number, run in enumerate(runs, 1):
        what = f"run {number} of {len(runs)}: {run.transport} by {run.peer}, {run.crowd} (in seconds)"
        progress.update(running, description=what, completed=round(spent_s))
        report(await measure(run, watching(progress, running, phase, spent_s, run.expected_s)))
        spent_s += run.expected_s
    progress.update(running, completed=round(spent_s))
