"""Who may ask: Host, Origin and Sec-Fetch-Site; the headers every response carries; and how a refusal looks.

The one thing to notice: this server listens on loopback, and that alone protects nothing. Any page that is open in
the same browser can send requests here, so it must be told apart from our own pages.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

from aiohttp import web
from aiohttp.http import HttpProcessingError

from server.refusal import Refusal
from server.settings import SETTINGS
from server.wire import to_json

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # ids of answers must not travel to other sites
    "X-Content-Type-Options": "nosniff",
}


def problem(refusal: Refusal) -> web.Response:
    """The refusal as a problem document (RFC 9457)."""
    document = {"title": HTTPStatus(refusal.status).phrase, "status": refusal.status, "detail": refusal.detail}
    return web.Response(
        status=refusal.status,
        body=to_json(document),
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store", **refusal.headers},
    )


class Readers:
    """How many requests for an answer are being served, and how many may be."""

    def __init__(self, limit: int) -> None:
        self.count, self._limit = 0, limit
        self.nobody = asyncio.Event()
        self.nobody.set()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count one while the block runs. Raises Refusal 503 when the server is full."""
        if self.count >= self._limit:
            raise Refusal(
                503,
                f"All {self._limit} readers that this server takes are here. Try again in a moment (--max-readers).",
                {"Retry-After": "5"},
            )
        self.count += 1
        self.nobody.clear()
        try:
            yield
        finally:
            self.count -= 1
            if not self.count:
                self.nobody.set()


READERS = web.AppKey("readers", Readers)


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever was raised into a response that says what to do."""
    try:
        check_host(request)
        check_origin(request)
        return await handler(request)
    except Refusal as refusal:
        return problem(refusal)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem(_explained(request, error))
    except (ConnectionError, TimeoutError):
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.rel_url.raw_path)
        return problem(Refusal(500, "That is a fault of this server, not of your request; its log has the details."))


def check_host(request: web.Request) -> None:
    """Serve only the names of loopback.

    DNS rebinding makes a stranger's name point here, and to the browser we then *are* that stranger's origin: Origin
    and Host agree with each other, and only the name itself gives it away.
    """
    if "@" in request.host or _address(f"//{request.host}").hostname not in (
        *LOOPBACK_NAMES,
        request.app[SETTINGS].host,
    ):
        raise Refusal(403, f"This server does not answer as {request.host[:80]!r}. Use http://localhost or 127.0.0.1.")


def check_origin(request: web.Request) -> None:
    """Refuse what another site's page sends.

    A browser says where a request comes from: `Origin` on WebSocket handshakes and on requests with effects,
    `Sec-Fetch-Site` on all but WebSocket. Programs that are no browsers send neither, and are welcome.
    """
    origin = request.headers.get("Origin")
    if origin is not None and _address(origin).netloc != request.host:
        raise Refusal(403, f"Pages of {origin[:80]!r} may not use this server. Open its own page at / instead.")
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not _follows_link(request):
        raise Refusal(403, "Pages of other sites may not use this server. Open its own page at / instead.")


def our_fault(record: logging.LogRecord) -> bool:
    """Whether a log record of aiohttp is about us: what is no HTTP gets its 400, and is not worth a traceback here."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _address(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise Refusal(400, f"{url[:80]!r} is no address.") from None


def _follows_link(request: web.Request) -> bool:
    """Whether a person followed a link to one of our pages, which is fine from anywhere, and has no effect here."""
    to_page = request.path == "/" or request.path.startswith("/demo/")
    return to_page and request.method == "GET" and request.headers.get("Sec-Fetch-Dest") == "document"


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every response that has not set its own."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def _explained(request: web.Request, error: web.HTTPException) -> Refusal:
    """aiohttp's own refusals, with the sentence that they lack."""
    limit = request.app[SETTINGS].max_body_bytes
    sentences = {
        404: f"There is nothing at {request.path[:80]!r}. The page is at /, the list of transports at /transports.",
        405: f"{request.method} is not for {request.path[:80]!r}; it takes {error.headers.get('Allow', 'GET')}.",
        413: f"The body is larger than the {limit} bytes that this server takes (--max-body-bytes).",
    }
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return Refusal(error.status, sentences.get(error.status, f"{error.reason}."), headers)
