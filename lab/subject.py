"""The server under measurement: the real one, in a process of its own, with its CPU and memory in view.

The one thing to notice: what it used is read from the kernel's books from outside, so looking costs it nothing.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from lab.limits import Failure
from server.settings import Settings
from server.tls import certificate

ROOT = Path(__file__).parent.parent
START_S = 30
END_S = 15
LOOKS = 4
"""How often the memory is looked at, at most, until it has settled."""


class SubjectDied(Failure):
    """The server ended in the middle of a measurement; the message says how."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A running server."""

    url: str
    process: asyncio.subprocess.Process
    cafile: Path | None
    """What to trust to reach it by https."""
    measured: int
    """The process whose CPU and memory count: itself, unless what serves is one that it has started."""

    def cpu_s(self) -> float:
        """CPU seconds that it used so far, in user and kernel mode. Raises SubjectDied."""
        with self._alive():
            return cpu_s(self.measured)

    def memory_bytes(self) -> int:
        """Its memory, shared pages counted in parts (PSS; without Linux what is its own, USS). Raises SubjectDied."""
        with self._alive():
            memory = psutil.Process(self.measured).memory_full_info()
            return int(getattr(memory, "pss", memory.uss))

    async def settled_memory(self, within_s: float) -> int:
        """The same once it has stopped to change, or will not within that time. Raises SubjectDied."""
        memory = self.memory_bytes()
        for _ in range(LOOKS):
            await asyncio.sleep(within_s / LOOKS)
            before, memory = memory, self.memory_bytes()
            if memory == before:
                break
        return memory

    async def check_soon(self) -> None:
        """`check`, for whoever has just lost its connection: that is noticed before the end of the process is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self.process.wait()
        self.check()

    def check(self) -> None:
        """Raise SubjectDied unless it lives."""
        if (status := self.process.returncode) is not None:
            how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"
            raise SubjectDied(f"The server {how} in the middle of the measurement.")

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """The kernel forgets a process before we are told of its end."""
        self.check()
        try:
            yield
        except psutil.Error:
            raise SubjectDied("The server ended in the middle of the measurement.") from None


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far.

    From `schedstat` where there is one: nanoseconds, all threads. Else in ticks, which on many systems are 10 ms.
    """
    tasks = Path(f"/proc/{pid}/task")
    try:
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9
    except OSError:
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


@asynccontextmanager
async def serving(
    settings: Settings, tls: bool = False, program: Sequence[str] = ("lab.served",), log: Path | None = None
) -> AsyncIterator[Subject]:
    """Serve in a process of its own on a free port while the block runs. Raises SubjectDied when it does not start.

    `program` is the module that serves, and what it is told beside the settings. With `log`, its standard error goes
    to that file.
    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pushlab-"))
        settings = replace(settings, port=0)
        cafile = None
        if tls:
            cafile, certfile, keyfile = certificate(Path(folder))
            settings = replace(settings, certfile=str(certfile), keyfile=str(keyfile))
        command = (sys.executable, "-m", program[0], json.dumps(asdict(settings)), *program[1:])
        yield await stack.enter_async_context(running(command, cafile=cafile, log=log))


@asynccontextmanager
async def running(
    command: Sequence[str],
    core: int | None = None,
    measured: Callable[[int], int] = int,
    cafile: Path | None = None,
    log: Path | None = None,
) -> AsyncIterator[Subject]:
    """Run any server while the block runs: one that prints its URL. Raises SubjectDied when it does not start.

    `core` is the only one that it may use; `measured` tells by its process id that of the process which counts.
    """
    with ExitStack() as stack:
        with on_core(core):
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,  # never written to: it ends when this closes, however we end
                stdout=asyncio.subprocess.PIPE,
                stderr=stack.enter_context(log.open("wb")) if log else None,
                start_new_session=True,  # Ctrl-C is for us: we end it ourselves, once its figures are read
            )
        try:
            yield Subject(await _url(process), process, cafile, measured(process.pid))
        finally:
            await _end(process)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Have the processes that are started in the block run on that core alone, with all their threads."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # of this thread, from which they inherit it
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _url(process: asyncio.subprocess.Process) -> str:
    """The first line that it prints, once it listens."""
    assert process.stdout  # noqa: S101 - it was asked for
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
    except TimeoutError:
        line = b""
    if not line:
        raise SubjectDied("The server did not start; what it printed above says why.")
    return line.decode().strip()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop it in order; one that does not hear is ended the hard way."""
    if process.returncode is None:
        process.terminate()
    await ended(process)


async def ended(process: asyncio.subprocess.Process) -> None:
    """Return once it has ended; one that does not end in time is killed."""
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
