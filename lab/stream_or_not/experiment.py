"""The experiment `stream-or-not`: the same question in four ways, by one asker, by a hundred and by a thousand.

The one thing to notice: runs of all ways are interleaved, so that whatever the machine is busy with meets all alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from rich.progress import Progress

from lab.limits import check
from lab.load import allow_files, watching
from lab.result import Row
from lab.spread import interleaved
from lab.stream_or_not.row import Run
from lab.stream_or_not.run import IDLE_S, SETTLE_S, SPREAD_S, measure
from lab.stream_or_not.ways import PROMPT, SCRIPT, WAYS
from server.models import unusable
from server.sources.presets import PRESETS

LIMITS = {"askers": (1, 5000), "runs": (1, 1000)}
ANSWER_S = 5.0
"""About how long an answer takes, for the progress that is shown."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What to measure: every way with every crowd."""

    model: str = SCRIPT
    """As for `python -m server`."""
    base_url: str = ""
    prompt: str = PROMPT
    askers: tuple[int, ...] = (1, 100, 1000)
    ways: tuple[str, ...] = tuple(WAYS)
    runs: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        check(self, LIMITS)
        if not self.model or not self.prompt.strip():
            raise ValueError("--model and --prompt must not be empty.")
        if problem := unusable(self.model, self.base_url):
            raise ValueError(problem)
        try:
            self.prompt.encode()
        except UnicodeEncodeError:
            raise ValueError("--prompt holds half a character: it cannot be sent as UTF-8.") from None

    @property
    def real(self) -> bool:
        """Whether a model is asked, and no script."""
        return bool(self.base_url) or self.model not in PRESETS


def plan(parameters: Parameters) -> list[Run]:
    """Every run, in the order in which they are made."""
    p = parameters
    cases = list(product(p.askers, p.ways))
    return [Run(way, askers, run, p.seed) for run, (askers, way) in interleaved(cases, p.runs, p.seed)]


async def stream_or_not(parameters: Parameters, report: Callable[[Row], None], progress: Progress) -> None:
    """Measure; each row goes to `report` at once.

    Raises TooFewFiles before anything is measured, SubjectDied when a server does not start.
    """
    p = parameters
    allow_files(2 * max(p.askers))  # of the server, which may have a connection to a model for each
    runs, spent_s, each_s = plan(p), 0.0, SETTLE_S + IDLE_S + SPREAD_S + ANSWER_S
    running = progress.add_task("stream-or-not", total=round(len(runs) * each_s))
    phase = progress.add_task("")
    for number, run in enumerate(runs, 1):
        what = f"run {number} of {len(runs)}: {WAYS[run.way].variant}, {run.askers} asking (in seconds)"
        progress.update(running, description=what, completed=round(spent_s))
        watch = watching(progress, running, phase, spent_s, each_s)
        report(await measure(run, p.model, p.base_url, p.prompt, watch))
        spent_s += each_s
    progress.update(running, completed=round(spent_s))
