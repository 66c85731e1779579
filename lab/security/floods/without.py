"""How the defences of this family are taken away: each changes the process that it runs in.

The one thing to notice: most of this is what one gets without doing anything. Libraries ship with deadlines of an hour,
or with none, and with limits that fit everybody's messages.
Only lab/security/weakened.py imports this, in a process of its own.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from server import guard, push
from server.answer import Answer
from server.push import stream
from server.settings import SETTINGS, Settings
from server.transports import TRANSPORTS
from server.transports.sse import HEADERS, frame

Without = Callable[[Settings], Settings]

NEVER_S = 24 * 3600.0
BOUNDLESS = 10**12


def set_to(**values: Any) -> Without:
    """Without a limit, or with one that nobody meets."""
    return lambda settings: replace(settings, **values)


def no_queue(settings: Settings) -> Settings:
    """A queue for each reader, of any length, so that nobody has to wait: the slowest one gets the longest queue."""
    push.UNSENT_BYTES = BOUNDLESS
    return settings


def request_rate(settings: Settings) -> Settings:
    """Everybody may ask as often as they can."""
    del guard.CHECKS["request-rate"]
    return settings


def retry_jitter(settings: Settings) -> Settings:
    """The same `retry` for all: so they also come back at the same time."""

    async def sse(request: web.Request, answer: Answer, cursor: int) -> web.StreamResponse:
        prelude = b"retry: %d\n" % request.app[SETTINGS].retry_ms
        return await stream(request, answer, cursor, frame, prelude, HEADERS)

    TRANSPORTS["sse"] = sse
    return settings


WITHOUT: dict[str, Without] = {
    "head-deadline": set_to(keepalive_s=3630.0),  # as aiohttp ships
    "body-deadline": set_to(body_s=NEVER_S),
    "write-deadline": set_to(write_s=NEVER_S),
    "no-queue": no_queue,
    "request-rate": request_rate,
    "connection-cap": set_to(max_address_connections=BOUNDLESS),
    "message-size": set_to(max_message_bytes=0),  # which aiohttp takes for no limit
    "upstream-rate": set_to(upstream_bytes_per_s=BOUNDLESS),
    "retry-jitter": retry_jitter,
}
