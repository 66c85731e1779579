"""The pages: the side-by-side page and one page for each transport, in the reader's language.

The one thing to notice: pages/ holds no code that runs here. What the templates show of a transport, its JavaScript
and its Python, is read from the files that run.
"""

import json
import re
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from server import transports
from server.checks import is_signed_in
from server.order import OFFER
from server.refusal import Refusal
from server.sessions import SESSIONS
from server.settings import SETTINGS
from server.sources.typewriter import UNITS
from server.transports import TRANSPORTS

PAGES = Path(__file__).parent.parent / "pages"
SERVER_SOURCES = Path(transports.__file__).parent
LANGUAGES = {"en": "English", "zh": "中文"}

LANGUAGE_RANGE = re.compile(r"\s*([a-zA-Z]{1,8})(?:-[\w-]+)?\s*(?:;\s*[qQ]=([01](?:\.[0-9]{0,3})?)\s*)?", re.ASCII)

WORDS: dict[str, dict[str, str]] = {
    language: json.loads((PAGES / "words" / f"{language}.json").read_text(encoding="utf-8")) for language in LANGUAGES
}

templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(PAGES / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


def language_of(request: web.Request) -> str:
    """`?lang=` wins; else the most wanted of Accept-Language that we speak (RFC 9110 §12.5.4); else English."""
    wanted = _accepted(request.query.get("lang", "")) + _accepted(request.headers.get("Accept-Language", ""))
    return next((tag for tag in wanted if tag in LANGUAGES), "en")


async def index(request: web.Request) -> web.Response:
    """`GET /`: all transports side by side."""
    return _page(request, "index.html")


async def demo(request: web.Request) -> web.Response:
    """`GET /demo/{transport}`: one transport, with the code of both its ends."""
    name = request.match_info["transport"]
    if name not in TRANSPORTS:
        raise Refusal(404, f"There is no transport {name[:40]!r}. There are {', '.join(TRANSPORTS)}.")
    client = (PAGES / "js" / "transports" / f"{name}.js").read_text(encoding="utf-8")
    server = (SERVER_SOURCES / f"{name}.py").read_text(encoding="utf-8")
    return _page(request, "demo.html", name=name, client_source=client, server_source=server)


def add_routes(app: web.Application) -> None:
    """The routes of the pages and their files."""
    app.router.add_get("/", index)
    app.router.add_get("/demo/{transport}", demo)
    for path in (PAGES / "style.css", PAGES / "favicon.svg", *(PAGES / "js").rglob("*.js")):
        app.router.add_get(f"/{path.relative_to(PAGES).as_posix()}", _file(path))  # these files and no path besides


async def revalidate(request: web.Request, response: web.StreamResponse) -> None:
    """Let no browser keep a page's file without asking: who edits the code wants to see the edit."""
    if isinstance(response, web.FileResponse):
        response.headers["Cache-Control"] = "no-cache"


def _file(path: Path) -> Any:
    async def send(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    return send


def _page(request: web.Request, template: str, **context: Any) -> web.Response:
    """The page, with a session for the browser that has none; where there is an access token, for who has shown it."""
    if request.app[SETTINGS].token and not is_signed_in(request):
        return _render(request, "sign_in.html", status=401)
    response = _render(request, template, **context)
    request.app[SESSIONS].begin(request, response)
    return response


def _render(request: web.Request, template: str, status: int = 200, **context: Any) -> web.Response:
    settings, offer = request.app[SETTINGS], request.app[OFFER]
    language = language_of(request)
    html = templates.get_template(template).render(
        lang=language,
        words=WORDS[language],
        languages=LANGUAGES,
        transports=list(TRANSPORTS),
        model=offer.model.name if offer.model else None,
        presets=list(offer.presets),
        replays=[name for name, preset in offer.presets.items() if preset.trace],
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
        status=status,
        text=html,
        content_type="text/html",
        headers={"Cache-Control": "no-store", "Vary": "Accept-Language"},
    )


def _accepted(header: str) -> list[str]:
    """The languages of Accept-Language, without their regions, most wanted first; what is malformed is passed over."""
    ranges = filter(None, map(LANGUAGE_RANGE.fullmatch, header.split(",")))
    weighed = [(float(match[2] or 1), match[1].lower()) for match in ranges]
    return [tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight]
