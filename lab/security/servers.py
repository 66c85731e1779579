"""The servers under attack: started when an attack needs one, shared by those that may share, ended at the end.

The one thing to notice: a server is known by what it lacks and by its settings, and by nothing else. So the plain one,
which lacks nothing, serves all the probes that attack it as it ships.
"""

import asyncio
import json
import secrets
import string
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lab.security.scene import Target
from lab.subject import Subject, serving
from server.settings import Settings

MOST = 6
"""Servers that are kept waiting for the next attack; the one that has waited longest ends first."""


USUAL = Settings(port=0, access_log=True)


class Change(NamedTuple):
    """How a server differs from the one that ships."""

    without: tuple[str, ...] = ()
    """The defences that it lacks."""
    also: tuple[str, ...] = ()
    """The defences that it has and the one that ships has not, to be compared."""


Key = tuple[Settings, bool, Change]
"""Its settings, whether it speaks TLS, and how it differs."""


@dataclass(slots=True)
class Server:
    """A running server, and how many attacks are going on there."""

    subject: Subject
    log: Path
    ending: AsyncExitStack
    users: int = 0


class Servers:
    """Servers by how they differ. Several attacks may ask at once; each gets a secret of its own."""

    def __init__(self) -> None:
        self._running: dict[Key, Server] = {}
        self._starting: defaultdict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __aenter__(self) -> "Servers":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end_idle(0)

    @asynccontextmanager
    async def target(
        self, change: Change, settings: Settings = USUAL, tls: bool = False, own: bool = False
    ) -> AsyncIterator[Target]:
        """The server for one attack; its `own` one is new and ends with the block. Raises SubjectDied."""
        key = (settings, tls and "tls" not in change.without, change)
        if own:
            alone = await _started(*key)
            async with alone.ending:
                yield Target(alone.subject, change.without, canary(), alone.log)
            return
        async with self._starting[key]:
            server = self._running.pop(key, None)
            if server and server.subject.process.returncode is not None:  # it was left waiting for too long, or died
                await server.ending.aclose()
                server = None
            server = server or await _started(*key)
            self._running[key] = server  # the one that was used last stands last
        server.users += 1
        try:
            yield Target(server.subject, change.without, canary(), server.log)
        finally:
            server.users -= 1
            await self._end_idle(MOST)

    async def _end_idle(self, most: int) -> None:
        """End those that nobody uses, oldest first, until no more than `most` are left."""
        while len(self._running) > most:
            idle = next((key for key, server in self._running.items() if not server.users), None)
            if idle is None:
                return
            await self._running.pop(idle).ending.aclose()


async def _started(settings: Settings, tls: bool, change: Change) -> Server:
    async with AsyncExitStack() as stack:
        log = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pushlab-"))) / "log"
        program = ("lab.security.weakened", json.dumps(change))
        subject = await stack.enter_async_context(serving(settings, tls, program, log))
        return Server(subject, log, stack.pop_all())


def canary() -> str:
    """A secret that is none: random lower-case letters, which occur in no text by chance."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
