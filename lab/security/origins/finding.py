"""What came of visits to attack pages, as an outcome.

The one thing to notice: a page that got nothing may still have had its request served. The evidence holds what left the
browser and what came back, so both can be told apart.
"""

from collections.abc import Sequence
from typing import Any

from lab.security.origins.victim import Visit
from lab.security.probe import Outcome
from lab.security.scene import Scene

CAVEATS = (
    "The browser's profile is fresh and its own, like an incognito window: cookies for third parties are blocked in "
    "it, so one with SameSite=None would not have been sent to another site either.",
    "Local Network Access stops nothing here: the pages come from loopback, and for the rebound name it is off.",
    "The browser tells its debugger no cookie of a WebSocket handshake; whether one was sent shows in what came back.",
    "The attacker knows the address of the answer, as of a link that was shared.",
)
"""What has to be known to judge the evidence."""


async def found(scene: Scene, visits: Sequence[Visit], did: str) -> Outcome:
    """Who of the foreign origins `did` it: got hold of the secret."""
    return await outcome(scene, visits, [visit.origin for visit in visits if scene.target.canary in visit.got], did)


async def outcome(scene: Scene, visits: Sequence[Visit], successful: Sequence[str], did: str) -> Outcome:
    """What the foreign origins did; it succeeded with at least one."""
    who = f": {'; '.join(successful)}" if successful else ""
    seen = {visit.origin: visit.evidence() for visit in visits}
    return Outcome(
        succeeded=bool(successful),
        says=f"{len(successful)} of {len(visits)} foreign origins {did}{who}.",
        figures={"foreign_origins": len(visits), "foreign_origins_successful": len(successful)},
        evidence={**seen, **await circumstances(scene)},
        files={"page.png": await visits[0].page.screenshot()},
    )


async def circumstances(scene: Scene) -> dict[str, Any]:
    """In which browser, and what has to be known to judge it."""
    return {"chromium": await scene.chromium.version(), "caveats": list(CAVEATS)}
