"""Opening a WebSocket the way all of this server's are opened.

The one thing to notice: what comes up is bounded in every way that there is. One message may be too long, and there may
be too many of those that are none: pings, and fragments without an end.
"""

from aiohttp import WSCloseCode, web

from server.ledger import Meter
from server.limits import upstream
from server.refusal import Refusal
from server.settings import SETTINGS
from server.store import STORE, Store


async def open_socket(request: web.Request, otherwise: str, heartbeat_s: float | None = None) -> web.WebSocketResponse:
    """The open socket, pinged after so long a silence, if at all.

    Raises Refusal 426 when this is no request for one; `otherwise` says what to do then.
    """
    settings = request.app[SETTINGS]
    socket = web.WebSocketResponse(
        compress=settings.deflate,  # off: it keeps a window for each connection, and its shared context leaks repeats
        heartbeat=heartbeat_s,
        max_msg_size=settings.max_message_bytes,
        writer_limit=0,  # 64 KiB and more are queued for each reader by default
    )
    if not socket.can_prepare(request):
        raise Refusal(
            426,
            f"This is a WebSocket: connect with ws:// and a WebSocket client, or {otherwise}.",
            {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},  # RFC 9110 §15.5.22
        )
    await socket.prepare(request)
    if isinstance(meter := request.protocol.access_logger, Meter):
        meter.bound_upstream(upstream(request))
    return socket


async def goodbye(request: web.Request, socket: web.WebSocketResponse) -> None:
    """Close it, in order."""
    await socket.close(code=farewell(request.app[STORE]))


def farewell(store: Store) -> WSCloseCode:
    """With which code: 1000, or 1001 (Going Away) when the server is being stopped (RFC 6455 §7.4.1)."""
    return WSCloseCode.GOING_AWAY if store.closed else WSCloseCode.OK
