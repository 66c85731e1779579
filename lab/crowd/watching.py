"""Looking on while a server works: what it has used so far, and how far the phase is.

The one thing to notice: whoever waits for a server also sees that it still lives, so a dead one costs no patience.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.crowd.row import Span
from lab.subject import Subject

Watch = Callable[[str, float, float], None]
"""Is told a phase, how far it is, and how far it goes."""


@dataclass(frozen=True, slots=True)
class Books:
    """The time, and the CPU seconds that the server has used so far."""

    now_s: float
    cpu_s: float

    @classmethod
    def of(cls, subject: Subject) -> "Books":
        """As they are now. Raises SubjectDied."""
        return cls(time.monotonic(), subject.cpu_s())

    def since(self, before: "Books") -> Span:
        """What has been added to them."""
        return Span(self.now_s - before.now_s, self.cpu_s - before.cpu_s)


async def wait_until(until: float, phase: str, subject: Subject, watch: Watch) -> None:
    """Wait (monotonic seconds), and tell so. Raises SubjectDied."""
    began = time.monotonic()
    while (now := time.monotonic()) < until:
        subject.check()
        watch(phase, now - began, until - began)
        await asyncio.sleep(min(0.5, until - now))
