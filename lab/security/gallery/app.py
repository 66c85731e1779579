"""The gallery's own server: its page, and the two requests by which an attack is played or run.

The one thing to notice: it goes by the name `localhost`, as the servers under attack do. A cookie with SameSite=Strict
reaches those in a frame only if the page around is of the same site; and the port does not count for that.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Container, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from lab.limits import Failure
from lab.security.chromium import Chromium
from lab.security.experiment import Cell, arena, attempt
from lab.security.gallery import door
from lab.security.gallery.cards import families, marked
from lab.security.gallery.plays import AS_IT_SHIPS, PLAYS, changed, script
from lab.security.gallery.stages import House, Key, Stages
from lab.security.gallery.stranger import visiting
from lab.security.gallery.told import told
from lab.security.gallery.words import WORDS
from lab.security.probes import PROBES
from lab.security.servers import Servers, canary
from lab.security.weakened import check_loopback, listening
from server import guard, site
from server.refusal import Refusal
from server.settings import SETTINGS, Settings
from server.transports import TRANSPORTS
from server.views import json_response

HOST, NAME = "127.0.0.1", "localhost"

MOMENT_S = 3
"""An attack that was just stopped takes a moment to end its servers."""

PAGES = Path(__file__).parent / "pages"
OF_THE_SERVER = ("/style.css", "/favicon.svg", "/js/words.js", "/js/chunk.js")
OURS = ("/attacks.css", "/attacked.css", *(f"/js/{name}.js" for name in ("attacks", "card", "pane", "play", "run")))
FILES = {path: site.PAGES / path[1:] for path in OF_THE_SERVER} | {path: PAGES / path[1:] for path in OURS}

templates = jinja2.Environment(loader=jinja2.FileSystemLoader(PAGES), autoescape=True, undefined=jinja2.StrictUndefined)
templates.filters["marked"] = marked


@dataclass
class Gallery:
    """What there is while it is open."""

    ends: datetime
    strangers: Mapping[str, str]
    """The stranger's origins, by name."""
    stages: Stages
    servers: Servers
    chromium: Chromium
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    def routes(self) -> list[web.RouteDef]:
        """What it serves."""
        files = [web.get(path, send) for path in FILES]
        page = [web.get("/", to_page), web.get("/attacks", self.page)]
        return [*page, *files, web.post("/attacks/play", self.play), web.post("/attacks/run", self.run)]

    async def page(self, request: web.Request) -> web.Response:
        """`GET /attacks`: all attacks."""
        if request.url.host != NAME:
            await to_page(request)
        language = site.language_of(request)
        text = templates.get_template("attacks.html").render(
            lang=language,
            words=WORDS[language],
            languages=site.LANGUAGES,
            families=list(families(language)),
            ends=clock(self.ends),
            left_ms=round((self.ends - now()).total_seconds() * 1000),
            strangers=self.strangers,
        )
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def play(self, request: web.Request) -> web.Response:
        """`POST /attacks/play` {"probe", "transport", "defence", "tab"}: two servers to play it on, and how."""
        fields, language = await fields_of(request), site.language_of(request)
        cell, tab = chosen(fields, PLAYS), str(fields.get("tab", ""))[:40]
        changes, bare = changed(cell.probe, cell.defence), PLAYS[cell.probe].bare
        async with self._alone(language):
            sites = await self.stages.sites({side: Key(change, bare, tab) for side, change in changes.items()})
        secret = WORDS[language]["secret"]
        return json_response(script(cell.probe, cell.transport, canary(), secret) | {"sites": sites})

    async def run(self, request: web.Request) -> web.Response:
        """`POST /attacks/run` with the same fields: the lab attacks twice, and tells what came of it."""
        cell, language = chosen(await fields_of(request), PROBES), site.language_of(request)
        async with self._alone(language):
            row, _files = await attempt(cell, self.servers, self.chromium)
        return json_response(told(row, language))

    @asynccontextmanager
    async def _alone(self, language: str) -> AsyncIterator[None]:
        """One attack at a time, since some measure load. Raises Refusal 409, and 500 when a server does not start."""
        try:
            async with asyncio.timeout(MOMENT_S):
                await self.busy.acquire()
        except TimeoutError:
            raise Refusal(409, WORDS[language]["busy"]) from None
        try:
            yield
        except Failure as failure:
            raise Refusal(500, str(failure)) from None
        finally:
            self.busy.release()


async def fields_of(request: web.Request) -> dict[str, Any]:
    """The JSON object of a POST. Raises Refusal 400."""
    try:
        fields = await request.json()
    except (ValueError, LookupError, RecursionError):  # no JSON, in no charset that there is, or too deep
        fields = None
    if not isinstance(fields, dict):
        raise Refusal(400, 'The body must be a JSON object: {"probe", "transport", "defence"}.')
    return fields


def chosen(fields: dict[str, Any], known: Container[str]) -> Cell:
    """What is to be tried. Raises Refusal 400."""
    probe, transport, defence = (str(fields.get(name, "")) for name in Cell._fields)
    if probe not in known:
        raise Refusal(400, f"There is no attack {probe[:40]!r} that could be done so.")
    attack = PROBES[probe]
    if transport not in TRANSPORTS or transport in attack.spares:
        raise Refusal(400, attack.spares.get(transport, f"There is no transport {transport[:40]!r}."))
    if defence not in attack.defences and not (defence == AS_IT_SHIPS and known is PLAYS):
        raise Refusal(400, f"This attack is about {', '.join(attack.defences)}, not about {defence[:40]!r}.")
    return Cell(probe, transport, defence)


async def to_page(request: web.Request) -> web.Response:
    """`GET /`, and whoever comes by a number: to the page, by the name that the cookies need."""
    raise web.HTTPFound(request.url.with_host(NAME).with_path("/attacks", keep_query=True))


async def send(request: web.Request) -> web.FileResponse:
    """`GET /style.css`, …: the page's files."""
    return web.FileResponse(FILES[request.path])


def now() -> datetime:
    """By the clock of this machine, and where it is."""
    return datetime.now().astimezone()


def clock(time: datetime) -> str:
    """Hours and minutes, as on the wall."""
    return f"{time:%H:%M}"


@asynccontextmanager
async def opening(port: int, ends: datetime) -> AsyncIterator[str]:
    """Serve on loopback while the block runs; gives the URL. Raises OSError when the port cannot be had.

    When it ends is only told here; it is for the caller to do.
    """
    with socket.create_server((HOST, port)) as listener:
        check_loopback(listening())
        origin = f"http://{NAME}:{listener.getsockname()[1]}"
        async with (
            visiting() as strangers,
            Stages(House(origin, clock(ends))) as stages,
            arena() as (servers, chromium),
            serving(Gallery(ends, strangers, stages, servers, chromium), listener),
        ):
            yield f"{origin}/attacks"


@asynccontextmanager
async def serving(gallery: Gallery, listener: socket.socket) -> AsyncIterator[None]:
    """Serve it on a socket that listens."""
    app = web.Application(middlewares=[door.refusals])
    logging.getLogger("aiohttp.server").addFilter(guard.our_fault)  # as the server does it
    app[SETTINGS] = Settings(host=HOST)
    app.on_response_prepare.append(door.add_headers)
    app.add_routes(gallery.routes())
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
