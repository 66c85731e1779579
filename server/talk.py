"""An open WebSocket whose handler has returned: what the reader says meanwhile, and how both say goodbye.

The one thing to notice: closing takes two. Each side sends a close frame, and who has sent one sends nothing more; a
connection that is dropped with something unread in it would take our own last message along (RFC 6455 §7.1).
"""

import asyncio
from collections.abc import Callable

from aiohttp import WSCloseCode, web

from server.framing import Opcode, control
from server.hold import Ended, Pushed
from server.settings import SETTINGS
from server.sockets import farewell
from server.store import STORE
from server.tap import Tap
from server.unframing import Broken, Unframing

MOST_REASON = 123
"""Bytes of a reason that a close frame has room for (RFC 6455 §5.5)."""

UNDERSTOOD_NO_MORE_S = 1.0
"""How long who has broken the protocol may take to read why, before the connection is closed (RFC 6455 §7.1.7)."""

Hear = Callable[[Opcode, bytes], str]
"""Does what a message asks for; gives why it was not welcome, if it was not."""


class Talk:
    """A stream of messages down a WebSocket, and the few that come up."""

    __slots__ = ("_app", "_closing", "_deadline", "_end", "_hear", "_stream", "_tap", "_unframing")

    def __init__(self, app: web.Application, tap: Tap, stream: Pushed, hear: Hear, inflates: bool) -> None:
        self._app, self._tap, self._stream, self._hear = app, tap, stream, hear
        self._unframing = Unframing(app[SETTINGS].max_message_bytes, inflates)
        self._deadline: asyncio.TimerHandle | None = None
        self._end: Ended | None = None
        self._closing = False

    def start(self, end: Ended) -> None:
        """Send what there is and all that comes, and close in order; `end` is called once."""
        self._end = end
        self._stream.start(self._all_sent)

    def resumed(self) -> None:
        """Pass on."""
        self._stream.resumed()

    def heard(self) -> None:
        """Something has come up."""
        try:
            for kind, payload in self._unframing.feed(self._tap.hear()):
                self._answer(kind, payload)
        except Broken as broken:
            self._close(broken.code)
            # What comes after it cannot be understood, not even a goodbye; but ours must not be lost with it unread.
            asyncio.get_running_loop().call_later(UNDERSTOOD_NO_MORE_S, self._tap.close)

    def lost(self) -> None:
        """The connection is lost, in order or not."""
        self._stream.lost()
        if self._deadline:
            self._deadline.cancel()
        end, self._end = self._end, None
        if end:
            end(self._closing)

    def _all_sent(self, whole: bool) -> None:
        if whole:
            self._close(farewell(self._app[STORE]))
        elif not self._closing:  # the connection is being closed already, but what waits in it may never be taken
            self._set_deadline()

    def _answer(self, kind: Opcode, payload: bytes) -> None:
        if kind is Opcode.CLOSE:
            self._say_goodbye(payload[:2])
            self._tap.close()
        elif self._closing:  # what has crossed our close frame on its way
            return
        elif kind is Opcode.PING:
            self._tap.write(control(Opcode.PONG, payload))
        elif kind is not Opcode.PONG and (unwelcome := self._hear(kind, payload)):
            self._close(WSCloseCode.POLICY_VIOLATION, unwelcome)

    def _close(self, code: WSCloseCode, reason: str = "") -> None:
        """Say goodbye first; the reader's own goodbye closes the connection, or the deadline does."""
        self._say_goodbye(code.to_bytes(2) + reason.encode()[:MOST_REASON])

    def _say_goodbye(self, payload: bytes) -> None:
        if self._closing:
            return
        self._closing = True
        self._stream.lost()
        self._tap.write(control(Opcode.CLOSE, payload))
        self._set_deadline()

    def _set_deadline(self) -> None:
        if not self._deadline:
            self._deadline = asyncio.get_running_loop().call_later(self._app[SETTINGS].write_s, self._tap.abort)
