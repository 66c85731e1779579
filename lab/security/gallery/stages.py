"""The servers that attacks are played on: started when one is needed, kept for the next, ended with the gallery.

The one thing to notice: they are processes of their own, as in the experiment, and differ from those by one page: the
victim's, which the gallery may frame (attacked.py).
"""

import asyncio
import json
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import NamedTuple

from lab.security.servers import Change
from lab.subject import Subject, serving
from server.settings import Settings

MOST = 6
"""Servers that are kept; the one that was played on longest ago ends first. Each tab plays on two at a time."""


class Key(NamedTuple):
    """How a server differs from the one that ships."""

    change: Change
    bare: bool
    """Whether it leaves out its content security policy."""
    tab: str = ""
    """Whose it is: what one tab of the gallery does to its server must not count in another one."""


@dataclass(frozen=True, slots=True)
class House:
    """What the servers are told of the gallery that they belong to."""

    gallery: str
    """Its origin, which may frame the victim's page."""
    until: str
    """When it ends, by the clock of this machine."""


class Stage(NamedTuple):
    """A running server."""

    subject: Subject
    ending: AsyncExitStack

    @property
    def site(self) -> str:
        """Its origin, as browsers know it: cookies are kept by name, and all of the gallery goes by this one."""
        return self.subject.url.replace("127.0.0.1", "localhost")


class Stages:
    """The running servers, by how they differ."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._running: dict[Key, Stage] = {}

    async def __aenter__(self) -> "Stages":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end(list(self._running))

    async def sites(self, keys: Mapping[str, Key]) -> dict[str, str]:
        """The origin of each, started where it does not run. For one caller at a time. Raises SubjectDied."""
        await self._end([key for key, stage in self._running.items() if stage.subject.process.returncode is not None])
        missing = [key for key in dict.fromkeys(keys.values()) if key not in self._running]
        others = [key for key in self._running if key not in keys.values()]
        await self._end(others[: max(0, len(self._running) + len(missing) - MOST)])
        await asyncio.gather(*map(self._start, missing))
        for key in dict.fromkeys(keys.values()):
            self._running[key] = self._running.pop(key)  # to the end of those that may be ended
        return {name: self._running[key].site for name, key in keys.items()}

    async def _start(self, key: Key) -> None:
        told = asdict(self._house) | {"bare": key.bare}
        program = ("lab.security.gallery.attacked", json.dumps(key.change), json.dumps(told))
        async with AsyncExitStack() as stack:
            subject = await stack.enter_async_context(serving(Settings(port=0), program=program))
            self._running[key] = Stage(subject, stack.pop_all())

    async def _end(self, keys: Collection[Key]) -> None:
        stages = [self._running.pop(key) for key in keys]
        await asyncio.gather(*(stage.ending.aclose() for stage in stages))
