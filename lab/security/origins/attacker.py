"""The attacker's web server: it serves the attack pages, and collects what they report.

The one thing to notice: it is one server under three names, and to a browser those are three different strangers. One
of them is "same site" as the victim's server, since a site is a scheme and a name, and the port does not count.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from aiohttp import web

PAGES = Path(__file__).parent / "pages"

TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}

NAMES = {
    "same site, another port": "localhost",
    "another site": "127.0.0.1",
    "another site by name": "evil.localhost",  # RFC 6761 §6.3: such names are loopback, and browsers ask no DNS
}
"""What the attacker's server is to a page of http://localhost, and the name under which it is that."""

REPORT_BYTES = 64 * 1024


class Link(NamedTuple):
    """A link to an attack page, for one visit."""

    url: str
    report: asyncio.Future[str]
    """What the page will say that it got; empty for nothing."""


class Attacker:
    """The running server."""

    def __init__(self) -> None:
        self.port = 0
        self.referers: list[str] = []
        """The Referer of each visit to /landing; empty where there was none."""
        self.cookies: dict[str, str] = {}
        """The Cookie header that browsers sent along when they came for a page, by the name they came by."""
        self._reports: dict[str, asyncio.Future[str]] = {}

    def origin(self, host: str) -> str:
        """Its origin under one of the names."""
        return f"http://{host}:{self.port}"

    def visited(self, times: int) -> bool:
        """Whether so many have come to /landing."""
        return len(self.referers) >= times

    def link(self, origin: str, page: str, **query: str) -> Link:
        """A link to a file of pages/ under an origin, with what it is told: `target`, `answer`, `transport`, …"""
        visit = secrets.token_hex(8)
        report = self._reports[visit] = asyncio.get_running_loop().create_future()
        return Link(f"{origin}/attack/{page}?{urlencode({**query, 'visit': visit})}", report)

    async def page(self, request: web.Request) -> web.Response:
        """`GET /attack/{name}`: one of the files in pages/."""
        if cookie := request.headers.get("Cookie"):
            self.cookies[request.url.host or ""] = cookie
        if not (found := files().get(request.match_info["name"])):
            raise web.HTTPNotFound
        return web.Response(
            body=found[0], content_type=found[1], charset="utf-8", headers={"Cache-Control": "no-store"}
        )

    async def report(self, request: web.Request) -> web.Response:
        """`POST /report?visit=…`: a page tells what it got."""
        told = json.loads(await request.read())
        report = self._reports.get(request.query.get("visit", ""))
        if report and not report.done():
            report.set_result(str(told["got"]))
        return web.Response(status=204)

    async def landing(self, request: web.Request) -> web.Response:
        """`GET /landing`: where a link of the victim's leads; all it does is to look where the visitor comes from."""
        self.referers.append(request.headers.get("Referer", ""))
        return web.Response(text="<!doctype html><title>landing</title><h1>Welcome</h1>", content_type="text/html")


@asynccontextmanager
async def attacking() -> AsyncIterator[Attacker]:
    """Serve on loopback, on a free port, while the block runs."""
    attacker = Attacker()
    app = web.Application(client_max_size=REPORT_BYTES)
    app.router.add_get("/attack/{name}", attacker.page)
    app.router.add_get("/landing", attacker.landing)
    app.router.add_post("/report", attacker.report)
    app.router.add_get("/favicon.ico", no_icon)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        attacker.port = runner.addresses[0][1]
        yield attacker
    finally:
        await runner.cleanup()


async def no_icon(_request: web.Request) -> web.Response:
    """`GET /favicon.ico`: none, and no complaint about it in the console."""
    return web.Response(status=204)


def files() -> dict[str, tuple[bytes, str]]:
    """All files of the attack pages by name: content and type."""
    return {path.name: (path.read_bytes(), TYPES[path.suffix]) for path in sorted(PAGES.iterdir())}
