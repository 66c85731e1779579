"""Attacks that do nearly nothing: heads and bodies that never end, and readers that do not read.

The one thing to notice: what counts is what is still held when patience is over, and never how long anything took. The
deadlines are shortened here so that patience can be short as well, and still be several times as long.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import chain, repeat

from lab.security.floods.answers import typed
from lab.security.floods.gauges import health, settled, until
from lab.security.floods.honest import honest
from lab.security.floods.wire import Wire, asking, request, wires
from lab.security.probe import Outcome
from lab.security.scene import Scene, Target

DEADLINE_S = 0.3
"""Of the server, in both runs."""
BODY_S = DEADLINE_S / 2
"""The same for bodies. Whoever misses it is told so, and has as much time again before the connection is closed."""
PATIENCE_S = 3 * DEADLINE_S
EACH = 4
"""Connections of one kind."""
READS = range(1, 7)
"""How often each slow reader's answer has to be read from the log, at most 16 Ki characters at a time."""
PIPELINED = 20
"""Requests that a slow reader sends at once: what one reply leaves of the room, the next ones take."""


async def slow_heads(scene: Scene) -> Outcome:
    """Some say nothing, some send a head byte by byte, some do that after a whole request."""
    target = scene.target
    head = asking(f"{target.url}/{scene.transport}", scene.transport)
    async with honest(scene) as seen, wires(target, 3 * EACH) as attackers:
        for wire in attackers[2 * EACH :]:
            await wire.send(request(f"{target.url}/healthz"))
            await wire.read(lambda data: data.endswith(b"}"))
        held = await _hold(target, attackers, attackers[EACH:], head.removesuffix(b"\r\n") + b"X-More: ")
    return _outcome("connections", held, len(attackers), "without a whole request", seen)


async def slow_bodies(scene: Scene) -> Outcome:
    """Requests for a new answer, whose body comes byte by byte."""
    target = scene.target
    headers = {"Content-Type": "application/json", "Content-Length": "1000"}
    async with honest(scene) as seen, wires(target, 2 * EACH) as attackers:
        for wire in attackers:
            await wire.send(request(f"{target.url}/answers", headers, "POST"))
        held = await _hold(target, attackers, attackers, b'{"text": "')
    return _outcome("connections", held, len(attackers), "without a whole body", seen)


async def slow_reader(scene: Scene) -> Outcome:
    """Readers that ask for long answers and take nothing of them."""
    target, transport = scene.target, scene.transport
    times = 1 if transport == "websocket" else PIPELINED
    async with typed(target, transport, READS) as links, wires(target, len(links), narrow=True) as readers:
        async with honest(scene) as seen:
            for wire, link in zip(readers, links, strict=True):
                await wire.send(asking(link, transport) * times)
            await settled(target)
            nearly_all_gone = await until(_at_most(target, 1), PATIENCE_S)  # the honest reader has a place, too
        if nearly_all_gone:
            await until(_at_most(target, 0), PATIENCE_S)
        held = (await health(target))["readers"]
    return _outcome("readers", held, len(readers), "having read nothing", seen)


async def _hold(target: Target, attackers: Sequence[Wire], dripping: Sequence[Wire], start: bytes) -> int:
    """Send what has no end, a byte each time, until all are closed or patience is over. How many are held then."""
    unending = chain(start, repeat(ord("x")))

    async def all_closed() -> bool:
        byte = bytes([next(unending)])
        for wire in dripping:
            await wire.send(byte)
        return not sum(wire.look() for wire in attackers)

    await settled(target)
    await until(all_closed, PATIENCE_S)
    await settled(target)
    return sum(wire.look() for wire in attackers)


def _at_most(target: Target, readers: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return (await health(target))["readers"] <= readers

    return reached


def _outcome(of: str, held: int, tried: int, how: str, seen: Mapping[str, float]) -> Outcome:
    says = f"{held} of {tried} {of} still had their place after {PATIENCE_S:g} s {how}."
    return Outcome(held > 0, says, {of: tried, "held": held, **seen})
