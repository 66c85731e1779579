"""The server under attack in the gallery: that of lab/security/weakened.py, with a page for the victim.

The one thing to notice: all that is added has a path of its own, `/attacks/…`, and only the gallery's page may frame
it. What a stranger meets is the server as it is, with its checks in place or taken away.
"""

import asyncio
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web
from aiohttp.typedefs import Handler
from markupsafe import escape

from lab.security import HEADER, weakened
from lab.security.gallery.words import WORDS
from server import checks, guard, site
from server.sessions import SESSIONS
from server.settings import Settings
from server.views import LOCATION, json_response

PAGES = Path(__file__).parent / "pages"
FILES = {"/attacks/attacked.css": PAGES / "attacked.css", "/attacks/victim.js": PAGES / "js" / "victim.js"}

OURS = re.compile(r"/attacks/.*")
RULES = (
    checks.Rule("the gallery, whose page has another port", "never", ("iframe",), checks.ANY, OURS),
    checks.Rule("the files of the victim's page", "for modules", ("script", "style"), checks.OWN, OURS),
)
POLICY = "Content-Security-Policy"
BODY = re.compile(r"<body[^>]*>|</title>")
"""Where the banner goes: a page may leave its body to the parser."""

templates = jinja2.Environment(loader=jinja2.FileSystemLoader(PAGES), autoescape=True, undefined=jinja2.StrictUndefined)


@dataclass
class Added:
    """What this server has more than the one in the experiment."""

    gallery: str
    """The origin of the gallery."""
    until: str
    """When all of it ends."""
    bare: bool
    """Whether pages come without a content security policy, so that something else is judged alone."""
    started: int = 0
    """Answers so far, whoever started them."""
    opened: int = 0
    """How often the script of a transport's page was asked for: a browser does so where it shows the page."""
    strangers: list[dict[str, Any]] = field(default_factory=list)
    """What foreign pages have asked for, and what came of it."""

    def add(self, app: web.Application) -> None:
        """Put it into the application."""
        app.router.add_get("/attacks/victim", self.victim)
        app.router.add_get("/attacks/seen", self.seen)
        for path in FILES:
            app.router.add_get(path, self.file)
        app.middlewares.append(self.warn)
        app.on_response_prepare.append(self.note)

    async def victim(self, request: web.Request) -> web.Response:
        """`GET /attacks/victim`: the victim's tab, which starts an answer of its own and looks on."""
        language = site.language_of(request)
        page = templates.get_template("victim.html").render(
            lang=language, words=WORDS[language], gallery=self.gallery, since=len(self.strangers)
        )
        policy = guard.HEADERS[POLICY].replace("frame-ancestors 'self'", f"frame-ancestors {self.gallery}")
        response = web.Response(text=page, content_type="text/html", headers={POLICY: policy})
        request.app[SESSIONS].begin(request, response)
        return response

    async def seen(self, request: web.Request) -> web.Response:
        """`GET /attacks/seen?since=N`: what strangers asked, and how many answers have been started."""
        since = int(request.query["since"])
        return json_response({"started": self.started, "opened": self.opened, "strangers": self.strangers[since:]})

    async def file(self, request: web.Request) -> web.FileResponse:
        """`GET /attacks/attacked.css`, …: the files of the victim's page."""
        return web.FileResponse(FILES[request.path])

    @web.middleware
    async def warn(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Put the banner on every page of a server that lacks something, wherever it is shown."""
        response = await handler(request)
        if not isinstance(response, web.Response) or response.content_type != "text/html" or framed(request):
            return response
        if HEADER in guard.HEADERS:
            words = WORDS[site.language_of(request)]
            response.text = with_banner(response.text or "", words["banner"].format(time=self.until))
        return response

    async def note(self, request: web.Request, response: web.StreamResponse) -> None:
        """Before the head of any response goes out: what was asked, by whom, and what is answered."""
        if self.bare:
            response.headers.pop(POLICY, None)
        self.started += is_start(request, response)
        self.opened += request.path == "/js/demo.js"
        if is_foreign(request):
            self.strangers.append(noted(request, response))


def is_start(request: web.Request, response: web.StreamResponse) -> bool:
    """Whether an answer was started by it."""
    return LOCATION in request or (request.path == "/answers" and response.status == 201)


def is_foreign(request: web.Request) -> bool:
    """Whether the page of another origin asks, by what the browser says of it."""
    if OURS.fullmatch(request.path):
        return False
    by_site = request.headers.get("Sec-Fetch-Site", "none") not in checks.OWN
    return by_site or request.headers.get("Origin", f"://{request.host}").partition("://")[2] != request.host


def noted(request: web.Request, response: web.StreamResponse) -> dict[str, Any]:
    """What the victim's page shows of it; of the cookie only whether there was one."""
    return {
        "asked": f"{request.method} {request.path}",
        "origin": request.headers.get("Origin", ""),
        "site": request.headers.get("Sec-Fetch-Site", ""),
        "cookie": request.app[SESSIONS].owner_of(request) is not None,
        "status": response.status,
        "defence": refused_by(response),
    }


def refused_by(response: web.StreamResponse) -> str:
    """The defence that a refusal names; empty where it is none."""
    if not isinstance(response, web.Response) or response.content_type != "application/problem+json":
        return ""
    return str(json.loads(response.text or "{}").get("defence", ""))


def framed(request: web.Request) -> bool:
    """Whether it is for a frame: in the gallery, the page around it has the banner."""
    return request.headers.get("Sec-Fetch-Dest") == "iframe"


def with_banner(page: str, says: str) -> str:
    """The page, with the banner at the beginning of its body."""
    banner = f'<link rel="stylesheet" href="/attacks/attacked.css"><p class="weakened" role="note">{escape(says)}</p>'
    return BODY.sub(lambda found: f"{found[0]}{banner}", page, count=1)


def prepare(added: Added) -> None:
    """Have this process serve it, once its application is made."""
    checks.RULES += RULES  # type: ignore[assignment]
    add_routes = site.add_routes

    def with_ours(app: web.Application) -> None:
        added.add(app)
        add_routes(app)

    site.add_routes = with_ours


if __name__ == "__main__":
    prepare(Added(**json.loads(sys.argv[3])))
    asyncio.run(weakened.main(Settings(**json.loads(sys.argv[1])), *json.loads(sys.argv[2])))
