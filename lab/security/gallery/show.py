"""`python -m lab security --show`: serve the gallery until Ctrl-C, and for a quarter of an hour at most.

The one thing to notice: what is weak ends by itself. Nobody has to think of it when the class is over.
"""

import asyncio
import errno
import signal
import sys
from contextlib import suppress
from datetime import timedelta

from lab.security.gallery.app import HOST, clock, now, opening
from lab.security.weakened import LONGEST_S

AGAIN = "To show it again: python -m lab security --show"


async def show(port: int = 0, longest_s: float = LONGEST_S) -> None:
    """Serve until cancelled or SIGTERM, or until the time is over. Raises OSError when the port cannot be had.

    The URL is the first line of standard output; how to use it goes to standard error.
    """
    stopped = asyncio.Event()
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    ends = now() + timedelta(seconds=longest_s)
    async with opening(port, ends) as url:
        print(url, flush=True)
        tell(f"Open it in a browser on this machine. It ends by itself at {clock(ends)}, or with Ctrl-C.")
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await stopped.wait()
                return
    tell(f"It is {clock(ends)}, and the attacks are over. {AGAIN}")


def main(port: int = 0) -> int:
    """Show it, and say in one sentence what went wrong; gives the exit code."""
    try:
        asyncio.run(show(port))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        tell(_explained(error, port))
        return 1
    return 0


def tell(sentence: str) -> None:
    """Say it to the person, not to a program that reads the URL."""
    print(sentence, file=sys.stderr, flush=True)


def _explained(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use. Give another one, or none: then a free one is taken."
    return f"Cannot listen on {HOST} port {port}: {error.strerror or error}."


if __name__ == "__main__":
    sys.exit(main())
