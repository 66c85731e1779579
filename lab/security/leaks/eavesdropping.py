"""Listening: who stands on the way reads what crosses, unless it is encrypted.

The one thing to notice: the secret is read along with everything else, and neither side can notice.
"""

from typing import Any

from clients import CLIENTS
from clients.answers import answering
from clients.connection import connecting
from lab.relay import DOWN, Relay, relaying
from lab.security.leaks.records import NotTLS, records
from lab.security.probe import Outcome
from lab.security.scene import Scene

AROUND = 120
"""Bytes shown before and after the secret."""
SHOWN = 40
"""Records shown, where there are any."""


async def attack(scene: Scene) -> Outcome:
    """Look for the secret in all that crosses while a client reads it."""
    target, name = scene.target, scene.transport
    text = f"The word that nobody else may know is {target.canary} today."
    with connecting(target.subject.cafile):
        async with (
            relaying(target.port) as relay,
            answering(target.url, text=text, unit="word", first_token_ms=50, token_ms=5) as links,
        ):
            read = "".join([chunk.text async for chunk in CLIENTS[name](relay.through(links[name]))])
    down = b"".join(piece.data for piece in relay.pieces if piece.way == DOWN)
    copies = down.count(target.canary.encode())
    says = (
        f"Read the secret word {target.canary} among {len(down)} bytes from the server."
        if copies
        else f"Found no trace of the secret word in {len(down)} bytes from the server, while the client read all "
        f"{len(read)} characters."
    )
    return Outcome(copies > 0, says, {"bytes": len(down), "copies_of_secret": copies}, _shown(relay, target.canary))


def _shown(relay: Relay, secret: str) -> Any:
    """What crossed: around the secret as text, or else as the records that it is wrapped in."""
    down = b"".join(piece.data for piece in relay.pieces if piece.way == DOWN)
    if (at := down.find(secret.encode())) >= 0:
        return down[max(0, at - AROUND) : at + AROUND].decode("latin-1")
    try:
        return [(record.way, record.type, record.size) for record in records(relay.pieces)][:SHOWN]
    except NotTLS:
        return down[:AROUND].decode("latin-1")
