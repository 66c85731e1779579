"""Attacks on the server's memory: readers that let it queue for them, and messages that have no end.

The one thing to notice: memory is compared with what the attacker did for it. A server whose memory stays flat, however
much is asked of it, has nothing that grows with the attack.
"""

import json
import zlib

from yarl import URL

from clients.request import requesting, session
from lab.security.floods.answers import READ_BYTES, silent, typed
from lab.security.floods.frames import TEXT, frame
from lab.security.floods.gauges import MIB, peak_bytes, settled
from lab.security.floods.honest import honest
from lab.security.floods.upstream import close_code, closed, handshake
from lab.security.floods.wire import asking, wires
from lab.security.probe import Outcome
from lab.security.scene import Scene

READERS = 8
READS = 60
"""Of the long answer that each of them asks for."""
LONG_ANSWER = {"max_answer": READS * 16_000}
"""The setting that allows it."""

DECLARED = 1 << 40
SENT = 32 * MIB
"""Of so many bytes, and of a message of so many."""

BOMB = 32 * MIB
"""What the compressed message is when it is inflated."""


async def reader_queue(scene: Scene) -> Outcome:
    """Readers that ask for a long answer and take nothing of it."""
    target, transport = scene.target, scene.transport
    async with (
        typed(target, transport, [READS]) as [link],
        honest(scene) as seen,
        wires(target, READERS, narrow=True) as readers,
    ):
        await settled(target)
        before = target.subject.memory_bytes()
        for wire in readers:
            await wire.send(asking(link, transport))
        await settled(target)
        grown = target.subject.memory_bytes() - before
    asked = READERS * READS * READ_BYTES
    says = f"{READERS} readers that took nothing of {asked / MIB:.0f} MiB made the server {grown / MIB:.1f} MiB larger."
    figures = {"asked_mib": round(asked / MIB, 1), "grown_mib": round(grown / MIB, 1), **seen}
    return Outcome(grown > asked / 2, says, figures)


async def huge_message(scene: Scene) -> Outcome:
    """A frame that tells a length of 2 to the 40th bytes, and as much of it as is taken."""
    target, sent = scene.target, 0
    async with silent(target, scene.transport) as link, honest(scene) as seen, wires(target, 1) as [wire]:
        await handshake(wire, link)
        before = peak_bytes(target.subject)
        await wire.send(frame(TEXT, size=DECLARED))
        await settled(target)
        while sent < SENT and wire.look() and closed(wire) is None and await wire.send(bytes(MIB)):
            sent += MIB
        await settled(target)
        grown = peak_bytes(target.subject) - before
        wire.look()
        code = closed(wire)
    says = f"{sent / MIB:.0f} MiB of a message of 2^40 bytes were sent; the server was {grown / MIB:.1f} MiB larger"
    return Outcome(
        grown > SENT / 2,
        f"{says}, and closed with {code}." if code else f"{says}.",
        {"sent_mib": sent / MIB, "grown_mib": round(grown / MIB, 1), **seen},
        {"close_code": code},
    )


def bomb() -> bytes:
    """A stop with so many spaces behind it, compressed as RFC 7692 §7.2.1 says. Pure."""
    deflate = zlib.compressobj(level=9, wbits=-15)
    data = deflate.compress(b'{"stop":true}' + b" " * BOMB) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(b"\x00\x00\xff\xff")


async def deflate_bomb(scene: Scene) -> Outcome:
    """A small message that is a large one once it is inflated, and stops an answer when it is read."""
    target, packed = scene.target, bomb()
    async with silent(target, scene.transport) as link, honest(scene) as seen, wires(target, 1) as [wire]:
        await handshake(wire, link, {"Sec-WebSocket-Extensions": "permessage-deflate"})
        before = peak_bytes(target.subject)
        await wire.send(frame(TEXT, packed, rsv1=True))
        code = await close_code(wire)
        grown = peak_bytes(target.subject) - before
        stopped = await _reason(link) == "stopped"
    says = f"{len(packed) / 1024:.0f} KiB were {'' if stopped else 'not '}inflated to {BOMB / MIB:.0f} MiB and obeyed"
    return Outcome(
        stopped,
        f"{says}; the server was {grown / MIB:.1f} MiB larger at its peak, and closed with {code}.",
        {"sent_kib": round(len(packed) / 1024, 1), "grown_mib": round(grown / MIB, 1), **seen},
        {"close_code": code},
    )


async def _reason(link: str) -> str | None:
    """Why the answer has ended, if it has."""
    async with session() as http, requesting(http, "GET", URL(link).parent) as response:
        state: dict[str, str | None] = json.loads(await response.read())
    return state["reason"]
