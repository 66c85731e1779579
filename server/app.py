"""The application: the only place where the parts meet."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from server import guard, site, views
from server.settings import SETTINGS, Settings
from server.store import STORE, Store


def create_app(settings: Settings) -> web.Application:
    """The whole server, without a socket."""
    app = web.Application(middlewares=[guard.refusals], client_max_size=settings.max_body_bytes)
    app[SETTINGS] = settings
    app[STORE] = Store(settings)
    app[guard.READERS] = guard.Readers(settings.max_readers)
    app.on_response_prepare.append(guard.add_headers)
    app.on_response_prepare.append(site.revalidate)
    app.on_response_prepare.append(views.say_where)
    app.on_shutdown.append(_stop_answers)
    site.add_routes(app)
    views.add_routes(app)
    return app


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve while the block runs; gives the URL. Raises OSError when the port cannot be had."""
    runner = web.AppRunner(
        create_app(settings),
        access_log=None,
        handler_cancellation=True,  # off by default: a handler would outlive its reader until its next write
        keepalive_timeout=settings.keepalive_s,  # 3630 s by default, which is also how long half a request may last
        shutdown_timeout=settings.shutdown_s,
    )
    logging.getLogger("aiohttp.server").addFilter(guard.our_fault)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{port}"
    finally:
        await runner.cleanup()


async def _stop_answers(app: web.Application) -> None:
    """At shutdown: every answer ends as stopped, so every stream gets its last chunk and ends by itself."""
    await app[STORE].close()
