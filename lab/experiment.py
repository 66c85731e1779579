"""What all experiments share: measure, keep every run at once, and write what came of it.

The one thing to notice: rows are on the disk as soon as they are measured. Ctrl-C, a dead server or a dead machine
costs the run under way and nothing else.
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clients.chunk import Refused, StreamError
from lab.crowd.processes import LoadDied
from lab.environment import environment
from lab.load import TooFewFiles
from lab.overhead import Different
from lab.report.page import report
from lab.report.table import table
from lab.result import Row, document, write
from lab.subject import SubjectDied
from lab.verdicts import verdicts

Keep = Callable[[Row], None]
Measure = Callable[[Keep, Progress], Awaitable[None]]

FAILURES = (SubjectDied, LoadDied, TooFewFiles, Different, StreamError, Refused)
"""What ends an experiment early, each with a sentence."""

NAMES = "result.json and report.html"


def carry_out(name: str, command: str, parameters: Any, measure: Measure, out: Path) -> int:
    """Measure, and write result.json and report.html to `out`. Gives the exit code."""
    try:
        _check(out)
    except OSError as error:
        return failed(f"{out} cannot be written to: {error.strerror}. Give another folder with --out DIR.")
    found = document(name, command, environment(), asdict(parameters))
    code = 0
    try:
        _measure(found, measure, out)
        found["complete"] = True
    except KeyboardInterrupt:
        code, found["note"] = 130, f"stopped by Ctrl-C after {_runs(found)}"
    except FAILURES as error:
        code, found["note"] = 1, f"{error} That was after {_runs(found)}."
    except OSError as error:
        return failed(
            f"{out} cannot be written to any more: {error.strerror}. There is room for more elsewhere: --out."
        )
    found["verdicts"] = verdicts(found["rows"])
    with contextlib.suppress(KeyboardInterrupt):  # who presses it twice still gets what was measured
        _publish(found, out)
    return failed(found["note"]) if code == 1 else code


def failed(sentence: str) -> int:
    """Say it where people look for errors; gives the exit code."""
    print(sentence, file=sys.stderr)
    return 1


def _check(out: Path) -> None:
    """Raise OSError unless files can be made there. Before anything is measured, and without touching older results."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out):
        pass


def _measure(found: dict[str, Any], measure: Measure, out: Path) -> None:
    def keep(row: Row) -> None:
        found["rows"].append(row)
        write(out, found)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        asyncio.run(_awaited(measure, keep, progress))


async def _awaited(measure: Measure, keep: Keep, progress: Progress) -> None:
    await measure(keep, progress)


def _publish(found: dict[str, Any], out: Path) -> None:
    if not found["rows"]:
        return
    write(out, found)
    (out / "report.html").write_text(report(found), encoding="utf-8")
    Console().print(table(found))
    Console(stderr=True).print(f"{NAMES} are in {out}", highlight=False)


def _runs(found: dict[str, Any]) -> str:
    count = len(found["rows"])
    return "1 run" if count == 1 else f"{count} runs"
