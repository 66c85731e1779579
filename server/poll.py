"""A poll as the connection sees it: a question, its reply once there is news, and the same question again.

The one thing to notice: a poller sends the same head over and over, and only the cursor in it changes. What aiohttp and
the checks made of it the last time, they would make of it this time. So while its connection rests (hold.py), the next
head is compared, to the byte, and only what may have changed since is looked at: the answer, its cable, the places, the
rate. In any doubt it goes the long way.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import web

from server.answer import Answer, Chunk
from server.checks import BY_TICKET
from server.clock import Course, clock
from server.hold import RESTS, Ended, Hold
from server.ledger import EXCHANGE, ROW, Meter
from server.limits import LIMITS
from server.readers import READERS, Busy
from server.settings import SETTINGS
from server.store import STORE
from server.tap import Tap
from server.visit import VISIT, Visit

CURSOR = re.compile(rb"GET /answers/[^ ?#]*\?(?:[^ #%]*&)?cursor=([0-9]{1,15})[& ]")
"""In the first line of a head. Before it nothing is encoded (%), or another name might stand for the same."""
MORE = re.compile(rb"(?is)cursor=.*cursor=|\n(last-event-id|content-length|transfer-encoding|expect|upgrade)")
"""What makes a head more than the question of its first line."""

log = logging.getLogger(__name__)

Make = Callable[[Chunk], bytes]
"""The whole reply with a chunk, head and all."""


class Question(NamedTuple):
    """What is asked each time, up to the cursor and after it."""

    before: bytes
    after: bytes

    @classmethod
    def of(cls, head: bytes) -> "Question | None":
        """The question of a poll's head; None when it could not be told from its bytes alone. Pure."""
        found = CURSOR.match(head)
        if not found or MORE.search(head):
            return None
        return cls(head[: found.start(1)], head[found.end(1) :])

    def cursor(self, data: bytes) -> int | None:
        """The cursor, when the same is asked again, and nothing besides. Pure."""
        if not (data.startswith(self.before) and data.endswith(self.after)):
            return None
        digits = data[len(self.before) : len(data) - len(self.after)]
        return int(digits) if digits.isdigit() and len(digits) <= 15 else None


class Again:
    """What it takes to answer a poll, now and whenever it is asked again over its connection."""

    __slots__ = (
        *("_app", "_cable", "_question", "_remote", "answer", "exchange", "hold_s", "make", "row", "tap"),
        *("transport", "write_s"),
    )

    def __init__(self, request: web.Request, tap: Tap, answer: Answer, make: Make, hold_s: float) -> None:
        assert request.transport  # noqa: S101 - whoever is served has one
        self.transport, self.answer, self.make, self.hold_s = request.transport, answer, make, hold_s
        self.tap, self.row, self.exchange, self.write_s = (
            tap,
            request[ROW],
            request.get(EXCHANGE),
            request.app[SETTINGS].write_s,
        )
        self._app, self._cable, self._remote = request.app, request[VISIT].cable, request.remote or ""
        self._question = None if self.exchange or BY_TICKET in request else _question(request, tap)

    def expect_back(self) -> None:
        """The reader will ask again."""
        self._app[READERS].expect_back()

    def take(self, meter: Meter) -> bool:
        """Answer what has come up on a resting connection, if it is the same. False: it has to go the long way."""
        cursor = self._question.cursor(self.tap.heard) if self._question else None
        if cursor is None or not self._may(cursor):
            return False
        try:
            with Visit(self._app[READERS]) as visit:
                if not self._app[LIMITS].takes(self._remote):
                    return False
                visit.along(self._cable, self.transport)
                visit.stays = True
        except Busy:
            return False
        meter.begin(self.row, None)
        Hold(meter, visit, Poll(self, cursor), self._app[RESTS], again=self).start()
        return True

    def _may(self, cursor: int) -> bool:
        """Whether nothing has changed that the long way would have another reply for."""
        return (
            cursor <= self.answer.cursor
            and not self.answer.past_end(cursor)
            and not (self.transport.is_closing() or self.transport.get_write_buffer_size())
            and not (self._cable and time.monotonic() < self._cable.cut_until)
            and self._app[STORE].keeps(self.answer)
        )


class Poll:
    """One question, and its reply."""

    __slots__ = ("_again", "_cursor", "_deadline", "_end", "_expiring", "_listens")

    def __init__(self, again: Again, cursor: int) -> None:
        self._again, self._cursor = again, cursor
        self._deadline: asyncio.TimerHandle | None = None
        self._expiring: Course | None = None
        self._listens = False
        self._end: Ended | None = None

    def start(self, end: Ended) -> None:
        """Reply, now or once there is news, or after so long without; `end` is called once, when all of it is sent."""
        self._end = end
        if self._again.hold_s and self._cursor == self._again.answer.cursor and not self._again.answer.done:
            self._listens = True
            self._again.answer.add_listener(self.tell)
            self._expiring = self._expire()
            clock().start(self._expiring)
        else:
            self._reply()

    def tell(self) -> None:
        """There is news. Does not raise: it is called by who writes the answer."""
        try:
            self._release()
            self._reply()
        except Exception:
            log.exception("a poll failed")
            self._again.transport.abort()

    def resumed(self) -> None:
        """The socket has taken all of the reply."""
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
            self._again.transport.set_write_buffer_limits()
            self._over(whole=True)

    def heard(self) -> None:
        """The next request waits for the end of this one; a large one waits in the kernel."""
        if self._again.tap.heard_much:
            self._again.transport.pause_reading()

    def lost(self) -> None:
        """The connection is lost."""
        self._release()
        if self._deadline:
            self._deadline.cancel()
        self._over(whole=False)

    def _expire(self) -> Course:
        yield time.monotonic() + self._again.hold_s
        self._expiring = None  # it cannot be stopped from within
        self.tell()

    def _release(self) -> None:
        if self._listens:
            self._listens = False
            self._again.answer.remove_listener(self.tell)
        if self._expiring:
            clock().stop(self._expiring)
            self._expiring = None

    def _reply(self) -> None:
        again, transport = self._again, self._again.transport
        if transport.is_closing():  # and in a moment it is lost
            return
        chunk = again.answer.read(self._cursor)
        transport.write(again.make(chunk))
        again.row.over.delivered(self._cursor, chunk)
        if again.exchange:
            again.exchange.deliver(self._cursor, chunk)
        if not chunk.done:
            again.expect_back()
        if transport.get_write_buffer_size():
            transport.set_write_buffer_limits(1, 0)  # to be told when all of it is out
            self._deadline = asyncio.get_running_loop().call_later(again.write_s, transport.abort)
        else:
            self._over(whole=True)

    def _over(self, whole: bool) -> None:
        end, self._end = self._end, None
        if not end:
            return
        if self._again.tap.heard_much and whole:
            self._again.transport.resume_reading()
        end(whole)


def _question(request: web.Request, tap: Tap) -> Question | None:
    """Of a request whose head came alone."""
    if not tap.asked.startswith(f"{request.method} {request.raw_path} HTTP/1.1\r\n".encode()):
        return None
    return Question.of(tap.asked)
