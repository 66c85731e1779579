"""The faults that are tried, each with when it begins and how long it lasts.

The one thing to notice: they are faults of the network, which knows no transport. So each is the same for all of them,
and what differs afterwards is the transport's own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lab.relay import RST, Counts, Faults


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong on the way."""

    says: str
    """What happens, in a sentence."""
    faults: Faults
    lasts_s: float | None = None
    """How long, from the middle of the answer on; None: from before the first byte to the end of the answer."""
    struck: Callable[[Counts], bool] = lambda counts: counts.bytes_down > 0
    """Whether it has happened: a stream, for one, has no third response that could be lost."""


def _was_cut(counts: Counts) -> bool:
    return counts.cuts > 0


def _lost(counts: Counts) -> bool:
    return counts.lost_responses > 0


def _doubled(counts: Counts) -> bool:
    return counts.duplicated_requests > 0


AT_ONCE = 0.0
"""It strikes in the middle of the answer and is over with that."""

FAULTS: dict[str, Fault] = {
    "none": Fault("Nothing goes wrong: what all others are compared with.", Faults()),
    "cut": Fault(
        "The connection is closed in order, in the middle of a frame.", Faults(cut_after=9), AT_ONCE, _was_cut
    ),
    "reset": Fault(
        "The connection is reset in the middle of a frame.", Faults(cut_after=9, cut=RST), AT_ONCE, _was_cut
    ),
    "outage": Fault(
        "The connection is reset, and so is each new one for a second.", Faults(cut_after=9, refuse=True), 1, _was_cut
    ),
    "silence": Fault("For two seconds nothing is passed on, and nobody is told.", Faults(blackhole=True), 2),
    "single bytes": Fault("Each byte comes by itself.", Faults(split=True)),
    "buffer": Fault("A proxy passes on 4 KiB at a time.", Faults(hold_bytes=4096)),
    "late buffer": Fault("A proxy passes on every 500 ms.", Faults(hold_ms=500)),
    "whole buffer": Fault("A proxy passes on each response when it has all of it.", Faults(hold_to_end=True)),
    "delay": Fault("Each way takes 100 ms more.", Faults(delay_ms=100)),
    "slow": Fault("The cable carries 2000 bytes a second.", Faults(rate_bytes_per_s=2000)),
    "lost response": Fault(
        "The third response of a connection is lost, with the connection.", Faults(lose_response=3), struck=_lost
    ),
    "doubled request": Fault(
        "The first request of each connection comes twice.", Faults(duplicate_request=1), struck=_doubled
    ),
}
"""By name."""
