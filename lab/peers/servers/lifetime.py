"""How long a peer lives: until SIGTERM, or until whoever started it is gone.

The one thing to notice: the end of standard input tells the latter, however that process ended. So no peer outlives
its experiment, not even one that was killed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable


async def live(url: str) -> None:
    """Say where we listen, as the first line of standard output, and return when it is time to end."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    when_left(ended.set)
    print(url, flush=True)
    await ended.wait()


def when_left(end: Callable[[], None]) -> None:
    """Call `end` once standard input has ended."""
    loop, left = asyncio.get_running_loop(), sys.stdin.fileno()

    def listen() -> None:
        if not os.read(left, 4096):
            loop.remove_reader(left)
            end()

    loop.add_reader(left, listen)
