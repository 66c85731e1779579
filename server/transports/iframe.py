"""Hidden iframe: an HTML page that never seems to finish loading; each chunk is a script that runs on arrival.

The one thing to notice: the text travels inside HTML inside JavaScript inside JSON, and must not end any of them.
JSON alone would let `</script>` out.
"""

import secrets
from functools import partial

from aiohttp import web

from server.answer import Answer, Chunk
from server.push import stream
from server.readers import Busy
from server.wire import encode, not_now

PRELUDE_BYTES = 1024  # WebKit shows nothing of a page before its first 512 bytes

ESCAPES = {
    b"<": rb"\u003c",  # </script> and <!-- would change what the HTML parser does (WHATWG HTML 4.12.1.3)
    b">": rb"\u003e",
    b"&": rb"\u0026",
    "\u2028".encode(): rb"\u2028",  # line ends inside JavaScript strings before ES2019
    "\u2029".encode(): rb"\u2029",
}


def frame(chunk: Chunk, nonce: str = "") -> bytes:
    """A script element that calls the prelude's `push`; only `nonce` lets it run (CSP)."""
    return script(encode(chunk), nonce)


def script(data: bytes, nonce: str) -> bytes:
    """The script element for a chunk that is JSON already."""
    for character, escaped in ESCAPES.items():
        data = data.replace(character, escaped)
    return b'<script nonce="%b">push(%b)</script>\n' % (nonce.encode(), data)


def prelude(nonce: str) -> bytes:
    """The head of the page. It hands chunks to the page around it, if that is of this very origin.

    Each script removes itself once it has run: a frame that only grows is a leak.
    """
    code = "const push = (chunk) => { parent.postMessage(chunk, location.origin); document.currentScript.remove(); };"
    page = f'<!doctype html><meta charset="utf-8"><title>pushlab</title><script nonce="{nonce}">{code}</script>\n'
    padding = "." * (PRELUDE_BYTES - len(page) - len("<!---->\n"))
    return f"{page}<!--{padding}-->\n".encode()


async def iframe(request: web.Request, answer: Answer, cursor: int) -> web.StreamResponse:
    """Write a script element for each chunk."""
    nonce = secrets.token_urlsafe(16)
    return await stream(request, answer, cursor, partial(frame, nonce=nonce), prelude(nonce), _headers(nonce))


async def decline(_request: web.Request, cursor: int, busy: Busy) -> web.StreamResponse:
    """A page with one chunk, which says why and when to come back: nobody around a frame can see its status."""
    nonce = secrets.token_urlsafe(16)
    body = prelude(nonce) + script(not_now(cursor, busy.detail, busy.retry_ms), nonce)
    return web.Response(body=body, headers={"Cache-Control": "no-store"} | _headers(nonce))


def _headers(nonce: str) -> dict[str, str]:
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": f"default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'self'",
    }
