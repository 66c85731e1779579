"""A reader that can be slow, be cut and leave; and the judgement on what it got.

The one thing to notice: every reader ends in one of few ways, and each must be deserved. One that resumes has no excuse
but that the answer is forgotten; one that does not may also have been cut, and then it says so.
"""

import asyncio
from collections import deque
from contextlib import aclosing
from functools import partial

from clients import CLIENTS
from clients.chunk import Chunk, Client, Refused, StreamError
from clients.course import Trouble
from clients.polling import polling
from clients.resume import resuming
from tests.machine.written import FORGOTTEN, Written

READING: dict[str, Client] = CLIENTS | {"polling": partial(polling, interval=0)}


class Reader:
    """One reader of one answer over one transport, from a cursor on."""

    def __init__(
        self, answer: Written, transport: str, cursor: int, resumes: bool, relayed: bool, news: asyncio.Event
    ) -> None:
        self.answer, self.transport, self.resumes, self.relayed = answer, transport, resumes, relayed
        self.first = self.cursor = self.judged = cursor
        """Where it began, how far it has read, and how far that was looked at."""
        self.late = answer.gone
        """Whether it came when the answer was forgotten."""
        self.may_break = False
        """Whether its connection was cut, perhaps."""
        self.must_hear = False
        """Whether it was certainly connected when the server was stopped, and so must have been told."""
        self.left = False
        self.troubles = self.came_back = 0
        self._came = deque[Chunk]()
        self._done: str | None = None
        self._error: StreamError | Refused | None = None
        self._asking, self._news = asyncio.Event(), news
        self._asking.set()
        self._client = resuming(READING[transport], self._tell) if resumes else READING[transport]

    def begin(self, url: str) -> None:
        """Start to read."""
        self._task = asyncio.get_running_loop().create_task(self._read(url))

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self._task.done()

    @property
    def slow(self) -> bool:
        """Whether it does not ask for its next chunk."""
        return not self._asking.is_set()

    @property
    def caught_up(self) -> bool:
        """Whether it has all that it can have by now."""
        if self.over or self.slow:
            return True
        return self.answer.typing and (self.transport == "whole" or self.cursor == self.answer.last)

    def pause(self) -> None:
        """Ask for no more chunks."""
        self._asking.clear()

    def go_on(self) -> None:
        """Ask for the next chunk again."""
        self._asking.set()

    async def leave(self) -> None:
        """Close its stream, wherever it is, and be gone; also when it is over already."""
        self.left = True
        self._task.cancel()
        await asyncio.wait([self._task])

    def judge(self) -> None:
        """Fail unless all that came by now, and the end if it was one, is what a reader may get."""
        while self._came:
            chunk = self._came.popleft()
            assert not self.late, f"{self} got {chunk} of a forgotten answer"
            assert not self._done, f"{self} got {chunk} after the end"
            self.answer.judge(self.judged, chunk)
            self.judged, self._done = chunk.cursor, chunk.done
        assert self.may_break or not self.troubles, f"{self} lost a connection that was never cut"
        if self.over and not self.left:
            self._task.result()
            self._judge_end()

    def _judge_end(self) -> None:
        if self.must_hear:
            assert self._done == "failed", f"{self} was not told that the server stops: {self._error!r}"
        match self._error:
            case Refused(status=status):
                assert (status, self.answer.gone) == (404, True), f"{self} was refused: {self._error!r}"
                assert FORGOTTEN in str(self._error)
            case StreamError():
                assert self.may_break, f"{self} was never cut: {self._error!r}"
                assert not self.resumes, f"{self} gave up: {self._error!r}"
                assert str(self._error).endswith(".")
            case None:
                had_it_all = self.first == self.answer.last and not self.answer.typing
                assert self._done or (had_it_all and not self.late), f"{self} ended in silence"

    def _tell(self, trouble: Trouble) -> None:
        self.troubles += 1
        self.came_back += trouble.back

    async def _read(self, url: str) -> None:
        try:
            async with aclosing(self._client(url, self.first)) as chunks:
                while True:
                    await self._asking.wait()
                    chunk = await anext(chunks, None)
                    if chunk is None:
                        return
                    self._came.append(chunk)
                    self.cursor = chunk.cursor
                    self._news.set()
        except (StreamError, Refused) as error:
            self._error = error
        finally:
            self._news.set()

    def __repr__(self) -> str:
        kind = "resuming " if self.resumes else ""
        return f"{kind}{self.transport} reader from {self.first}, at {self.cursor} of {self.answer.last}"
