"""One timer for everybody: a heap of due times, and the loop is asked to call once, for the first of them.

The one thing to notice: the loop never sees more than one timer, however many wait, and what waits is a tuple and no
task. That is the cheapest way in which Python can keep many due times.
"""

import asyncio
import heapq
from collections.abc import Callable

Turn = Callable[[], float | None]
"""Does what is due, and gives when the next is (monotonic seconds); None: there is no next. It calls no `at`."""


class Clock:
    """Gives each its turn when it is due."""

    __slots__ = ("_heap", "_loop", "_serial", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Turn]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._serial = 0

    def at(self, due: float, turn: Turn) -> None:
        """Have `turn` called at `due`, and then whenever it says."""
        self._serial += 1  # of two that are due at once, the first comes first, and turns need no order
        heapq.heappush(self._heap, (due, self._serial, turn))
        if self._heap[0][1] == self._serial:
            self._set()

    def _ring(self) -> None:
        heap, now = self._heap, self._loop.time()
        while heap and heap[0][0] <= now:
            _, serial, turn = heap[0]
            if (due := turn()) is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (due, serial, turn))
        self._set()

    def _set(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._ring) if self._heap else None
