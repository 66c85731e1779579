"""What an attack does to the server, told by the server and by the kernel.

The one thing to notice: to ask is also to wait. When the server has answered, it has done all that it had to do before.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from yarl import URL

from clients.request import requesting, session
from lab.security.scene import Target
from lab.subject import Subject

MIB = 1024 * 1024
LOOK_S = 0.05


async def health(target: Target) -> dict[str, int]:
    """How many answers are `typing`, and how many `readers` have a place. Raises StreamError."""
    async with session() as http, requesting(http, "GET", URL(target.url) / "healthz") as response:
        counts: dict[str, int] = json.loads(await response.read())
    return counts


async def settled(target: Target) -> None:
    """Return when the server has taken all connections and bytes, and heard all timers, of before this."""
    for _ in range(2):  # what the first finds to be done is done before the second is answered
        await health(target)


async def until(reached: Callable[[], Awaitable[bool]], patience_s: float) -> bool:
    """Look again and again until it is reached, or patience is over. Whether it was reached."""
    for _ in range(math.ceil(patience_s / LOOK_S)):
        if await reached():
            return True
        await asyncio.sleep(LOOK_S)
    return False


def peak_bytes(subject: Subject) -> int:
    """The most memory that the server ever had, by Linux; elsewhere what it has now. Raises SubjectDied."""
    with suppress(OSError):
        status: dict[str, Any] = dict(
            line.split(":", 1) for line in Path(f"/proc/{subject.process.pid}/status").read_text().splitlines()
        )
        return int(status["VmHWM"].split()[0]) * 1024
    return subject.memory_bytes()
