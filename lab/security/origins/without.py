"""How the defences of this family are taken away: each changes the process that it runs in.

The one thing to notice: hardly anything of this looks dangerous. Most of it is what a server is that nobody has told
better, and the rest is the first answer that one finds to an error message in the browser's console.
Only lab/security/weakened.py imports this, in a process of its own.
"""

import itertools
import sys
from collections.abc import Callable

from aiohttp import web

from server import access, checks, guard, store, views
from server.settings import Settings

iframe = sys.modules["server.transports.iframe"]  # the package has a function of the same name

Without = Callable[[Settings], Settings]


def unchecked(defence: str) -> Without:
    """Without one of the checks: on loopback, who but us should ask?"""

    def without(settings: Settings) -> Settings:
        del guard.CHECKS[defence]
        return settings

    return without


def every_response(change: Callable[[web.Request, web.StreamResponse], None]) -> None:
    """Change each response once it has all its headers."""
    add_ours = guard.add_headers

    async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
        await add_ours(_request, response)
        change(_request, response)

    guard.add_headers = add_headers


def no_cors(settings: Settings) -> Settings:
    """Whoever asks may read the response. This makes the red line in the console go away, for everybody."""

    def allow(request: web.Request, response: web.StreamResponse) -> None:
        if origin := request.headers.get("Origin"):
            response.headers["Access-Control-Allow-Origin"] = origin  # `*` would not work with cookies, so: anybody
            response.headers["Access-Control-Allow-Credentials"] = "true"

    every_response(allow)
    guard.HEADERS["Cross-Origin-Resource-Policy"] = "cross-origin"
    return settings


def target_origin(settings: Settings) -> Settings:
    """The stream's frame tells its text to whatever page is around it."""
    prelude = iframe.prelude
    vars(iframe)["prelude"] = lambda nonce: prelude(nonce).replace(b"location.origin", b'"*"')
    return settings


def frame_ancestors(settings: Settings) -> Settings:
    """A policy for scripts and images, which says nothing about who may frame the page: then anybody may."""

    def allow(_request: web.Request, response: web.StreamResponse) -> None:
        policy = response.headers["Content-Security-Policy"]
        response.headers["Content-Security-Policy"] = policy.replace("; frame-ancestors 'self'", "")

    every_response(allow)
    return settings


def nosniff(settings: Settings) -> Settings:
    """Event streams sent as plain text, as by a handler that sets no type, and no word against guessing."""

    def forget_type(_request: web.Request, response: web.StreamResponse) -> None:
        if response.content_type == "text/event-stream":
            response.content_type = "text/plain"

    every_response(forget_type)
    del guard.HEADERS["X-Content-Type-Options"]
    return settings


def session(settings: Settings) -> Settings:
    """Who knows the id of an answer may read it, whoever that is."""
    store.opens = lambda owner, asker: True
    return settings


def random_ids(settings: Settings) -> Settings:
    """Ids as a database counts them."""
    numbers = itertools.count(1)
    store.new_id = lambda: str(next(numbers))
    return settings


def ticket(settings: Settings) -> Settings:
    """The access token itself in the address, since EventSource and WebSocket cannot send it as a header."""
    check = guard.CHECKS["token"]

    def check_token(request: web.Request) -> None:
        if not checks.is_token(request, request.query.get("token", "")):
            check(request)

    async def no_tickets(request: web.Request) -> web.Response:
        raise web.HTTPNotFound

    guard.CHECKS["token"] = check_token
    vars(views)["READER_FIELDS"] = (*views.READER_FIELDS, "token")
    views.ticket = no_tickets
    return settings


def redaction(settings: Settings) -> Settings:
    """Addresses in the log as they came, on one line as before, and with everything that opens anything in them."""
    access.redacted = lambda address: access.escaped(address)
    return settings


def referrer_policy(settings: Settings) -> Settings:
    """Whole addresses for the statistics of every site that we link to. Browsers left alone tell the origin only."""
    guard.HEADERS["Referrer-Policy"] = "unsafe-url"
    return settings


WITHOUT: dict[str, Without] = {
    "host": unchecked("host"),
    "origin": unchecked("origin"),
    "fetch-site": unchecked("fetch-site"),
    "json-only": unchecked("json-only"),
    "no-cors": no_cors,
    "target-origin": target_origin,
    "frame-ancestors": frame_ancestors,
    "nosniff": nosniff,
    "session": session,
    "random-ids": random_ids,
    "token": unchecked("token"),
    "ticket": ticket,
    "redaction": redaction,
    "referrer-policy": referrer_policy,
}
