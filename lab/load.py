"""The load experiment: how many readers a server bears, and what each of them costs it.

The one thing to notice: capacity is the largest crowd that was tried and kept the objective in every run. Of larger
ones only the reason is known why they did not, so that is said beside it.
"""

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from rich.progress import Progress, TaskID

from lab.crowd.row import meets
from lab.crowd.run import measure
from lab.crowd.schedule import ENOUGH_TOKENS, Crowd
from lab.crowd.watching import Watch
from lab.limits import Failure, check
from lab.result import Row
from lab.session import variants
from lab.spread import interleaved
from server.transports import TRANSPORTS

if sys.platform != "win32":
    import resource

SPARE_FILES = 100
"""What a process has open beside the connections of its readers."""
LEAST_TOKENS, MOST_TOKENS = 30, 200
"""Of one answer; between them as many as make enough of all answers together."""

LIMITS = {
    "readers": (1, 10_000),  # they all connect in the minute before the first token
    "runs": (1, 1000),
    "token_ms": (1, 5000),
    "poll_ms": (1, 5000),
    "processes": (1, 64),
    "objective_ms": (1, 60_000),
}


class TooFewFiles(Failure):
    """The system lets a process open fewer files than it takes; the message says how to allow more."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What to measure: every transport with every number of readers."""

    readers: tuple[int, ...] = (100, 1000)
    transports: tuple[str, ...] = tuple(TRANSPORTS)
    runs: int = 5
    token_ms: float = 200.0
    poll_ms: int = 200
    processes: int = 1
    """Load processes, which share the readers."""
    seed: int = 0
    objective_ms: float = 100.0
    """The corrected lag that 95 of 100 tokens must keep to."""

    def __post_init__(self) -> None:
        check(self, LIMITS)
        if strange := sorted(set(self.transports) - set(TRANSPORTS)):
            raise ValueError(f"There is no transport {strange[0]!r}. There are {', '.join(TRANSPORTS)}.")


def plan(parameters: Parameters) -> list[Crowd]:
    """Every run, in the order in which they are made."""
    p = parameters
    cases = list(product(p.readers, variants(p.transports, [p.poll_ms])))
    return [
        Crowd(
            variant=variant,
            readers=readers,
            run=run,
            tokens=min(max(-(-ENOUGH_TOKENS // readers), LEAST_TOKENS), MOST_TOKENS),
            token_ms=p.token_ms,
            processes=min(p.processes, readers),
            seed=p.seed,
            objective_ms=p.objective_ms,
        )
        for run, (readers, variant) in interleaved(cases, p.runs, p.seed)
    ]


async def load(parameters: Parameters, report: Callable[[Row], None], progress: Progress) -> None:
    """Measure; each row goes to `report` at once.

    Raises TooFewFiles before anything is measured, SubjectDied or LoadDied when a process of a run ends before it.
    """
    allow_files(max(parameters.readers))
    crowds = plan(parameters)
    running = progress.add_task("load", total=round(sum(crowd.expected_s for crowd in crowds)))
    phase = progress.add_task("")
    spent_s = 0.0
    for number, crowd in enumerate(crowds, 1):
        what = f"run {number} of {len(crowds)}: {crowd.variant.name}, {crowd.readers} readers (in seconds)"
        progress.update(running, description=what, completed=round(spent_s))
        report(await measure(crowd, watching(progress, running, phase, spent_s, crowd.expected_s)))
        spent_s += crowd.expected_s
    progress.update(running, completed=round(spent_s))


def watching(progress: Progress, running: TaskID, phase: TaskID, spent_s: float, run_s: float) -> Watch:
    """Shows a run's phase on one bar, and on the other how far all runs are."""
    began = time.monotonic()

    def watch(name: str, done: float, of: float) -> None:
        progress.update(phase, description=name, completed=round(done), total=round(of))
        progress.update(running, completed=round(spent_s + min(time.monotonic() - began, run_s)))

    return watch


def allow_files(readers: int) -> None:
    """Let this process, and those that it starts, open as many files as it takes. Raises TooFewFiles."""
    if sys.platform == "win32":
        return
    needed = readers + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        except (ValueError, OSError):
            raise TooFewFiles(
                f"{readers} readers need {needed} open files in one process, and this system allows {hard}. "
                f"Allow more with: ulimit -n {needed} (which may take root), or measure fewer: --readers N."
            ) from None


def capacity(rows: Iterable[Row], objective_ms: float) -> dict[str, dict[str, Any]]:
    """For each transport the most readers that kept the objective, or None, and what is known to limit it."""
    runs: dict[str, dict[int, list[Row]]] = {}
    for row in rows:
        runs.setdefault(row["transport"], {}).setdefault(row["readers"], []).append(row)
    return {transport: _capacity(crowds, objective_ms) for transport, crowds in runs.items()}


def _capacity(crowds: dict[int, list[Row]], objective_ms: float) -> dict[str, Any]:
    faults = {
        readers: next((fault for row in crowds[readers] if (fault := _fault(row, objective_ms))), None)
        for readers in sorted(crowds)
    }
    kept = [readers for readers, fault in faults.items() if not fault]
    most = max(kept, default=None)
    beyond = [
        f"With {readers} readers: {fault}" for readers, fault in faults.items() if fault and readers > (most or 0)
    ]
    return {"readers": most, "limited_by": beyond[0] if beyond else f"At least {most}: more were not tried."}


def _fault(row: Row, objective_ms: float) -> str | None:
    """Why a run does not count as kept; None when it does."""
    if row.get("void"):
        return f"void. {row['void']}"
    if meets(row, objective_ms):
        return None
    if row["missing_tokens"]:
        return f"{row['missing_tokens']} tokens did not arrive. {row['error'] or ''}".rstrip()
    if row["error"]:
        return str(row["error"])
    return f"p95 of corrected lag was {row['corrected_lag_ms']['p95']:.1f} ms, above {objective_ms:g} ms."
