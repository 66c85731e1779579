"""The one cable that all connections of a relay share: its faults, and what they do to all of them together. Pure.

The one thing to notice: what a direction of a connection has to do comes out as steps. This module says what there can
be, and decides those that depend on more than one connection.
"""

import random
from dataclasses import dataclass
from typing import NamedTuple

from lab.relay.faults import Faults

SLICE_S = 0.02
"""A slow cable carries what takes so long at once: small enough to look like a flow."""


class Wait(NamedTuple):
    """Nothing to do before so many seconds have passed, more comes, or the faults are others."""

    seconds: float | None = None
    """None: time alone changes nothing."""


class Again(NamedTuple):
    """Send this request once more, on a connection of its own, and throw the response away."""

    request: bytes


class Cut(NamedTuple):
    """The connection ends here, in both directions; what is left is lost."""

    how: str


class End(NamedTuple):
    """No more comes in this direction."""

    broken: bool
    """Whether whoever sent it broke the connection instead of ending it."""


Step = bytes | Wait | Again | Cut | End
"""What to do now; bytes are to be passed on."""


@dataclass(slots=True)
class Counts:
    """What happened so far."""

    connections: int = 0
    """That were made to this relay, the refused ones included."""
    open: int = 0
    refused: int = 0
    bytes_up: int = 0
    """That were passed on, as those down."""
    bytes_down: int = 0
    cuts: int = 0
    lost_responses: int = 0
    duplicated_requests: int = 0


class Cable:
    """What all connections share: the faults, and what has gone down since they were set."""

    def __init__(self, faults: Faults, dice: random.Random | None = None) -> None:
        self.counts = Counts()
        self._dice = dice or random.Random()  # noqa: S311 - not a secret
        self.set(faults)

    def set(self, faults: Faults) -> None:
        """From now on it is these; counting begins anew."""
        self.faults = faults
        self._until_cut = self._distance() if faults.cut_after is None else faults.cut_after
        """Bytes down that are left before the next cut; None when none is to come, or none any more."""
        self._free_at = 0.0
        """When a slow cable has carried what it was given."""

    def room(self, size: int, now: float) -> int | Wait | Cut:
        """How many of `size` bytes may go down now, and takes them as gone; none before a Wait, or a Cut."""
        if self._until_cut == 0:
            return self._sever()
        if rate := self.faults.rate_bytes_per_s:
            if now < self._free_at:
                return Wait(self._free_at - now)
            size = min(size, max(1, int(rate * SLICE_S)))
        if self.faults.split:
            size = 1
        if self._until_cut is not None:
            size = min(size, self._until_cut)
            self._until_cut -= size
        if rate:
            self._free_at = now + size / rate
        self.counts.bytes_down += size
        return size

    def cut_now(self) -> Cut | None:
        """The cut, if the byte that has just gone down was the last one before it."""
        return self._sever() if self._until_cut == 0 else None

    def _distance(self) -> int | None:
        """Bytes to the next cut, drawn anew each time. Whatever was cut before, any byte is as likely as any other."""
        every = self.faults.cut_every
        return None if every is None else max(1, round(self._dice.expovariate(1 / every)))

    def _sever(self) -> Cut:
        self._until_cut = self._distance()
        self.counts.cuts += 1
        return Cut(self.faults.cut)
