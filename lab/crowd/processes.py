"""The load processes, from outside: start them, order them about, and see them off, whatever happens.

The one thing to notice: a process that fails says so, and one that dies leaves its output closed. Neither can keep us
waiting.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from lab.limits import Failure
from lab.subject import ROOT, ended, on_core

LONGEST_LINE = 2**20

Command = dict[str, Any]


class LoadDied(Failure):
    """A load process failed, or ended in the middle of a run; the message says how."""


@dataclass(frozen=True, slots=True)
class LoadProcess:
    """A running one."""

    process: asyncio.subprocess.Process

    async def ready(self) -> None:
        """Return when it takes orders. Raises LoadDied."""
        await self._report()

    async def carry_out(self, command: Command, progress: Callable[[int], None]) -> dict[str, Any]:
        """Give it an order, and return what it reports when that is done. Raises LoadDied."""
        assert self.process.stdin  # noqa: S101 - it was asked for
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        while "done" not in (report := await self._report()):
            progress(report["progress"])
        return dict(report["done"])

    async def _report(self) -> dict[str, Any]:
        assert self.process.stdout  # noqa: S101
        if not (line := await self.process.stdout.readline()):
            status = await self.process.wait()
            raise LoadDied(f"Load process {self.process.pid} ended with exit status {status} in the middle of a run.")
        report: dict[str, Any] = json.loads(line)
        if "failed" in report:
            raise LoadDied(f"Load process {self.process.pid} could not go on: {report['failed']}")
        return report


@asynccontextmanager
async def load_processes(count: int) -> AsyncIterator[list[LoadProcess]]:
    """So many load processes while the block runs. It need not wait until they are ready."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(load_process("lab.crowd.reader")) for _ in range(count)]


@asynccontextmanager
async def load_process(module: str, core: int | None = None) -> AsyncIterator[LoadProcess]:
    """One that runs this module while the block runs; `core` is the only one that it may use.

    It ends when nobody can give it orders any more; one that is too busy for that is killed.
    """
    with on_core(core):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,  # Ctrl-C is for us: we end it ourselves
        )
    try:
        yield LoadProcess(process)
    finally:
        assert process.stdin  # noqa: S101 - it was asked for
        process.stdin.close()
        await ended(process)


async def all_carry_out(
    processes: Sequence[LoadProcess], commands: Sequence[Command], progress: Callable[[int], None]
) -> list[dict[str, Any]]:
    """Each carries out its own command, side by side; `progress` is told the sum of theirs. Raises LoadDied."""
    reached = [0] * len(processes)

    def one(at: int) -> Callable[[int], None]:
        def told(count: int) -> None:
            reached[at] = count
            progress(sum(reached))

        return told

    orders = zip(processes, commands, strict=True)
    return await asyncio.gather(*(process.carry_out(command, one(at)) for at, (process, command) in enumerate(orders)))
