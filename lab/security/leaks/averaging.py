"""Token lengths again, from many readers of one answer: what is padded at random comes out by comparing.

The one thing to notice: each reader is sent the same token with a padding of its own. The smallest and the largest
record of a token lie about equally far from its true length, and the more readers there are, the better their middle
tells it.
"""

import asyncio
from collections.abc import Sequence

from yarl import URL

from clients import CLIENTS
from clients.answers import answering
from clients.connection import connecting
from lab.relay import relaying
from lab.security.leaks.leakage import leakage
from lab.security.leaks.observation import banner, chunks_of, timeline_of
from lab.security.leaks.pairing import Observation, Token, observation
from lab.security.leaks.token_length import figures, order, sizes
from lab.security.probe import Outcome
from lab.security.scene import Scene, Target

READERS = 24
"""Of one answer. A page with six lanes has six; who resumes, or opens a second tab, is another one."""
TOKEN_MS = 20
"""Slow enough for so many readers on one machine to get each token by itself."""


async def attack(scene: Scene) -> Outcome:
    """Read one answer many times over at once, and guess lengths from what the sizes have in common."""
    fields = order(scene.transport, 0) | {"token_ms": TOKEN_MS}
    with connecting(scene.target.subject.cafile):
        async with answering(scene.target.url, **fields) as links:
            url = links[scene.transport]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_watched(scene.target, scene.transport, url)) for _ in range(READERS)]
    seen = [task.result() for task in tasks]
    tokens = alone([each.tokens for each in seen])
    leak = leakage([own[0].length for own in tokens], [middle(own, scene.transport) for own in tokens])
    says = (
        f"Guessed the exact length of {leak.exact} of {leak.samples} tokens from the records of {READERS} readers; "
        f"without looking it would have been {leak.floor}."
    )
    return Outcome(leak.beyond_chance, says, figures(seen[0], leak) | {"readers": READERS}, seen[0].evidence)


def alone(readers: Sequence[Sequence[Token]]) -> list[list[Token]]:
    """For each token that every reader got in a record of its own: those records. Pure."""
    found: dict[int, list[Token]] = {}
    for tokens in readers:
        cursors = [token.cursor for token in tokens]
        for token in tokens:
            if cursors.count(token.cursor) == 1:
                found.setdefault(token.cursor, []).append(token)
    return [own for own in found.values() if len(own) == len(readers)]


def middle(tokens: Sequence[Token], transport: str) -> int:
    """Half-way between the smallest and the largest record: no guess is better if padding is uniform. Pure."""
    seen = sizes(tokens, transport)
    return (min(seen) + max(seen)) // 2


async def _watched(target: Target, transport: str, url: str) -> Observation:
    """What a relay before one of the readers saw."""
    async with relaying(target.port) as relay:
        reads = await chunks_of(CLIENTS[transport](relay.through(url)), URL(url).parent)
        return observation(list(relay.pieces), reads, await timeline_of(URL(url).parent), banner(target))
