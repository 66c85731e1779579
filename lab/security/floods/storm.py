"""Readers that were all cut by one fault, and come back as they were told to.

The one thing to notice: nobody attacks. A server that tells all the same `retry` has ordered the storm itself.
"""

import asyncio
import re
import time
from collections.abc import Sequence

from lab.security.floods.answers import silent
from lab.security.floods.honest import honest
from lab.security.floods.wire import Wire, asking, wires
from lab.security.probe import Outcome
from lab.security.scene import Scene, Target

READERS = 150
RETRY_MS = 400
"""What the server asks for at least, in both runs."""
SLICE_MS = 50.0

RETRY = re.compile(rb"^retry: (\d+)$", re.MULTILINE)
EVENT_END = b"\n\n"


def largest_share(times_ms: Sequence[float], slice_ms: float = SLICE_MS) -> float:
    """The share of these times that lie within the fullest slice of so many milliseconds. Pure."""
    ordered = sorted(times_ms)
    counts = [sum(first <= other <= first + slice_ms for other in ordered) for first in ordered]
    return max(counts, default=0) / max(len(ordered), 1)


async def reconnect_storm(scene: Scene) -> Outcome:
    """Cut all readers of an event stream in one moment, and have each come back after the `retry` that it was told."""
    target = scene.target
    async with silent(target, scene.transport) as link, honest(scene) as seen:
        async with wires(target, READERS) as readers:
            told_ms = [await _told_ms(wire, link) for wire in readers]
        cut = time.monotonic()
        back_ms = await asyncio.gather(*(_back_ms(target, link, cut, ms) for ms in told_ms))
    returned = [ms for ms in back_ms if ms is not None]
    share = largest_share(told_ms)
    return Outcome(
        share > 0.5,
        f"{len(returned)} of {READERS} readers came back, {share:.0%} of them told to within {SLICE_MS:g} ms.",
        {
            "readers": READERS,
            "returned": len(returned),
            "told_share": round(share, 3),
            "came_share": round(largest_share(returned), 3),
            **seen,
        },
        {"told_ms": sorted(told_ms), "came_ms": sorted(map(round, returned))},
    )


async def _told_ms(wire: Wire, link: str) -> int:
    """When the stream says that its reader should come back after a cut."""
    await wire.send(asking(link, "sse"))
    await wire.read(lambda data: EVENT_END in data)
    told = RETRY.search(wire.received)
    return int(told[1]) if told else 0


async def _back_ms(target: Target, link: str, cut: float, told_ms: int) -> float | None:
    """Come back; gives when that was after the cut, or None when there was no stream any more."""
    await asyncio.sleep(cut + told_ms / 1000 - time.monotonic())
    came_ms = (time.monotonic() - cut) * 1000
    async with wires(target, 1) as [wire]:
        await wire.send(asking(link, "sse"))
        return came_ms if await wire.read(lambda data: EVENT_END in data) else None
