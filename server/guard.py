"""What every request passes first and every response carries; and how a refusal looks.

The one thing to notice: this server listens on loopback, and that alone protects nothing. Any page that is open in
the same browser can send requests here, so it must be told apart from our own pages (checks.py).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import ClientConnectionResetError, web
from aiohttp.http import HttpProcessingError

from server import completion
from server.access import redacted
from server.checks import CHECKS as CHECKS
from server.ledger import Meter
from server.refusal import Refusal
from server.settings import SETTINGS
from server.wire import to_json

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # ids of answers must not travel to other sites
    "X-Content-Type-Options": "nosniff",
}


def rendered(request: web.Request, refusal: Refusal) -> web.Response:
    """The refusal as its reader understands it: below `/v1` like OpenAI's API, else as a problem document."""
    if not request.path.startswith("/v1/"):
        return problem(refusal)
    headers = {"Cache-Control": "no-store", **refusal.headers}
    body = completion.refused(refusal)
    return web.Response(status=refusal.status, body=body, content_type="application/json", headers=headers)


def problem(refusal: Refusal) -> web.Response:
    """The refusal as a problem document (RFC 9457)."""
    document: dict[str, object] = {
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.detail,
    }
    if refusal.defence:
        document["defence"] = refusal.defence
    return web.Response(
        status=refusal.status,
        body=to_json(document),
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store", **refusal.headers},
    )


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever was raised into a response that says what to do."""
    began = time.monotonic()
    try:
        for check in CHECKS.values():
            check(request)
        return await handler(request)
    except Refusal as refusal:
        return rendered(request, refusal)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return rendered(request, _explained(request, error))
    except (asyncio.CancelledError, ClientConnectionResetError):
        if isinstance(meter := request.protocol.access_logger, Meter):
            meter.write(request, None, time.monotonic() - began)
        raise asyncio.CancelledError from None  # to anything else aiohttp would answer 500, and nobody is there
    except (ConnectionError, TimeoutError):
        raise
    except Exception:
        log.exception("%s %s failed", request.method, redacted(request.raw_path))
        sentence = "That is a fault of this server, not of your request; its log has the details."
        return rendered(request, Refusal(500, sentence))


def our_fault(record: logging.LogRecord) -> bool:
    """Whether a log record of aiohttp is about us.

    What is no HTTP gets its 400, and is not worth a traceback here; and neither is somebody who was gone before there
    was anything to say, such as `100 Continue`.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | ClientConnectionResetError))


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
