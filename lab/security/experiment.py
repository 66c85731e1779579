"""The security experiment: every probe on every transport, with its defence taken away and with it in place.

The one thing to notice: the two runs differ in that one defence and in nothing else. What else would stop the attack is
taken away in both, so what the second run shows is due to the defence.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from rich.progress import Progress

from clients.chunk import Refused, StreamError
from lab.limits import CouldNotRun, Failure, check
from lab.result import EVIDENCE, Row
from lab.security.chromium import Chromium
from lab.security.observations import observe
from lab.security.probe import COULD_NOT_RUN, NOT_APPLICABLE, STOPPED, SUCCEEDED, Outcome, Probe
from lab.security.probes import PROBES
from lab.security.scene import Scene
from lab.security.servers import USUAL, Change, Servers
from server.defences import DEFENCES
from server.transports import TRANSPORTS

EXPECTED = (CouldNotRun, Failure, StreamError, Refused)
"""What says in a sentence what went wrong."""
LANES = 5
"""Attacks at a time, of those that need not be alone."""


class BrokenProbe(Failure):
    """An attack did not succeed where nothing was there to stop it, so it shows nothing about any defence."""


class Cell(NamedTuple):
    """One attack on one transport, and the defence that is judged."""

    probe: str
    transport: str
    defence: str


@dataclass(frozen=True, slots=True)
class Parameters:
    """What to try. Left empty, it is all there is."""

    probe: tuple[str, ...] = tuple(PROBES)
    transport: tuple[str, ...] = tuple(TRANSPORTS)
    defence: tuple[str, ...] = tuple(DEFENCES)

    def __post_init__(self) -> None:
        check(self, {})
        if not plan(self):
            about = "; ".join(f"{name} is about {', '.join(PROBES[name].defences)}" for name in self.probe[:3])
            raise ValueError(f"There is nothing to try with that --defence: {about}.")

    @property
    def everything(self) -> bool:
        """Whether nothing was left out."""
        return self == Parameters()


def plan(parameters: Parameters) -> list[Cell]:
    """All that is to be tried. Those of one defence come behind one another: they share their servers."""
    return [
        Cell(probe, transport, defence)
        for probe in parameters.probe
        for defence in PROBES[probe].defences
        if defence in parameters.defence
        for transport in parameters.transport
    ]


async def security(parameters: Parameters, out: Path, report: Callable[[Row], None], progress: Progress) -> None:
    """Attack; each row goes to `report` at once, and its evidence to a new folder in `out`.

    Raises BrokenProbe at the end, when all else has been tried; SubjectDied when a server does not start.
    """
    cells, folder = plan(parameters), unused(out)
    trying = progress.add_task("security", total=len(cells))
    broken = []
    async with arena() as (servers, chromium):

        async def attack(cell: Cell) -> None:
            progress.update(trying, description=f"{cell.probe} {cell.transport}")
            row, files = await attempt(cell, servers, chromium)
            report(row | {"files": [f"{folder}/{folder_of(cell)}/{name}" for name in files]})
            keep(out / folder / folder_of(cell), files)
            if fault := row.get("broken") or (row["off"] == STOPPED and row["off_says"]):
                broken.append(f"{cell.probe} on {cell.transport} against {cell.defence} ({fault})")
            progress.advance(trying)

        await each(cells, attack)
        if parameters.everything:
            async for observation in observe(servers, chromium):
                report(observation)
    if broken:
        raise BrokenProbe(f"An attack that should have succeeded did not, so it shows nothing: {'; '.join(broken)}.")


async def each(cells: Sequence[Cell], attack: Callable[[Cell], Awaitable[None]]) -> None:
    """Do it for each cell, those that must be alone behind one another at the end. The first failure ends all."""
    await _side_by_side(attack, [cell for cell in cells if not PROBES[cell.probe].alone])
    for cell in cells:
        if PROBES[cell.probe].alone:
            await attack(cell)


async def _side_by_side(attack: Callable[[Cell], Awaitable[None]], cells: Iterable[Cell]) -> None:
    """Several at a time: most attacks spend their time waiting."""
    lanes = asyncio.Semaphore(LANES)

    async def one(cell: Cell) -> None:
        async with lanes:
            await attack(cell)

    try:
        async with asyncio.TaskGroup() as group:
            for cell in cells:
                group.create_task(one(cell))
    except* Exception as errors:
        raise errors.exceptions[0] from None


@asynccontextmanager
async def arena() -> AsyncIterator[tuple[Servers, Chromium]]:
    """Where attacks take place: servers and a browser, which end with the block."""
    async with Servers() as servers, Chromium() as chromium:
        yield servers, chromium


async def attempt(cell: Cell, servers: Servers, chromium: Chromium) -> tuple[Row, dict[str, bytes]]:
    """Attack twice. Gives the row, and the files that there are to show for it."""
    probe = PROBES[cell.probe]
    row: Row = dict(cell._asdict())
    if why := probe.spares.get(cell.transport):
        return row | {"off": NOT_APPLICABLE, "on": NOT_APPLICABLE, "why": why}, {}
    files: dict[str, bytes] = {}
    evidence: dict[str, Any] = {}
    try:
        for run, change in changes(probe, cell.defence).items():
            settings, own = replace(USUAL, **probe.settings), probe.alone or probe.own_server
            async with servers.target(change, settings, probe.tls, own) as target:
                outcome = await probe.attack(Scene(target, cell.transport, chromium))
            row |= _told(run, outcome)
            evidence[run] = outcome.evidence
            files |= {f"{run}-{name}": data for name, data in outcome.files.items()}
    except Exception as error:  # the other attacks can go on
        missing = {run: COULD_NOT_RUN for run in ("off", "on") if run not in row}
        why = str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
        broken = {} if isinstance(error, CouldNotRun) else {"broken": why}
        return row | missing | broken | {"why": why, "evidence": evidence}, files
    return row | {"evidence": evidence}, files


def changes(probe: Probe, defence: str) -> dict[str, Change]:
    """How the servers of the two runs differ from the one that ships.

    Each defence is judged alone: the probe's other ones are taken away in both runs. One that does not ship cannot be
    taken away, so it is put in for the second run.
    """
    others = tuple(other for other in probe.defences if other != defence and DEFENCES[other].ships)
    bare = (*probe.besides, *others)
    if DEFENCES[defence].ships:
        return {"off": Change((*bare, defence)), "on": Change(bare)}
    return {"off": Change(bare), "on": Change(bare, (defence,))}


def _told(run: str, outcome: Outcome) -> Mapping[str, Any]:
    return {
        run: SUCCEEDED if outcome.succeeded else STOPPED,
        f"{run}_says": outcome.says,
        f"{run}_figures": dict(outcome.figures),
    }


def unused(out: Path) -> str:
    """The name of a folder for evidence that is not in `out` yet: one that is may be anybody's."""
    names = (f"{EVIDENCE}{number if number > 1 else ''}" for number in count(1))
    return next(name for name in names if not os.path.lexists(out / name))


def folder_of(cell: Cell) -> str:
    """The name of the folder in which its files are."""
    return "-".join(cell)


def keep(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files, if there are any. Raises OSError."""
    for name, data in files.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
