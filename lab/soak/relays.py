"""The bad network of a soak: `python -m lab relay`, started as anybody can, in processes of their own.

The one thing to notice: it is asked over HTTP what happened, as by anybody, and what it complains about is kept.
"""

import asyncio
import re
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import psutil
from yarl import URL

from lab.limits import Failure
from lab.subject import ROOT, START_S, cpu_s, ended


class RelayDied(Failure):
    """A relay did not start, or ended in the middle; the message says what it said."""


@dataclass(slots=True)
class RelayProcess:
    """A running relay."""

    cut: str
    """How it cuts: `fin` or `rst`."""
    port: int
    control: str
    """The URL at which it tells what happened."""
    process: Process
    complaints: asyncio.Task[bytes]
    """What it writes to standard error after its first line: nothing, if all is well."""

    @property
    def name(self) -> str:
        """How it is called."""
        return f"relay ({self.cut})"

    async def counts(self, http: aiohttp.ClientSession) -> dict[str, int]:
        """What happened so far, as `lab.relay.Counts`. Raises RelayDied."""
        try:
            async with http.get(f"{self.control}/counts") as response:
                found: dict[str, int] = await response.json()
                return found
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RelayDied(f"The relay that cuts with {self.cut} does not answer: {error}.") from None

    def cpu_s(self) -> float:
        """CPU seconds that it used so far. Raises RelayDied."""
        try:
            return cpu_s(self.process.pid)
        except psutil.Error:
            raise RelayDied(f"The relay that cuts with {self.cut} ended in the middle.") from None


@asynccontextmanager
async def relays(server: str, cuts: Sequence[str], every: int) -> AsyncIterator[list[RelayProcess]]:
    """A relay to `server` for each way of cutting, `every` so many bytes, while the block runs. Raises RelayDied."""
    started: list[Process] = []
    found: list[RelayProcess] = []
    try:
        for cut in cuts:
            started.append(await _start(server, cut, every))  # noqa: PERF401 - those that started must be ended
        for cut, process in zip(cuts, started, strict=True):
            url, control = await _addresses(process)
            assert process.stderr  # noqa: S101 - it was asked for
            complaints = asyncio.create_task(process.stderr.read())
            found.append(RelayProcess(cut, URL(url).port or 0, control, process, complaints))
        yield found
    finally:
        for process in started:
            await _end(process)
        await asyncio.gather(*(each.complaints for each in found))


async def _start(server: str, cut: str, every: int) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lab", "relay", "--server", server, "--cut-every", str(every), "--cut", cut),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us: we end it ourselves
    )


async def _addresses(process: Process) -> tuple[str, str]:
    """Where it relays, its first line; and where it tells of it, in the first line of standard error."""
    assert process.stdout  # noqa: S101 - both were asked for
    assert process.stderr  # noqa: S101
    try:
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode().strip()
            hint = (await process.stderr.readline()).decode()
    except TimeoutError:
        line = hint = ""
    if not (line and (control := re.search(r"http://\S+(?=/counts)", hint))):
        raise RelayDied(f"A relay did not start. {hint}".strip())
    return line, control[0]


async def _end(process: Process) -> None:
    """Stop it in order; one that does not hear is killed."""
    if process.returncode is None:
        process.terminate()
    await ended(process)
