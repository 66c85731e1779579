"""Being told of connections: when one is made, and when it is lost.

The one thing to notice: aiohttp tells of requests only. What has to be done for a whole connection, limits and
counters, is told here, so its two methods are wrapped in this one place.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

Made = Callable[[web.RequestHandler, asyncio.Transport], None]
Lost = Callable[[web.RequestHandler], None]


def watch(server: web.Server, made: Made, lost: Lost) -> None:
    """Call `made` before anything is read from a new connection, and `lost` when it is gone, before aiohttp hears."""
    tell_made, tell_lost = server.connection_made, server.connection_lost

    def connection_made(handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        made(handler, transport)
        tell_made(handler, transport)

    def connection_lost(handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        lost(handler)
        tell_lost(handler, exc)

    server.connection_made = connection_made  # type: ignore[method-assign]
    server.connection_lost = connection_lost  # type: ignore[method-assign]
