"""The stranger's web server in the gallery: the attack pages of lab/security/origins, in the language of the class.

The one thing to notice: what these pages do is not touched. Only the sentences on them are others.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from lab.security.gallery.words import TRANSLATED
from lab.security.origins.attacker import NAMES, files, no_icon


@asynccontextmanager
async def visiting() -> AsyncIterator[dict[str, str]]:
    """Serve on loopback, on a free port, while the block runs; gives its origins, by the name that they go by."""
    app = web.Application()
    app.router.add_get("/attack/{language}/{name}", page)
    app.router.add_post("/report", no_icon)  # the pages tell the one around them as well, and that is enough here
    app.router.add_get("/favicon.ico", no_icon)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield {name: f"http://{name}:{port}" for name in NAMES.values()}
    finally:
        await runner.cleanup()


async def page(request: web.Request) -> web.Response:
    """`GET /attack/{language}/{name}`: one of the attack pages, or a file of theirs."""
    if not (found := files().get(request.match_info["name"])):
        raise web.HTTPNotFound
    text = said_in(found[0].decode(), request.match_info["language"])
    return web.Response(text=text, content_type=found[1], headers={"Cache-Control": "no-store"})


def said_in(text: str, language: str) -> str:
    """A page with its sentences in another language; what nobody has translated stays as it is. Pure."""
    for english, translated in TRANSLATED.get(language, {}).get("pages", {}).items():
        text = text.replace(english, translated)
    return text
