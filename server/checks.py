"""Who may ask: what is checked before every request, in one table, by the defence that each check is.

The one thing to notice: nothing here looks at who somebody claims to be before it is clear whose page is asking. A
browser sends the victim's cookie along with the attacker's request.
"""

import hmac
import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from server.limits import LIMITS
from server.refusal import Refusal
from server.sessions import SESSIONS
from server.settings import SETTINGS
from server.tickets import TICKETS

Check = Callable[[web.Request], None]
"""Returns for a request that may pass. Raises Refusal."""

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")

OWN = ("none", "same-origin")
ANY = (*OWN, "same-site", "cross-site")
PAGES = re.compile(r"/|/demo/[^/]*")
FILES = re.compile(r"/style\.css|/favicon\.(svg|ico)|/js/.*")
ALL = re.compile(r".*")


class Rule(NamedTuple):
    """What a browser may ask for in one way, by what it says of itself (Fetch Metadata)."""

    asked_by: str
    origin: str
    """When it says `Origin`; whenever it does, that has to be our own."""
    destinations: tuple[str, ...]
    """`Sec-Fetch-Dest`; empty when there is none."""
    sites: tuple[str, ...]
    """`Sec-Fetch-Site` that are let in."""
    paths: re.Pattern[str]


RULES = (
    Rule("an address typed, or a link from anywhere", "never", ("document",), ANY, PAGES),
    Rule("an address typed, or a link of ours", "never", ("document",), OWN, ALL),
    Rule("fetch: polling, long_polling, whole", "for POST and DELETE, and from other origins", ("empty",), OWN, ALL),
    Rule("EventSource: sse", "from other origins", ("empty",), OWN, ALL),
    Rule("a hidden frame: iframe", "never", ("iframe",), OWN, ALL),
    Rule("a WebSocket: websocket (Chromium says nothing but Origin)", "always", ("websocket",), OWN, ALL),
    Rule("a page's own files", "from other origins, for modules", ("script", "style", "image"), OWN, FILES),
    Rule("a browser that does not say what for", "–", ("",), OWN, ALL),
)
"""What is in no row is refused. Nothing at all is said by programs; and by every browser to a stranger's http address,
which the check of the host refuses."""


BY_TICKET = web.RequestKey("by_ticket", bool)
"""Set on a request that a ticket has opened, for the one answer that it was for."""


def check_rate(request: web.Request) -> None:
    """Refuse what is one too many from its address."""
    request.app[LIMITS].admit(request)


def check_host(request: web.Request) -> None:
    """Serve only our own names: those of loopback, the one that we listen as, and the number that was called.

    DNS rebinding makes a stranger's name point here, and to the browser we then *are* that stranger's origin: Origin
    and Host agree with each other, and only the name itself gives it away. A number is no name that could be rebound.
    """
    named = _named(request.headers.get("Host") or request.host)
    if named in (*LOOPBACK_NAMES, request.app[SETTINGS].host.lower()) and named:
        return
    called = request.transport.get_extra_info("sockname") if request.transport else None
    if not (named and called and _same_number(named, called[0])):
        raise Refusal(
            403,
            f"This server does not answer as {request.host[:80]!r}. Use its own: localhost, or 127.0.0.1.",
            defence="host",
        )


def check_origin(request: web.Request) -> None:
    """Refuse what the page of another origin sends.

    A browser adds `Origin` to WebSocket handshakes, to requests with effects, and to those that cross origins so that
    a script may read the response. Programs that are no browsers send none, and are welcome.
    """
    origin = request.headers.get("Origin")
    if origin is not None and _address(origin).netloc != request.host:
        raise Refusal(
            403,
            f"Pages of {origin[:80]!r} may not use this server. Open its own page at / instead.",
            defence="origin",
        )


def check_fetch_site(request: web.Request) -> None:
    """Refuse what the page of another site sends without an Origin: frames, images, scripts, links to no page."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        return
    destination = request.headers.get("Sec-Fetch-Dest", "")
    if not any(
        destination in rule.destinations and site in rule.sites and rule.paths.fullmatch(request.path) for rule in RULES
    ):
        raise Refusal(
            403, "Pages of other sites may not use this server. Open its own page at / instead.", defence="fetch-site"
        )


def check_json(request: web.Request) -> None:
    """Refuse a body that is not JSON: a page of another site cannot send that type without asking first.

    Fetch 3.2.2 (CORS preflight): forms, and scripts that do not ask, send text and form types only.
    """
    if request.method == "POST" and request.content_type != "application/json" and _has_handler(request):
        raise Refusal(415, "Send the fields as JSON, with Content-Type: application/json.", defence="json-only")


def check_token(request: web.Request) -> None:
    """With an access token, serve those who know it: by header, by session, or by a ticket for this one request.

    A ticket is used up here, also where no token is needed: then it opens an answer of another session.
    """
    if request.query_string and "ticket" in request.query:
        _check_ticket(request)
    elif request.app[SETTINGS].token and not (_is_open(request) or is_signed_in(request)):
        raise Refusal(
            401,
            "This server is not open to all. Send Authorization: Bearer TOKEN, or sign in at / with a browser.",
            {"WWW-Authenticate": "Bearer"},
            "token",
        )


def is_signed_in(request: web.Request) -> bool:
    """Whether the request comes from somebody who has shown the access token."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    by_header = kind.lower() == "bearer" and is_token(request, token.strip())
    return by_header or request.app[SESSIONS].owner_of(request) is not None


def is_token(request: web.Request, token: str) -> bool:
    """Whether that is the server's access token. Takes as long for a wrong one, however much of it is right."""
    return hmac.compare_digest(token.encode(errors="backslashreplace"), request.app[SETTINGS].token.encode()) and bool(
        token
    )


def _is_open(request: web.Request) -> bool:
    """Whether it is about nothing that is anybody's: page files, the place to sign in, and being alive."""
    path = request.path
    return bool(FILES.fullmatch(path) or PAGES.fullmatch(path)) or path in ("/healthz", "/sessions")


def _check_ticket(request: web.Request) -> None:
    way = request.path.rpartition("/")[2]
    if not request.app[TICKETS].take(request.query["ticket"], request.match_info.get("id", ""), way):
        raise Refusal(
            401,
            "This ticket was used, is too old, or is for something else. Get a new one: POST /tickets.",
            defence="ticket",
        )
    request[BY_TICKET] = True


CHECKS: dict[str, Check] = {
    "request-rate": check_rate,
    "host": check_host,
    "origin": check_origin,
    "fetch-site": check_fetch_site,
    "json-only": check_json,
    "token": check_token,
}
"""By id of DEFENCES, in this order, before anything else is done."""


@lru_cache(maxsize=256)
def _named(host: str) -> str | None:
    """The name in a Host header, without its port."""
    return None if "@" in host else _address(f"//{host}").hostname


def _address(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise Refusal(400, f"{url[:80]!r} is no address.") from None


def _same_number(host: str, called: str) -> bool:
    """Whether a Host is the very address, as a number, at which the connection arrived."""
    try:
        return ipaddress.ip_address(host) == ipaddress.ip_address(called)
    except ValueError:
        return False


def _has_handler(request: web.Request) -> bool:
    return request.match_info.http_exception is None
