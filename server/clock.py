"""One clock for everything that has a time of its own: tokens that are due, and heartbeats.

The one thing to notice: a thousand answers cost the event loop one timer, and not a thousand. What is to go on at about
the same time lies in one list, found by that time, so that keeping one more costs the same however many there are.
"""

import asyncio
import logging
import time
from collections.abc import Generator
from heapq import heapify, heappop, heappush
from inspect import GEN_CLOSED, getgeneratorstate
from weakref import WeakKeyDictionary

Course = Generator[float, None, None]
"""What is done at certain times: a generator that yields the next one (monotonic seconds) and goes on when it has come.
A course that counts its times from its start cannot drift."""

TICKS_PER_S = 4000
"""Things that are due in one tick are done together. A timer of the loop is no finer than a millisecond."""
MOST_STOPPED = 1000
"""Courses that were stopped, and whose places are kept until their time comes."""

log = logging.getLogger(__name__)


class Clock:
    """Has courses go on at their times, each at most once in a turn, so that none holds up the others."""

    def __init__(self) -> None:
        self._courses: dict[int, list[Course]] = {}  # by the tick at which they go on
        self._ticks: list[int] = []  # those of the dict, as a heap
        self._followed: dict[Course, asyncio.Future[None]] = {}
        self._ringing = False
        self._stopped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = -1

    def start(self, course: Course) -> None:
        """Go on with a course at its times, until it ends or is stopped."""
        self._put(0, course)  # its first time is asked for when we ring
        self._set()

    def stop(self, course: Course) -> None:
        """Close it. Its place is given back when its time comes, or when there are many such places."""
        course.close()
        self._stopped += 1
        if self._stopped > MOST_STOPPED:
            left = {tick: list(filter(_goes_on, courses)) for tick, courses in self._courses.items()}
            self._courses = {tick: courses for tick, courses in left.items() if courses}
            self._ticks = list(self._courses)
            heapify(self._ticks)
            self._stopped = 0

    async def follow(self, course: Course) -> None:
        """Return when the course has ended. Raises what it raises; it is stopped when we are cancelled."""
        ended = self._followed[course] = asyncio.get_running_loop().create_future()
        self.start(course)
        try:
            await ended
        finally:
            del self._followed[course]
            self.stop(course)

    def _ring(self) -> None:
        self._ringing, self._timer, self._rings_at = True, None, -1
        now, late = int(time.monotonic() * TICKS_PER_S), list[Course]()
        while self._ticks and self._ticks[0] <= now:
            for course in self._courses.pop(heappop(self._ticks)):
                try:
                    tick = int(next(course) * TICKS_PER_S) + 1  # never early
                except Exception as end:  # also the StopIteration of one that is over: it must not stop the others
                    self._over(course, end)
                else:
                    if tick <= now:
                        late.append(course)
                    elif tick in self._courses:
                        self._courses[tick].append(course)
                    else:
                        self._put(tick, course)
        for course in late:  # in the next turn, at once
            self._put(now, course)
        self._ringing = False
        self._set()

    def _put(self, tick: int, course: Course) -> None:
        if tick in self._courses:
            self._courses[tick].append(course)
        else:
            self._courses[tick] = [course]
            heappush(self._ticks, tick)

    def _over(self, course: Course, end: Exception) -> None:
        """Tell who follows it. What nobody hears of is logged."""
        ended = self._followed.get(course)
        if isinstance(end, StopIteration):
            if ended and not ended.done():
                ended.set_result(None)
        elif not ended:
            log.error("something that was due failed", exc_info=end)
        elif not ended.done():
            ended.set_exception(end)

    def _set(self) -> None:
        """Have the timer go off at the next tick at which anything is to go on."""
        tick = self._ticks[0] if self._ticks else -1
        if self._ringing or tick == self._rings_at:
            return
        if self._timer:
            self._timer.cancel()
        self._rings_at = tick
        if self._ticks:
            self._timer = asyncio.get_running_loop().call_later(
                max(0.0, tick / TICKS_PER_S - time.monotonic()), self._ring
            )


def clock() -> Clock:
    """The clock of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _CLOCKS:
        _CLOCKS[loop] = Clock()
    return _CLOCKS[loop]


_CLOCKS: WeakKeyDictionary[asyncio.AbstractEventLoop, Clock] = WeakKeyDictionary()


def _goes_on(course: Course) -> bool:
    return getgeneratorstate(course) != GEN_CLOSED
