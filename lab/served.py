"""The process that is measured: `python -m server`, but with any settings, the lab's own included.

The one thing to notice: it imports the server and nothing else, so its memory and its start are the server's.
"""

import asyncio
import json
import signal
import sys

from server.app import serving
from server.settings import Settings


async def main(settings: Settings) -> None:
    """Serve until SIGTERM, or until whoever started it is gone. The URL is the first line of standard output."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_reader(sys.stdin.fileno(), stopped.set)  # nothing ever comes, so what can be read is its end
    async with serving(settings) as url:
        print(url, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(Settings(**json.loads(sys.argv[1]))))
