"""Attacks that read: a foreign page gets at an answer of the victim's, by each way that a page has to ask.

The one thing to notice: a browser sends the request in any case, with the cookies that it has. What the attacker gets
depends on who refuses: the server before it answers, or the browser before it hands the answer to the page.
"""

import secrets
import string
from typing import TYPE_CHECKING

from lab.security.origins.attacker import NAMES, Attacker, Link, attacking, files
from lab.security.origins.finding import found
from lab.security.origins.program import begin
from lab.security.origins.victim import WINDOW, follow, victim
from lab.security.probe import Outcome
from lab.security.scene import Scene, Target

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Route

STRANGER = "evil.test"
"""A name of the attacker's. RFC 6761 §6.2: the real DNS has none that ends in .test."""

REBOUND = f"--host-resolver-rules=MAP {STRANGER} 127.0.0.1"
"""Chromium, once the stranger's name points here."""
UNGUARDED = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"
"""Chromium without the check of its own that other browsers do not have; observations.py looks at it with the check."""

DECOYS = 255
"""Words that the attacker suspects, beside the right one: with it that makes 8 bits."""


async def read(scene: Scene) -> Outcome:
    """Foreign pages ask over the transport, with the victim's cookies, and report what they can read."""
    async with attacking() as attacker, victim(scene) as visitor:
        visits = await visitor.comes_by(attacker, "read.html", transport=scene.transport)
        return await found(scene, visits, "read the answer")


async def listen(scene: Scene) -> Outcome:
    """Foreign pages put the stream into a frame, and listen to what it tells the page around it."""
    async with attacking() as attacker, victim(scene) as visitor:
        visits = await visitor.comes_by(attacker, "listen.html")
        return await found(scene, visits, "heard the answer from its frame")


async def include(scene: Scene) -> Outcome:
    """Foreign pages run the answer as a script; its one word is among those that they suspect."""
    words = sorted([scene.target.canary, *(decoy() for _ in range(DECOYS))])
    async with attacking() as attacker, victim(scene, "{}") as visitor:
        visits = await visitor.comes_by(attacker, "include.html", words=",".join(words))
        return await found(scene, visits, f"told the answer's one word from {DECOYS} others")


async def rebind(scene: Scene) -> Outcome:
    """A page of a stranger's name, which by now points to loopback, reads at the very port of the target."""
    async with attacking() as attacker, scene.chromium.context(REBOUND, UNGUARDED, viewport=WINDOW) as context:
        link = await rebound(context, scene.target, attacker, scene.transport)
        visits = [await follow(context, scene.target, link, STRANGER)]
        return await found(scene, visits, "read the answer")


async def rebound(context: "BrowserContext", target: Target, attacker: Attacker, transport: str) -> Link:
    """A link to that page, and an answer for it.

    The answer is one that a program has started: under the stranger's name, the browser has no cookie of ours.
    """
    origin, home = f"http://{STRANGER}:{target.port}", attacker.origin(NAMES["another site"])
    await context.route(f"{origin}/attack/*", from_before)
    answer = await begin(target)
    return attacker.link(origin, "read.html", target=origin, answer=answer, transport=transport, home=home)


async def from_before(route: "Route") -> None:
    """The attack page, as the browser got it from the attacker's own server before the name was pointed here."""
    body, content_type = files()[route.request.url.partition("?")[0].rpartition("/")[2]]
    await route.fulfill(body=body, content_type=content_type)


def decoy() -> str:
    """A word like the secret."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
