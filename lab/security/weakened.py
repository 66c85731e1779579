"""The server under attack: `python -m server` with some of its defences taken away, in this process and no other.

The one thing to notice: what takes a defence away stands in the lab, and changes the tables of the process that it runs
in. The server itself has no switch for it. This process listens on loopback only, holds no secret but a random word,
says on every response what it lacks, and ends by itself.
"""

import asyncio
import ipaddress
import json
import os
import signal
import sys
from collections.abc import Callable

import psutil

from lab.security import HEADER
from lab.security.floods.without import WITHOUT as FLOODS
from lab.security.injections.without import WITHOUT as INJECTIONS
from lab.security.leaks.without import WITH as COMPARED
from lab.security.leaks.without import WITHOUT as LEAKS
from lab.security.origins.without import WITHOUT as ORIGINS
from server import guard
from server.app import serving
from server.settings import Settings

LONGEST_S = 15 * 60
"""It ends by itself after this, whoever may have forgotten it."""

Without = Callable[[Settings], Settings]
"""Takes one defence away: changes this process, and gives the settings to serve with."""

WITHOUT: dict[str, Without] = {**LEAKS, **ORIGINS, **INJECTIONS, **FLOODS}
"""By id of DEFENCES."""

WITH: dict[str, Without] = COMPARED
"""How those defences are put in that the server does not have."""


def weaken(settings: Settings, without: list[str], also: list[str]) -> Settings:
    """Take these defences away, and put in those that are to be compared. Raises KeyError for one that there is not."""
    for defence in dict.fromkeys(without):
        settings = WITHOUT[defence](settings)
    for defence in also:
        settings = WITH[defence](settings)
    if without:
        guard.HEADERS[HEADER] = " ".join(without)
    return settings


async def main(settings: Settings, without: list[str], also: list[str]) -> None:
    """Serve until SIGTERM, until whoever started it is gone, or for LONGEST_S."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_reader(sys.stdin.fileno(), stopped.set)  # nothing ever comes, so what can be read is its end
    loop.call_later(LONGEST_S, stopped.set)
    check_loopback([settings.host])
    check_free(settings.port)
    async with serving(weaken(settings, without, also)) as url:
        check_loopback(listening())
        print(url, flush=True)
        await stopped.wait()


def listening() -> list[str]:
    """The addresses of the sockets on which this process really listens, as the kernel tells."""
    return [
        connection.laddr.ip
        for connection in psutil.Process(os.getpid()).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]


def check_loopback(addresses: list[str]) -> None:
    """End this process unless all of them are loopback, and there is one."""
    if not addresses or not all(ipaddress.ip_address(address).is_loopback for address in addresses):
        sys.exit(f"A weakened server serves loopback only. This one would be at {' '.join(addresses) or 'nothing'}.")


def check_free(port: int) -> None:
    """End this process unless the system chooses the port: on a known one it might be taken for the real server."""
    if port:
        sys.exit(f"A weakened server takes no port of your choice. Give it 0 in place of {port}: any free one.")


if __name__ == "__main__":
    asyncio.run(main(Settings(**json.loads(sys.argv[1])), *json.loads(sys.argv[2])))
