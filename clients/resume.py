"""Resuming: any client, made to survive cuts. `resuming(client)` is again a client.

The one thing to notice: the cursor is all there is to remember. After a cut, ask from the last one; what arrives twice
has a cursor that is not ahead, and is dropped.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from clients.chunk import CUT, Chunk, Client, Malformed, StreamError
from clients.course import Course, Trouble

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0


def resuming(client: Client, tell: Callable[[Trouble], None] = lambda _: None) -> Client:
    """`client`, reconnecting from the last cursor whenever its stream breaks. Refusals are final.

    `tell` is called after each failure that is not the last, and when the reader is back.
    """

    async def read(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        course, requests = Course(cursor), 0
        while True:
            before = requests
            try:
                async with aclosing(client(url, course.cursor)) as chunks:
                    async for chunk in chunks:
                        requests = before + chunk.request
                        if trouble := course.hear(time.monotonic()):
                            tell(trouble)
                        if course.take(chunk):
                            yield replace(chunk, cursor=course.cursor, request=requests)
                            if chunk.done:
                                return
                if course.cursor > cursor:
                    raise Malformed(CUT)  # the server says that we have read the end before, but we have not
                return
            except StreamError as error:
                tell(course.fail(error, time.monotonic()))
                wait = (error.retry_s or 0) + pause(course.cuts)
            requests = max(requests, before + 1)  # a request that brought nothing was one, too
            await asyncio.sleep(wait)

    return read


def pause(cuts: int) -> float:
    """Seconds to wait after so many cuts: anywhere between the bounds ("full jitter").

    Readers that were all cut by the same fault would otherwise all come back in the same instant.
    """
    return random.uniform(*bounds(cuts))  # noqa: S311 - not a secret


def bounds(cuts: int) -> tuple[float, float]:
    """Seconds to wait after so many cuts, at least and at most. The upper bound doubles.

    From the third on it is never less than half a second, so nobody sends more than two requests in the half second
    after a cut.
    """
    return 0 if cuts < 3 else FIRST_PAUSE, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(cuts - 1, 10))
