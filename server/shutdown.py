"""The end of the server: every reader is told, nobody is waited for without a bound.

The one thing to notice: it goes on listening meanwhile. A poller between two requests comes back for its last chunk,
and who asks how the server is gets an answer, not silence.
"""

import asyncio
from contextlib import suppress

from aiohttp import web

from server.cables import CABLES
from server.hold import RESTS
from server.readers import READERS
from server.settings import SETTINGS
from server.store import STORE

AFTERWARDS_S = 0.5
"""What requests that read no answer may still take, once all readers are gone."""


async def dismiss(app: web.Application) -> None:
    """Take no more work, end every answer, and wait for a bounded time until each reader has its last chunk.

    Before the runner's own clean-up, which reads no more bytes: a WebSocket could not close in order any more.
    Who has not taken its last chunk by then is cut off.
    """
    await app[STORE].close()
    with suppress(TimeoutError):
        async with asyncio.timeout(app[SETTINGS].shutdown_s):
            await app[READERS].gone()
    app[CABLES].cut_all()
    app[RESTS].close()  # not before: a poller between two requests comes back over one
