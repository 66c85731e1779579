"""What all experiments share: measure, keep every row at once, and write what came of it.

The one thing to notice: rows are on the disk as soon as they are measured. Ctrl-C, a dead server or a dead machine
costs the run under way and nothing else.
"""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clients.chunk import Refused, StreamError
from lab.environment import environment
from lab.limits import Failure
from lab.peers import targets
from lab.report import attacks, faults, peers, security, soak, stream_or_not
from lab.report.headline import Document, runs
from lab.report.matrix import matrix
from lab.report.page import report
from lab.report.table import table
from lab.result import FILE, Row, document, replace_by, write
from lab.security import claims
from lab.soak import verdict
from lab.stream_or_not import claims as streaming
from lab.verdicts import verdicts

Keep = Callable[[Row], None]
"""What a row goes to; or what is no row: an observation, a fact with an `id`, and a sample, taken `at_s`."""
Measure = Callable[[Keep, Progress], Awaitable[None]]

REPORT = "report.html"
STOPS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Shown(NamedTuple):
    """How what came of an experiment is judged and shown."""

    verdicts: Callable[[Document], list[dict[str, str]]]
    table: Callable[[Document], RenderableType]
    report: Callable[[Document, Path], str]
    """Its HTML; files that rows name are in that folder."""
    counted: Callable[[Document], str]
    """How much was measured, in words."""
    wrong: Callable[[Document], str | None] = lambda _found: None
    """What is not as it must be, in a sentence: the experiment has failed then, however complete it is."""


MEASURED = Shown(lambda found: verdicts(found["rows"]), table, lambda found, _folder: report(found), runs)
SHOWN = {
    "overhead": MEASURED,
    "load": MEASURED,
    "faults": Shown(lambda _found: [], faults.table, faults.report, faults.counted, faults.wrong),
    "soak": Shown(lambda _found: [], soak.table, soak.report, soak.counted, verdict.wrong),
    "peers": Shown(lambda found: targets.verdicts(found["rows"]), peers.table, peers.report, runs, peers.wrong),
    "stream-or-not": Shown(streaming.verdicts, stream_or_not.table, stream_or_not.report, runs, stream_or_not.wrong),
    "security": Shown(claims.of_document, matrix, security.report, attacks.counted),
}
"""By experiment."""


class Stopped(Exception):
    """Somebody wants no more of it."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(STOPS[number])
        self.code = 128 + number


class Unwritable(Failure):
    """What is measured cannot be kept any more."""


def carry_out(name: str, command: str, parameters: Any, measure: Measure, out: Path) -> int:
    """Measure, and write result.json and report.html to `out`. Gives the exit code."""
    try:
        _check(out)
    except OSError as error:
        return failed(_unwritable(out, error))
    found = document(name, command, environment(), asdict(parameters))
    shown, code = SHOWN[name], 0
    try:
        asyncio.run(_measure(found, measure, out))
        found["complete"] = True
    except Stopped as stop:
        code, found["note"] = stop.code, f"Stopped by {stop} after {shown.counted(found)}."
    except (Failure, StreamError, Refused) as error:
        code, found["note"] = 1, f"{error} That was after {shown.counted(found)}."
    except OSError as error:
        code, found["note"] = (
            1,
            f"The system refused: {error.strerror or error}. That was after {shown.counted(found)}.",
        )
    if sentence := shown.wrong(found):
        code, found["note"] = code or 1, " ".join(filter(None, (found["note"], sentence)))
    found["verdicts"] = shown.verdicts(found)
    with _undisturbed():
        published = _publish(found, shown, out)
    if found["note"]:
        print(found["note"], file=sys.stderr)
    return code or published


def failed(sentence: str) -> int:
    """Say it where people look for errors; gives the exit code."""
    print(sentence, file=sys.stderr)
    return 1


def _check(out: Path) -> None:
    """Raise OSError unless files can be made there. Before anything is measured, and without touching older results."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out):
        pass


async def _measure(found: Document, measure: Measure, out: Path) -> None:
    """Raises Stopped; a second Ctrl-C changes nothing, for the servers are being ended already."""
    measuring = asyncio.current_task()
    stops: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if measuring and not stops:
            measuring.cancel()
        stops.append(number)

    for number in STOPS:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            await measure(lambda row: _keep(found, row, out), progress)
    except asyncio.CancelledError:
        raise Stopped(stops[0]) from None


def _keep(found: Document, row: Row, out: Path) -> None:
    """Have it on the disk at once. Raises Unwritable."""
    try:
        if not _anything(found):
            _set_aside(out)
        found.setdefault(_kind(row), []).append(row)
        write(out, found)
    except OSError as error:
        raise Unwritable(
            f"{out} cannot be written to any more: {error.strerror}. Give another folder: --out."
        ) from None


def _kind(row: Row) -> str:
    """The key of the document under which it is kept."""
    return "observations" if "id" in row else "samples" if "at_s" in row else "rows"


def _anything(found: Document) -> bool:
    """Whether something came of it so far."""
    return any(found.get(kind) for kind in ("rows", "observations", "samples"))


def _set_aside(out: Path) -> None:
    """Keep what an earlier experiment left there, under another name. Its evidence stays where it is."""
    for name in (FILE, REPORT):
        if (path := out / name).exists():
            old = path.with_stem(f"{path.stem}.old")
            path.replace(old)
            print(f"An older {name} was there; it is {old.name} now.", file=sys.stderr)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C is not heard while the block runs, and after it as before: processes started later inherit that."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _publish(found: Document, shown: Shown, out: Path) -> int:
    """Show it and write it; gives the exit code."""
    if not _anything(found):
        return 0
    Console().print(shown.table(found))
    try:
        write(out, found)
        replace_by(out / REPORT, shown.report(found, out))
    except OSError as error:
        return failed(_unwritable(out, error))
    print(f"{FILE} and {REPORT} are in {out}", file=sys.stderr)
    return 0


def _unwritable(out: Path, error: OSError) -> str:
    why = "it is a file" if out.is_file() else error.strerror
    return f"{out} cannot be written to: {why}. Give another folder with --out DIR."
