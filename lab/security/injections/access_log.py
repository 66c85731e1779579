"""What a request can do to the access log: end its line, and write the next one itself.

The one thing to notice: no request line can hold a line end. It comes percent-encoded, and whoever decodes addresses
"to be readable" puts it there. (Sent raw, in the address or in a header, it is refused with 400, and nothing of
it gets into the log.)
"""

import asyncio
import time
from urllib.parse import unquote

from lab.security.probe import Outcome
from lab.security.scene import Scene, Target

CARRIERS = {
    "LF in the path": "/answers/%0A{mark}/{transport}",
    "CRLF in the path": "/answers/%0D%0A{mark}/{transport}",
    "CR in the path": "/answers/%0D{mark}/{transport}",
    "LF in the query": "/{transport}?lang=%0A{mark}",
    "ESC in the path": "/answers/%1B[2J{mark}/{transport}",
}
"""Each fits into what the log shows of an address (it cuts long words short), so that it is judged by its escaping."""

MARK = slice(8)
"""Letters of the canary that fit."""

LONGEST_S = 5
LOOK_S = 0.02


def forged(log: str, mark: str) -> list[str]:
    """The lines that begin with the mark: the server begins none so. Pure."""
    return [line for line in log.splitlines() if line.startswith(mark)]


async def log_forging(scene: Scene) -> Outcome:
    """Ask for addresses that hold line ends and an escape, and look at what the log has of them."""
    mark = scene.target.canary[MARK]
    addresses = {name: form.format(mark=mark, transport=scene.transport) for name, form in CARRIERS.items()}
    statuses = {name: await _ask(scene.target, address) for name, address in addresses.items()}
    log = await _log(scene.target, mark, len(addresses))
    lines = forged(log, mark)
    decoded = [name for name, address in addresses.items() if unquote(address) in log]
    intact = all(any(f'"GET {address}"' in line for line in log.splitlines()) for address in addresses.values())
    figures = {"lines_forged": len(lines), "addresses_decoded": len(decoded), "text_intact": int(intact)}
    says = (
        f"{len(addresses)} requests forged {len(lines)} lines of the log, and {len(decoded)} wrote their control "
        f"characters into it; {'each stands on a line of its own' if intact else 'their own lines are torn'}."
    )
    ours = [line for line in log.split("\n") if mark in line]
    evidence = {"asked": addresses, "statuses": statuses, "log": [repr(line) for line in ours]}
    return Outcome(bool(lines or decoded), says, figures, evidence)


async def _ask(target: Target, address: str) -> str:
    """The status line of the response to a plain GET. Raises TimeoutError."""
    async with asyncio.timeout(LONGEST_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        try:
            writer.write(
                f"GET {address} HTTP/1.1\r\nHost: localhost:{target.port}\r\nConnection: close\r\n\r\n".encode()
            )
            status = await reader.readline()
            await reader.read()
        finally:
            writer.transport.abort()
    return status.decode().strip()


async def _log(target: Target, mark: str, count: int) -> str:
    """The log, once all requests are in it: a line is written after its response."""
    end = time.monotonic() + LONGEST_S
    while True:
        log = target.log.read_bytes().decode(errors="surrogateescape")
        if log.count(mark) >= count or time.monotonic() > end:
            return log
        await asyncio.sleep(LOOK_S)
