"""What all experiments share: measure, keep every run at once, and write what came of it.

The one thing to notice: rows are on the disk as soon as they are measured. Ctrl-C, a dead server or a dead machine
costs the run under way and nothing else.
"""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clients.chunk import Refused, StreamError
from lab.environment import environment
from lab.limits import Failure
from lab.report.page import report
from lab.report.table import table
from lab.result import FILE, Row, document, replace_by, write
from lab.verdicts import verdicts

Keep = Callable[[Row], None]
Measure = Callable[[Keep, Progress], Awaitable[None]]

REPORT = "report.html"
STOPS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


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
    code = 0
    try:
        asyncio.run(_measure(found, measure, out))
        found["complete"] = True
    except Stopped as stop:
        code, found["note"] = stop.code, f"Stopped by {stop} after {_runs(found)}."
    except (Failure, StreamError, Refused) as error:
        code, found["note"] = 1, f"{error} That was after {_runs(found)}."
    except OSError as error:
        code, found["note"] = 1, f"The system refused: {error.strerror or error}. That was after {_runs(found)}."
    found["verdicts"] = verdicts(found["rows"])
    published = _publish(found, out)
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


async def _measure(found: dict[str, Any], measure: Measure, out: Path) -> None:
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


def _keep(found: dict[str, Any], row: Row, out: Path) -> None:
    """Have it on the disk at once. Raises Unwritable."""
    try:
        if not found["rows"]:
            _set_aside(out)
        found["rows"].append(row)
        write(out, found)
    except OSError as error:
        raise Unwritable(
            f"{out} cannot be written to any more: {error.strerror}. Give another folder: --out."
        ) from None


def _set_aside(out: Path) -> None:
    """Keep what an earlier experiment left there, under another name."""
    for name in (FILE, REPORT):
        if (path := out / name).exists():
            path.replace(path.with_stem(f"{path.stem}.old"))
            print(f"An older {name} was there; it is {path.stem}.old{path.suffix} now.", file=sys.stderr)


def _publish(found: dict[str, Any], out: Path) -> int:
    """Show it and write it, undisturbed; gives the exit code."""
    if not found["rows"]:
        return 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Console().print(table(found))
    try:
        write(out, found)
        replace_by(out / REPORT, report(found))
    except OSError as error:
        return failed(_unwritable(out, error))
    print(f"{FILE} and {REPORT} are in {out}", file=sys.stderr)
    return 0


def _unwritable(out: Path, error: OSError) -> str:
    why = "it is a file" if out.is_file() else error.strerror
    return f"{out} cannot be written to: {why}. Give another folder with --out DIR."


def _runs(found: dict[str, Any]) -> str:
    count = len(found["rows"])
    return "1 run" if count == 1 else f"{count} runs"
