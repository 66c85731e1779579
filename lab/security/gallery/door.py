"""Who may use the gallery, and what its responses carry.

The one thing to notice: it has to be guarded like the server itself. Whoever could start attacks from a foreign page
would not need any of the weaknesses that are shown.
"""

from aiohttp import web
from aiohttp.typedefs import Handler

from lab.security.origins.attacker import NAMES
from server import guard
from server.checks import OWN, check_host, check_json, check_origin
from server.refusal import Refusal

FRAMES = " ".join(f"http://{name}:*" for name in NAMES.values())
"""The servers under attack, and the stranger's under all of its names."""

HEADERS = guard.HEADERS | {
    "Content-Security-Policy": f"default-src 'self'; frame-src {FRAMES}; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
}


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let pages of our own in, and nobody else; who is refused is told why, as by the server."""
    try:
        for check in (check_address, check_host, check_origin, check_fetch_site, check_json):
            check(request)
        return await handler(request)
    except Refusal as refusal:
        return guard.problem(refusal)


def check_address(request: web.Request) -> None:
    """Refuse a request that does not say properly whom it is for (RFC 9110 7.2)."""
    try:
        named = "Host" in request.headers and request.url.with_host("localhost")
    except ValueError:
        named = False
    if not named:
        raise Refusal(400, "The Host of the request is no address. Open the gallery by the address that it printed.")


def check_fetch_site(request: web.Request) -> None:
    """Refuse what a foreign page sends without an Origin. A link from anywhere may lead here."""
    linked = request.method == "GET" and request.headers.get("Sec-Fetch-Dest") == "document"
    if request.headers.get("Sec-Fetch-Site", "none") not in OWN and not linked:
        raise Refusal(403, "Pages of other sites may not use the gallery. Open its own page at /attacks instead.")


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every response."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
