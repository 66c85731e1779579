"""Attacks by number: more requests than a reader needs, and more connections.

The one thing to notice: none of them is wrong. Each request is one that an honest reader sends as well.
"""

import asyncio
import re
import time
from collections import Counter

from clients.answers import answering
from lab.security.floods.answers import silent
from lab.security.floods.gauges import settled
from lab.security.floods.honest import honest
from lab.security.floods.wire import Wire, asking, wires
from lab.security.probe import Outcome
from lab.security.scene import Scene, Target
from server.limits import BURST_S

MOST_REQUESTS_PER_S, MOST_CONNECTIONS = 60, 50
"""The server's limits for one address, in both runs. The honest reader needs 40 requests a second at most."""

ROUNDS = 3
"""Between two of them nobody is connected: a server that forgets who has left counts from zero again."""
CROWD, PIPELINED = 30, 10
"""Connections of a round, and the requests on each."""
HANDSHAKES = 250
"""A connection takes one of them, so that many connections make a round."""
CONNECTIONS = 200

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


async def poll_flood(scene: Scene) -> Outcome:
    """Requests as fast as they are answered, on many connections, which are closed and opened anew."""
    target, transport = scene.target, scene.transport
    crowd, times = (HANDSHAKES, 1) if transport == "websocket" else (CROWD, PIPELINED)
    statuses: Counter[str] = Counter()
    async with answering(target.url, text="够", first_token_ms=0) as links, honest(scene) as seen:
        began = time.monotonic()
        for _ in range(ROUNDS):
            statuses += await _round(target, asking(links[transport], transport), crowd, times)
            await settled(target)
        took_s = time.monotonic() - began
    sent, served = ROUNDS * crowd * times, statuses.total() - statuses["429"]
    allowed = MOST_REQUESTS_PER_S * (took_s + BURST_S)
    says = f"{served} of {sent} requests were served in {took_s:.1f} s, where {allowed:.0f} were allowed"
    figures = {"sent": sent, "served": served, "served_per_s": round(served / took_s), "took_s": round(took_s, 2)}
    return Outcome(
        served > allowed, f"{says}; {statuses['429']} were refused with 429.", {**figures, **seen}, dict(statuses)
    )


async def _round(target: Target, head: bytes, crowd: int, times: int) -> Counter[str]:
    """The statuses of what was answered."""
    async with wires(target, crowd) as attackers:
        await asyncio.gather(*(_ask(wire, head, times) for wire in attackers))
        return Counter(status.decode() for wire in attackers for status in STATUS.findall(wire.received))


async def _ask(wire: Wire, head: bytes, times: int) -> None:
    """Send so many requests at once, and read until they are answered or the connection is closed."""
    await wire.send(head * times)
    await wire.read(lambda data: len(STATUS.findall(data)) == times)


async def connection_flood(scene: Scene) -> Outcome:
    """Connections of one address, each with a request for an answer that takes its time."""
    target = scene.target
    async with (
        honest(scene) as seen,
        silent(target, scene.transport) as link,
        wires(target, CONNECTIONS) as attackers,
    ):
        for wire in attackers:
            await wire.send(asking(link, scene.transport))
        await settled(target)
        held = sum(wire.look() for wire in attackers)
    says = f"{held} of {CONNECTIONS} connections from one address were kept, where {MOST_CONNECTIONS} are allowed."
    return Outcome(held > MOST_CONNECTIONS, says, {"connections": CONNECTIONS, "held": held, **seen})
