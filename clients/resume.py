"""Resuming: any client, made to survive cuts. `resuming(client)` is again a client.

The one thing to notice: the cursor is all there is to remember. After a cut, ask from the last one; what arrives twice
has a cursor that is not ahead, and is dropped.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from clients.chunk import Chunk, Client, StreamError

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
ATTEMPTS = 10
"""Cuts in a row, without any progress between them, after which the last error is raised."""


def resuming(client: Client) -> Client:
    """`client`, reconnecting from the last cursor whenever its stream breaks. Refusals are final."""

    async def read(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        failures, requests = 0, 0
        while True:
            before = requests
            try:
                async with aclosing(client(url, cursor)) as chunks:
                    async for chunk in chunks:
                        requests = before + chunk.request
                        if chunk.text and chunk.cursor <= cursor:
                            continue  # we have it
                        if chunk.cursor > cursor:
                            cursor, failures = chunk.cursor, 0
                        yield replace(chunk, cursor=cursor, request=requests)
                return
            except StreamError:
                failures += 1
                if failures == ATTEMPTS:
                    raise
            requests = max(requests, before + 1)  # a request that brought nothing was one, too
            await asyncio.sleep(pause(failures))

    return read


def pause(failures: int) -> float:
    """Seconds to wait after so many failures: anywhere from 0 to a bound that doubles ("full jitter").

    Readers that were all cut by the same fault would otherwise all come back in the same instant.
    """
    return random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)))  # noqa: S311 - not a secret
