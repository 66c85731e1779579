"""The process that is measured: `python -m server`, but with any settings, the lab's own included.

The one thing to notice: it imports the server and nothing else, so its memory and its start are the server's. What only
the inside of a process knows it counts when it is asked to: a line of names on standard input, such as `tasks answers`,
is answered by a line of JSON on standard output.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Callable

from server.answer import Answer
from server.app import serving
from server.collector import calm
from server.settings import Settings


def tasks() -> int:
    """Tasks of the event loop that have not ended, this process's first one included."""
    return len(asyncio.all_tasks())


def kept() -> int:
    """Answers that are in memory, whoever keeps them. All objects are looked through, which takes a moment."""
    gc.collect()
    return sum(isinstance(each, Answer) for each in gc.get_objects())


COUNTS: dict[str, Callable[[], int]] = {"tasks": tasks, "kept": kept}
"""By name."""


async def main(settings: Settings) -> None:
    """Serve until SIGTERM, or until whoever started it is gone. The URL is the first line of standard output."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    async with serving(settings) as url:
        loop.add_reader(sys.stdin.fileno(), listen, sys.stdin.fileno(), stopped)
        calm()
        print(url, flush=True)
        await stopped.wait()
        loop.remove_reader(sys.stdin.fileno())


def listen(asked: int, stopped: asyncio.Event) -> None:
    """Answer what is asked there; when nobody is left to ask, that is the end."""
    if not (lines := os.read(asked, 4096)):
        stopped.set()
    for line in lines.splitlines():
        print(json.dumps({name: COUNTS[name]() for name in line.decode().split()}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Settings(**json.loads(sys.argv[1]))))
