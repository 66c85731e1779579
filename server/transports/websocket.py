"""WebSocket: one connection, messages both ways (RFC 6455).

The one thing to notice: it must read while it sends. The reader's `stop`, its pongs and its close frame all arrive on
the same connection, and an unread close frame makes closing take ten seconds.
"""

import asyncio
import json

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from server.answer import Answer
from server.checks import BY_TICKET
from server.push import messages, written
from server.readers import Busy
from server.sockets import goodbye, open_socket
from server.store import STORE
from server.wire import encode, to_json

STOP = b'{"stop":true}'

MOST_REASON = 123
"""Bytes of a reason that a close frame has room for (RFC 6455 §5.5)."""

frame = encode  # a text message is the chunk and nothing else


async def websocket(request: web.Request, answer: Answer, cursor: int) -> web.StreamResponse:
    """Send a message for each chunk; a message `{"stop":true}` stops the answer."""
    socket = await open_socket(request, "read the answer at /sse instead")
    unwelcome = False
    try:
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(_listen(request, answer, socket))
            await messages(request, answer, cursor, frame, socket)
            listening.cancel()  # close reads the peer's close frame itself, and would not wait for it beside a reader
    except* _Unwelcome:
        unwelcome = True
    await written(request, _refuse(socket) if unwelcome else goodbye(request, socket))
    return socket


async def decline(request: web.Request, _cursor: int, busy: Busy) -> web.StreamResponse:
    """Accept the handshake and close with 1013: to a browser's script, a handshake that fails tells nothing."""
    socket = await open_socket(request, "read the answer at /sse instead")
    reason = busy.detail.encode()[:MOST_REASON]
    await written(request, socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=reason))
    return socket


class _Unwelcome(Exception):
    """The reader sent something that is not for it to send."""


async def _listen(request: web.Request, answer: Answer, socket: web.WebSocketResponse) -> None:
    """Read until the connection closes, whichever side closes it. Pings are answered by reading them.

    Raises _Unwelcome, which ends the sending, too: nothing may follow a close frame (RFC 6455 §5.5.1).
    """
    async for message in socket:
        if not _is_stop(message) or request.get(BY_TICKET):  # a ticket is for reading
            raise _Unwelcome
        request.app[STORE].stop(answer)


async def _refuse(socket: web.WebSocketResponse) -> None:
    await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b'the only message is {"stop":true}')


def _is_stop(message: WSMessage) -> bool:
    if message.type is not WSMsgType.TEXT:
        return False
    try:
        return bool(to_json(json.loads(message.data)) == STOP)  # spaces do not matter; 1 is not true
    except (ValueError, RecursionError):
        return False
