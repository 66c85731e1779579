"""The books of a soak: what the server holds at a moment, looked at from outside where that is possible.

The one thing to notice: sockets, files and memory are the kernel's figures, and they are taken before anybody asks over
HTTP, so that the question itself is in none of them.
"""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from lab.soak.relays import RelayProcess
from lab.subject import Subject, SubjectDied

Sample = dict[str, Any]

ANSWER_S = 10.0
"""How long the server may take to say what it counts."""


@dataclass(frozen=True, slots=True)
class Books:
    """Where to look."""

    subject: Subject
    relays: Sequence[RelayProcess]
    began: float = field(default_factory=time.monotonic)
    """Monotonic seconds; from then on samples count."""

    async def holds(self) -> Sample:
        """What the server holds, asked in no way that opens a connection. Raises SubjectDied."""
        self.subject.check()
        held = await asyncio.to_thread(held_by, self.subject.process.pid)
        ours = await asyncio.to_thread(held_by, os.getpid())
        memory = {"memory_bytes": self.subject.memory_bytes(), "reader_sockets": ours["sockets"]}
        return held | memory | await self.inside("tasks")

    async def sample(self, answers: int) -> Sample:
        """All of it, and what the relays did; `answers` were read so far. Raises SubjectDied, RelayDied."""
        at_s = round(time.monotonic() - self.began, 3)
        sample = {"at_s": at_s, **await self.holds(), "answers": answers, "cpu_s": self._cpu()}
        async with alone() as http:
            counts = {relay.cut: await relay.counts(http) for relay in self.relays}
            open_ = sum(count["open"] for count in counts.values())
            cuts = {cut: count["cuts"] for cut, count in counts.items()}
            return sample | {"relayed": open_, "cuts": cuts} | await self._health(http)

    async def inside(self, *names: str) -> Sample:
        """What only the server's process itself can count (lab.served). Raises SubjectDied."""
        process = self.subject.process
        assert process.stdin  # noqa: S101 - a subject has both
        assert process.stdout  # noqa: S101
        process.stdin.write(" ".join(names).encode() + b"\n")
        line = b""
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await process.stdout.readline()
        except TimeoutError:
            raise SubjectDied(f"The server does nothing any more: no answer for {ANSWER_S:g} seconds.") from None
        if not line:
            await self.subject.check_soon()
            raise SubjectDied("The server ended in the middle of the measurement.")
        found: Sample = json.loads(line)
        return found

    async def _health(self, http: aiohttp.ClientSession) -> Sample:
        """How many requests for answers are being served, and answers typed."""
        try:
            async with http.get(f"{self.subject.url}/healthz") as response:
                said = await response.json()
                return {"readers": said["readers"], "typing": said["typing"]}
        except (aiohttp.ClientError, TimeoutError) as error:
            await self.subject.check_soon()
            raise SubjectDied(f"The server does not say how it is: {error}.") from None

    def _cpu(self) -> dict[str, float]:
        """CPU seconds so far, by process."""
        used = {"server": self.subject.cpu_s(), "readers": time.process_time()}
        return {name: round(s, 3) for name, s in (used | {each.name: each.cpu_s() for each in self.relays}).items()}


def alone() -> aiohttp.ClientSession:
    """A session that keeps no connection open."""
    connector = aiohttp.TCPConnector(force_close=True)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=ANSWER_S))


def held_by(pid: int) -> dict[str, int]:
    """Open sockets and files of a process, by the kernel. Raises SubjectDied when there is no such process any more.

    Linux lists every descriptor, so a socket that belongs to no connection any more is counted as well.
    """
    descriptors = Path(f"/proc/{pid}/fd")
    try:
        if descriptors.exists():
            links = [link for each in descriptors.iterdir() if (link := _target(each))]
            return {"sockets": sum(link.startswith("socket:") for link in links), "open_files": len(links)}
        process = psutil.Process(pid)
        return {"sockets": len(process.net_connections()), "open_files": process.num_fds()}
    except (OSError, psutil.Error):
        raise SubjectDied("The server ended in the middle of the measurement.") from None


def _target(link: Path) -> str | None:
    """What a descriptor is; None when it was closed in between."""
    try:
        return str(link.readlink())
    except OSError:
        return None
