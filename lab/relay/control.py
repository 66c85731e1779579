"""Setting faults while the relay runs, over HTTP: `GET /faults`, `PUT /faults`, `GET /counts`.

The one thing to notice: it is for programs of this machine, such as curl. Whatever a page sends with `PUT` names its
origin, and what comes from any origin is refused, as is every name but those of loopback (DNS rebinding).
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict

from aiohttp import web
from yarl import URL

from lab.relay.faults import faults
from lab.relay.relay import LOOPBACK, Relay

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NAMES = (LOOPBACK, "localhost")


@asynccontextmanager
async def controlling(relay: Relay, port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs; gives the URL. Raises OSError when the port cannot be had."""
    app = web.Application(middlewares=[_for_programs])
    control = _Control(relay)
    app.router.add_get("/faults", control.get_faults, allow_head=False)
    app.router.add_put("/faults", control.put_faults)
    app.router.add_get("/counts", control.get_counts, allow_head=False)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, port)
        await site.start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class _Control:
    """The handlers, which know their relay."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def get_faults(self, _request: web.Request) -> web.Response:
        """Say what is wrong with the network."""
        return web.json_response(asdict(self._relay.faults))

    async def put_faults(self, request: web.Request) -> web.Response:
        """Replace the faults by those in the body; what is left out is off. Counting to a cut begins anew."""
        try:
            given = json.loads(await request.read())
        except (ValueError, RecursionError):
            return _refusal(400, 'The body is not JSON. Send an object such as {"cut_after":1000}.')
        if not isinstance(given, dict):
            return _refusal(400, 'The body must be a JSON object such as {"cut_after":1000}.')
        try:
            self._relay.faults = faults(given)
        except ValueError as error:
            return _refusal(400, str(error))
        return web.json_response(asdict(self._relay.faults))

    async def get_counts(self, _request: web.Request) -> web.Response:
        """Say what happened since the relay was started."""
        return web.json_response(asdict(self._relay.counts))


@web.middleware
async def _for_programs(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse pages, and names that are not ours."""
    if "Origin" in request.headers or _named(request.host) not in NAMES:
        return _refusal(403, "This is for programs of this machine: curl http://127.0.0.1:PORT/faults")
    return await handler(request)


def _named(host: str) -> str | None:
    try:
        return URL(f"http://{host}").host
    except ValueError:
        return None


def _refusal(status: int, sentence: str) -> web.Response:
    return web.json_response({"status": status, "detail": sentence}, status=status)
