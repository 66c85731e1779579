"""The application: the only place where the parts meet."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from server import about, chat, cuts, evidence, guard, site, views
from server.cables import CABLES, Cables
from server.hold import RESTS, Rests
from server.ledger import LEDGER, Ledger, Meter, watch
from server.limits import LIMITS, Limits
from server.listener import BACKLOG, listen
from server.models import own_model
from server.order import OFFER, Offer
from server.push import FANOUTS, Fanouts
from server.readers import READERS, Readers
from server.recording import Recorder
from server.sessions import SESSIONS, Sessions, renew
from server.settings import SETTINGS, Settings
from server.shutdown import AFTERWARDS_S, dismiss
from server.sources.presets import PRESETS, own
from server.store import STORE, Store
from server.tickets import TICKETS, Tickets
from server.tls import encryption


def create_app(offer: Offer) -> web.Application:
    """The whole server, without a socket."""
    settings = offer.settings
    app = web.Application(middlewares=[guard.refusals], client_max_size=settings.max_body_bytes)
    app[OFFER], app[SETTINGS] = offer, settings
    app[STORE] = Store(settings)
    app[LEDGER] = Ledger(Recorder(settings.max_recordings, settings.max_recorded_bytes))
    app[READERS] = Readers(settings.max_readers)
    app[FANOUTS] = Fanouts(settings)
    app[RESTS] = Rests(settings)
    app[CABLES] = Cables()
    app[LIMITS] = Limits(settings)
    app[SESSIONS] = Sessions(renews=not settings.token)
    app[TICKETS] = Tickets(settings.ticket_s)
    app.on_response_prepare.append(guard.add_headers)
    app.on_response_prepare.append(renew)
    app.on_response_prepare.append(site.revalidate)
    app.on_response_prepare.append(views.say_where)
    views.add_reading(app)
    site.add_routes(app)
    evidence.add_routes(app)
    cuts.add_routes(app)
    about.add_routes(app)
    chat.add_routes(app)
    views.add_routes(app)
    return app


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve while the block runs; gives the URL.

    Raises OSError when the port or the certificate cannot be had, Unavailable when the model cannot, BadTrace.
    """
    tls = encryption(settings)
    offer = Offer(settings, PRESETS | own(settings.traces) if settings.traces else PRESETS)
    async with own_model(offer) as model, _serving(create_app(offer._replace(model=model)), tls) as url:
        yield url


@asynccontextmanager
async def _serving(app: web.Application, tls: ssl.SSLContext | None) -> AsyncIterator[str]:
    settings = app[SETTINGS]
    runner = web.AppRunner(
        app,
        access_log=_log(settings),  # aiohttp asks for one; what goes there is up to a Meter
        access_log_class=Meter,
        handler_cancellation=True,  # off by default: a handler would outlive its reader until its next write
        keepalive_timeout=settings.keepalive_s,  # 3630 s by default, which is also how long half a request may last
        lingering_time=settings.body_s,  # for a body that nobody reads
        shutdown_timeout=AFTERWARDS_S,
    )
    logging.getLogger("aiohttp.server").addFilter(guard.our_fault)
    await runner.setup()
    try:
        assert runner.server  # noqa: S101 - that is what setup is for
        watch(runner.server)
        async with _listening(runner.server, settings, tls, app[LIMITS]) as port:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            try:
                yield f"{'https' if tls else 'http'}://{host}:{port}"
            finally:
                await dismiss(app)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _listening(
    server: web.Server, settings: Settings, tls: ssl.SSLContext | None, limits: Limits
) -> AsyncIterator[int]:
    """Take connections while the block runs; gives the port."""
    listener = await asyncio.get_running_loop().create_server(
        server,
        sock=listen(settings, limits),
        ssl=tls,
        backlog=BACKLOG,
        ssl_handshake_timeout=settings.keepalive_s if tls else None,  # 60 s by default
        ssl_shutdown_timeout=settings.shutdown_s if tls else None,
    )
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


def _log(settings: Settings) -> logging.Logger:
    """Where the access log goes: standard error, or nowhere. One for each server, so it is registered nowhere."""
    log = logging.Logger("pushlab", logging.INFO if settings.access_log else logging.CRITICAL)
    log.addHandler(logging.StreamHandler())
    return log
