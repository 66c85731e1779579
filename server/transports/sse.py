"""Server-sent events: one response that goes on, cut into events by blank lines (WHATWG HTML 9.2).

The one thing to notice: every event carries its cursor as `id`. A browser whose connection breaks reconnects on its
own and sends the last id back, so resuming costs us nothing but to read that header (wire.cursor_of).
"""

import random
import re

from aiohttp import web

from server.answer import Answer, Chunk
from server.push import stream
from server.readers import Busy
from server.refusal import Refusal
from server.settings import SETTINGS
from server.wire import encode

HEADERS = {"Content-Type": "text/event-stream"}

LINE_END = re.compile("\r\n|\r|\n")  # the three that end a line in an event stream (WHATWG HTML 9.2.5), no others


def frame(chunk: Chunk) -> bytes:
    """One event. JSON has no raw line ends, so the data is always one line; the last event is named `end`."""
    event = b"event: end\n" if chunk.done else b""
    return b"id: %d\n%bdata: %b\n\n" % (chunk.cursor, event, encode(chunk))


def plain_frame(chunk: Chunk) -> bytes:
    """The article's form, bare text after `data:`.

    Line ends are folded into several data lines, or text could forge fields; even so a browser turns CR into LF and
    drops a leading space, which is why our own form is JSON. Without news it is a comment.
    """
    if not (chunk.text or chunk.done):
        return b":\n\n"
    message = end = ""
    if chunk.text:
        lines = "".join(f"data:{line}\n" for line in LINE_END.split(chunk.text))
        message = f"event:message\n{lines}\n"
    if chunk.done:
        end = f"event:end\ndata:{chunk.done}\n\n"
    return (message + end).encode()


async def sse(request: web.Request, answer: Answer, cursor: int) -> web.StreamResponse:
    """Send an event for each chunk; `?format=plain` sends bare text without ids."""
    form = request.query.get("format", "json")
    if form not in ("json", "plain"):
        raise Refusal(400, f"format must be json or plain, not {form[:40]!r}.")
    settings = request.app[SETTINGS]
    if form == "plain":
        if settings.pad_bytes:
            raise Refusal(400, "This server pads its frames (--pad-bytes), which bare text has no place for. Use json.")
        return await stream(request, answer, cursor, plain_frame, b"", HEADERS)
    # At random up to twice as long: readers that were all cut at once must not all come back at once.
    prelude = b"retry: %d\n" % (settings.retry_ms * random.uniform(1, 2))  # noqa: S311 - not a secret
    return await stream(request, answer, cursor, frame, prelude, HEADERS)


async def decline(_request: web.Request, _cursor: int, busy: Busy) -> web.StreamResponse:
    """An event stream that says when to come back, and ends.

    Any status but 200 would stop an EventSource for good (WHATWG HTML 9.2.2).
    """
    return web.Response(body=b"retry: %d\n\n" % busy.retry_ms, headers={"Cache-Control": "no-store"} | HEADERS)
