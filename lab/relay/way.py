"""One direction of one connection: bytes go in, steps come out. Pure.

The one thing to notice: nothing here waits or reads a clock. It is told the time, and says what to do now, or how long
there is nothing to do. So every fault can be tested without a network, and in no time.
"""

from collections import deque

from lab.relay.cable import Again, Cable, Cut, End, Step, Wait
from lab.relay.faults import RST
from lab.relay.messages import Messages

MOST_HELD = 1024 * 1024
"""Bytes that one direction holds back or has under way: no buffer is endless, so more pushes the rest on."""


class Way:
    """A direction with nothing but its delay: what both have in common. `feed` and `end` it, and ask for the `next`."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self._messages = Messages()
        self._queue: deque[tuple[float, bytearray | Again | Cut | End]] = deque()
        """What is under way, and when it arrives."""
        self._queued = 0
        self.ended = False

    @property
    def full(self) -> bool:
        """Whether no more should be fed for now."""
        return self._queued > MOST_HELD

    def end(self, now: float, broken: bool = False) -> None:
        """That was all. When `broken`, it is not only all in this direction."""
        self._send(End(broken), now)

    def next(self, now: float) -> Step:
        """What to do now."""
        if self._cable.faults.blackhole or not self._queue:
            return Wait()
        due, first = self._queue[0]
        if due > now:
            return Wait(due - now)
        if isinstance(first, bytearray):
            return self._pass(first, now)
        self._queue.popleft()
        self.ended = isinstance(first, End)
        return first

    def _send(self, what: bytearray | Again | Cut | End, now: float) -> None:
        """On its way; what was sent before arrives before, also if the delay was longer then."""
        due = now + self._cable.faults.delay_ms / 1000
        self._queue.append((max(due, self._queue[-1][0]) if self._queue else due, what))
        if isinstance(what, bytearray):
            self._queued += len(what)

    def _pass(self, first: bytearray, _now: float) -> Step:
        """Pass on what stands first in the queue."""
        return self._taken(first, len(first))

    def _taken(self, first: bytearray, size: int) -> bytes:
        data = bytes(first[:size])
        del first[:size]
        if not first:
            self._queue.popleft()
        self._queued -= size
        return data


class Up(Way):
    """From client to server: requests may be sent twice."""

    def __init__(self, cable: Cable) -> None:
        super().__init__(cable)
        self._copy = b""

    def feed(self, data: bytes, now: float) -> None:
        """What came from the client."""
        for part in self._messages.feed(data):
            self._send(bytearray(part.data), now)
            self._copy += part.data if part.number and self._cable.faults.duplicate_request else b""
            if part.ends:
                if part.number == self._cable.faults.duplicate_request:
                    self._cable.counts.duplicated_requests += 1
                    self._send(Again(self._copy), now)
                self._copy = b""

    def _pass(self, first: bytearray, now: float) -> Step:
        self._cable.counts.bytes_up += len(first)
        return super()._pass(first, now)


class Down(Way):
    """From server to client: here is where most goes wrong."""

    def __init__(self, cable: Cable) -> None:
        super().__init__(cable)
        self._held = bytearray()
        self._held_since = 0.0
        self._losing = 0
        """The number of the response that is being swallowed."""
        self._rest = False
        """Whether a byte was just written by itself, so that the next one has to wait for its turn."""
        self._cut: Cut | None = None
        """What is to be done next, since the last byte before it has gone down."""

    def feed(self, data: bytes, now: float) -> None:
        """What came from the server."""
        faults = self._cable.faults
        for part in self._messages.feed(data):
            if part.number and part.number in (faults.lose_response, self._losing):
                self._losing = part.number
                if part.ends:
                    self._lose(now)
                continue
            if not self._held:
                self._held_since = now
            self._held += part.data
            if part.ends or not faults.holds:
                self._release(now)

    def end(self, now: float, broken: bool = False) -> None:
        """The server has ended, or broken, the connection: whatever was held back goes out first."""
        self._release(now)
        if self._losing:
            self._lose(now)
        super().end(now, broken)

    def next(self, now: float) -> Step:
        """What to do now."""
        if self._held and not self._cable.faults.blackhole:
            self._let_go(now)
        if self._rest:
            self._rest = False
            return Wait(0)
        if cut := self._cut:
            self._cut = None
            return cut
        step = super().next(now)
        wait = self._held_wait(now)
        if isinstance(step, Wait) and wait is not None and (step.seconds is None or step.seconds > wait):
            return Wait(wait)
        return step

    def _pass(self, first: bytearray, now: float) -> Step:
        room = self._cable.room(len(first), now)
        if not isinstance(room, int):
            return room
        self._cut = self._cable.cut_now()
        self._rest = self._cable.faults.split
        return self._taken(first, room)

    def _lose(self, now: float) -> None:
        """A response was swallowed to its end. What came before it still arrives, then the connection is reset."""
        self._losing = 0
        self._release(now)
        self._cable.counts.lost_responses += 1
        self._send(Cut(RST), now)

    def _let_go(self, now: float) -> None:
        """Send down what need not be held back any longer."""
        faults = self._cable.faults
        enough = 0 < faults.hold_bytes <= len(self._held) or len(self._held) > MOST_HELD
        if not faults.holds or enough or (faults.hold_ms and self._held_wait(now) == 0):
            self._release(now)

    def _held_wait(self, now: float) -> float | None:
        """Seconds until held bytes are let go by time; None if time has nothing to do with it."""
        hold_ms = self._cable.faults.hold_ms
        if not (self._held and hold_ms) or self._cable.faults.blackhole:
            return None
        return max(0.0, self._held_since + hold_ms / 1000 - now)

    def _release(self, now: float) -> None:
        if self._held:
            self._send(self._held, now)
            self._held = bytearray()
