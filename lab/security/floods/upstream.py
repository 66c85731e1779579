"""Attacks on the way up of a WebSocket: frames that are no messages, without end.

The one thing to notice: no limit on messages applies to them. A ping is no message, and neither is a fragment of one.
"""

from collections.abc import Mapping

from clients.chunk import StreamError
from lab.security.floods.answers import silent
from lab.security.floods.frames import CONTINUATION, PING, PONG, TEXT, Frame, frame, parsed
from lab.security.floods.honest import honest
from lab.security.floods.wire import UPGRADE, Wire, request, wires
from lab.security.probe import Outcome
from lab.security.scene import Scene

FRAGMENTS = 100_000
PINGS = 20_000
LAST = b"last"
"""What is in the last ping: a pong with it says that all before was taken."""

WHEN = ("after the handshake", "right behind it")
TAKEN, DROPPED = "all were taken", "the connection was dropped"

HEAD_END = b"\r\n\r\n"


async def handshake(wire: Wire, link: str, headers: Mapping[str, str] | None = None) -> None:
    """Open a WebSocket. Raises StreamError when it is refused."""
    await wire.send(request(link, {**UPGRADE, **(headers or {})}))
    await wire.read(lambda data: HEAD_END in data)
    if not wire.received.startswith(b"HTTP/1.1 101 "):
        raise StreamError(f"The WebSocket was not opened: {wire.received[:80].decode(errors='replace')!r}.")


def frames(wire: Wire) -> list[Frame]:
    """The whole frames that have come, behind the head of the response."""
    return parsed(bytes(wire.received.partition(HEAD_END)[2]))


def closed(wire: Wire) -> int | None:
    """Why the server has closed the WebSocket, if it has said so."""
    return next((code for each in frames(wire) if (code := each.code)), None)


async def close_code(wire: Wire) -> int | None:
    """The same, once it does so."""
    await wire.read(lambda data: closed(wire) is not None)
    return closed(wire)


async def empty_fragments(scene: Scene) -> Outcome:
    """A message in ever so many parts, all of them empty, and no last one."""
    flood = frame(TEXT, end=False) + frame(CONTINUATION, end=False) * FRAGMENTS
    return await _flood(scene, flood, FRAGMENTS, "fragments of a message without end")


async def ping_flood(scene: Scene) -> Outcome:
    """Pings, each of which has to be answered (RFC 6455 §5.5.2)."""
    return await _flood(scene, frame(PING) * PINGS, PINGS, "pings")


async def _flood(scene: Scene, flood: bytes, count: int, of: str) -> Outcome:
    """Send it all, and a last ping. Who gets the answer to that has been listened to up to the end.

    Once when the WebSocket is open, and once right behind the handshake, before the server can have answered that.
    """
    target, flood = scene.target, flood + frame(PING, LAST)
    async with silent(target, scene.transport) as link, honest(scene) as seen, wires(target, 2) as [patient, hasty]:
        await handshake(patient, link)
        await patient.send(flood)
        await hasty.send(request(link, UPGRADE) + flood)
        taken = [await wire.read(lambda data: data.endswith(LAST)) for wire in (patient, hasty)]
        pongs = sum(each.opcode == PONG for wire in (patient, hasty) for each in frames(wire))
    ends = [f"{when} {TAKEN if whole else DROPPED}" for when, whole in zip(WHEN, taken, strict=True)]
    says = f"{count} {of}, sent twice: {', '.join(ends)}; {pongs} pongs came back."
    return Outcome(any(taken), says, {"sent": 2 * count, "pongs": pongs, **seen})
