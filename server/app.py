"""The application: the only place where the parts meet."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from server import evidence, guard, site, views
from server.ledger import LEDGER, Ledger, Meter, watch
from server.recording import Recorder
from server.settings import SETTINGS, Settings
from server.store import STORE, Store


class BadCertificate(OSError):
    """The certificate and key that were given cannot be used; the message says why."""


def create_app(settings: Settings) -> web.Application:
    """The whole server, without a socket."""
    app = web.Application(middlewares=[guard.refusals], client_max_size=settings.max_body_bytes)
    app[SETTINGS] = settings
    app[STORE] = Store(settings)
    app[LEDGER] = Ledger(Recorder(settings.max_recordings, settings.max_recorded_bytes))
    app[guard.READERS] = guard.Readers(settings.max_readers)
    app.on_response_prepare.append(guard.add_headers)
    app.on_response_prepare.append(site.revalidate)
    app.on_response_prepare.append(views.say_where)
    site.add_routes(app)
    evidence.add_routes(app)
    views.add_routes(app)
    return app


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve while the block runs; gives the URL. Raises OSError when the port or the certificate cannot be had."""
    tls = _tls(settings)
    app = create_app(settings)
    runner = web.AppRunner(
        app,
        access_log=logging.getLogger("pushlab"),  # aiohttp asks for one; a Meter writes nothing to it
        access_log_class=Meter,
        handler_cancellation=True,  # off by default: a handler would outlive its reader until its next write
        keepalive_timeout=settings.keepalive_s,  # 3630 s by default, which is also how long half a request may last
        shutdown_timeout=settings.shutdown_s,
    )
    logging.getLogger("aiohttp.server").addFilter(guard.our_fault)
    await runner.setup()
    if runner.server:
        watch(runner.server)
    site = web.TCPSite(runner, settings.host, settings.port, ssl_context=tls)
    try:
        await site.start()
        port = runner.addresses[0][1]
        try:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            yield f"{'https' if tls else 'http'}://{host}:{port}"
        finally:
            await site.stop()
            await _dismiss(app)
    finally:
        await runner.cleanup()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.certfile:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.certfile, settings.keyfile)
    except OSError as error:  # ssl.SSLError is one
        raise BadCertificate(
            f"{settings.certfile} and {settings.keyfile} cannot be used for TLS: {error.strerror or error}. "
            "Give a certificate chain and its private key, both in PEM."
        ) from None
    return context


async def _dismiss(app: web.Application) -> None:
    """Stop every answer and wait, for a bounded time, until each reader has its last chunk.

    Before the runner's own clean-up, which reads no more bytes: a WebSocket could not close in order any more.
    A poller that is between two requests finds nobody there when it asks again.
    """
    await app[STORE].close()
    with suppress(TimeoutError):
        async with asyncio.timeout(app[SETTINGS].shutdown_s):
            await app[guard.READERS].nobody.wait()
