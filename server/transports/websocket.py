"""WebSocket: one connection, messages both ways (RFC 6455).

The one thing to notice: it must read while it sends. The reader's `stop`, its pings and its close frame all arrive on
the same connection (talk.py).
"""

import json
from collections.abc import Callable
from functools import partial

from aiohttp import WSCloseCode, web

from server.answer import Answer
from server.checks import BY_TICKET
from server.framing import Opcode
from server.push import is_followed, messages, written
from server.readers import Busy
from server.refusal import Refusal
from server.sockets import open_socket
from server.store import STORE
from server.talk import MOST_REASON as MOST_REASON
from server.wire import encode, to_json

STOP = b'{"stop":true}'

frame = encode  # a text message is the chunk and nothing else


async def websocket(request: web.Request, answer: Answer, cursor: int) -> web.StreamResponse:
    """Send a message for each chunk; a message `{"stop":true}` stops the answer."""
    if is_followed(request):
        raise Refusal(
            400,
            "The handshake of a WebSocket comes alone: nothing may follow it before its reply (RFC 6455 §4.1), "
            "and it may not follow a request before that has its own.",
        )
    socket = await open_socket(request, "read the answer at /sse instead")
    stop = partial(request.app[STORE].stop, answer)
    return messages(request, answer, cursor, frame, socket, partial(hear, stop, BY_TICKET in request))


async def decline(request: web.Request, _cursor: int, busy: Busy) -> web.StreamResponse:
    """Accept the handshake and close with 1013: to a browser's script, a handshake that fails tells nothing."""
    socket = await open_socket(request, "read the answer at /sse instead")
    reason = busy.detail.encode()[:MOST_REASON]
    await written(request, socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=reason))
    return socket


def hear(stop: Callable[[], None], reads_only: bool, kind: Opcode, message: bytes) -> str:
    """Do what the reader asks for; gives why it was not welcome, if it was not."""
    if reads_only or kind is not Opcode.TEXT or not _is_stop(message):
        return 'the only message is {"stop":true}'
    stop()
    return ""


def _is_stop(message: bytes) -> bool:
    try:
        return bool(to_json(json.loads(message.decode())) == STOP)  # spaces do not matter; 1 is not true
    except (ValueError, RecursionError):
        return False
