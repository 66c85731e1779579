"""The pages: the side-by-side page and one page for each transport, in the reader's language.

The one thing to notice: pages/ holds no code that runs here. What the templates show of a transport, its JavaScript
and its Python, is read from the files that run.
"""

import json
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from server import transports
from server.refusal import Refusal
from server.settings import SETTINGS
from server.sources.presets import PRESETS
from server.sources.typewriter import UNITS
from server.transports import TRANSPORTS

PAGES = Path(__file__).parent.parent / "pages"
SERVER_SOURCES = Path(transports.__file__).parent
LANGUAGES = {"en": "English", "zh": "中文"}

WORDS: dict[str, dict[str, str]] = {
    language: json.loads((PAGES / "words" / f"{language}.json").read_text(encoding="utf-8")) for language in LANGUAGES
}

templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(PAGES / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


def language_of(request: web.Request) -> str:
    """`?lang=` wins; else the first of Accept-Language that we speak (RFC 9110 §12.5.4); else English."""
    wanted = [request.query.get("lang", ""), *_accepted(request.headers.get("Accept-Language", ""))]
    return next((tag for tag in (tag[:2].lower() for tag in wanted) if tag in LANGUAGES), "en")


async def index(request: web.Request) -> web.Response:
    """`GET /`: all transports side by side."""
    return _render(request, "index.html")


async def demo(request: web.Request) -> web.Response:
    """`GET /demo/{transport}`: one transport, with the code of both its ends."""
    name = request.match_info["transport"]
    if name not in TRANSPORTS:
        raise Refusal(404, f"There is no transport {name[:40]!r}. There are {', '.join(TRANSPORTS)}.")
    client = (PAGES / "js" / "transports" / f"{name}.js").read_text(encoding="utf-8")
    server = (SERVER_SOURCES / f"{name}.py").read_text(encoding="utf-8")
    return _render(request, "demo.html", name=name, client_source=client, server_source=server)


def add_routes(app: web.Application) -> None:
    """The routes of the pages and their files."""
    app.router.add_get("/", index)
    app.router.add_get("/demo/{transport}", demo)
    app.router.add_static("/js", PAGES / "js")
    for name in ("style.css", "favicon.svg"):
        app.router.add_get(f"/{name}", _file(PAGES / name))


async def revalidate(request: web.Request, response: web.StreamResponse) -> None:
    """Let no browser keep a page's file without asking: who edits the code wants to see the edit."""
    if isinstance(response, web.FileResponse):
        response.headers["Cache-Control"] = "no-cache"


def _file(path: Path) -> Any:
    async def send(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    return send


def _render(request: web.Request, template: str, **context: Any) -> web.Response:
    settings = request.app[SETTINGS]
    language = language_of(request)
    html = templates.get_template(template).render(
        lang=language,
        words=WORDS[language],
        languages=LANGUAGES,
        transports=list(TRANSPORTS),
        presets=list(PRESETS),
        replays=[name for name, preset in PRESETS.items() if preset.trace],
        units=list(UNITS),
        limits={
            "max_text": settings.max_text,
            "first_token_ms": settings.first_token_ms,
            "token_ms": settings.token_ms,
            "max_token_ms": 60_000,
        },
        **context,
    )
    return web.Response(
        text=html, content_type="text/html", headers={"Cache-Control": "no-store", "Vary": "Accept-Language"}
    )


def _accepted(header: str) -> list[str]:
    """The tags of Accept-Language, most wanted first."""
    weighed = []
    for item in header.split(","):
        tag, _, parameter = item.strip().partition(";")
        weight = parameter.strip().removeprefix("q=")
        weighed.append((float(weight) if weight.replace(".", "", 1).isdigit() else 1.0, tag))
    return [tag for _, tag in sorted(weighed, key=lambda pair: -pair[0])]
