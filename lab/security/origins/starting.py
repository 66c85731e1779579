"""Attacks that read nothing: a foreign page has the server do something, at the victim's expense.

The one thing to notice: the page never learns what it has done. So it is the server that is asked here how many answers
it is typing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import aiohttp

from lab.limits import Failure
from lab.security.origins.attacker import NAMES, attacking
from lab.security.origins.finding import outcome
from lab.security.origins.victim import victim
from lab.security.origins.watch import LONGEST_S, Watch
from lab.security.probe import Outcome
from lab.security.scene import Scene

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page, ViewportSize

TEXT = "x" * 120
"""At the pace that the attack pages ask for, a character a second, it is typed for longer than any attack takes."""

FRAME: "ViewportSize" = {"width": 1000, "height": 700}
"""The size of the frame in frame.html."""

CLICKS = 3
"""A frame that is just being shown may not hear the first one; a person would click again, too."""
CLICK_S = 3.0

NOT_SHOWN = "chrome-error:"
"""How the address begins of what a browser shows in the place of a page that may not be framed."""


class Typing:
    """How many answers the server is typing; anybody may ask."""

    def __init__(self, program: aiohttp.ClientSession) -> None:
        self._program = program
        self._before = 0

    async def rises(self, over: Callable[[], bool]) -> bool:
        """Whether there are more than when this was called last: True as soon as there are, False once it is `over`."""
        try:
            async with asyncio.timeout(LONGEST_S):
                while True:
                    ended = over()
                    count = await self._count()
                    if count > self._before or ended:
                        risen, self._before = count > self._before, count
                        return risen
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise Failure(f"What a foreign page asked for was neither done nor refused in {LONGEST_S} s.") from None

    async def _count(self) -> int:
        async with self._program.get("/healthz") as response:
            return int((await response.json())["typing"])


Started = Callable[["Page", Watch, Typing], Awaitable[bool]]
"""Whether what an attack page has set going starts an answer."""


async def start(scene: Scene) -> Outcome:
    """Foreign pages start an answer by GET: a request that crosses origins without asking first, or a handshake."""
    return await _effect(scene, "start.html", "started an answer", _served)


async def post(scene: Scene) -> Outcome:
    """Foreign pages start an answer by a POST of the type text/plain."""
    return await _effect(scene, "post.html", "started an answer", _served)


async def frame(scene: Scene) -> Outcome:
    """Foreign pages lay the server's page over their own, unseen, and the victim clicks on its start button."""
    async with scene.chromium.context(viewport=FRAME) as context:  # the attacker has looked where that is
        page = await context.new_page()
        await page.goto(f"{scene.target.site}/demo/{scene.transport}")
        x, y = await _centre(page.locator("[data-action=start]"))
    return await _effect(scene, "frame.html", "had the victim start an answer", _clicked, x=f"{x:.0f}", y=f"{y:.0f}")


async def _effect(scene: Scene, page: str, did: str, started: Started, **query: str) -> Outcome:
    effects: list[bool] = []
    query = {"transport": scene.transport, "text": TEXT, **query}
    async with aiohttp.ClientSession(scene.target.url) as program, attacking() as attacker, victim(scene) as visitor:
        typing = Typing(program)

        async def then(page: "Page", watch: Watch) -> None:
            effects.append(await started(page, watch, typing))
            await watch.settled(watch.sent if effects[-1] else watch.known)  # what was started may not end for minutes

        visits = await visitor.comes_by(attacker, page, then, **query)
        successful = [name for name, effect in zip(NAMES, effects, strict=True) if effect]
        return await outcome(scene, visits, successful, did)


async def _served(_page: "Page", watch: Watch, typing: Typing) -> bool:
    return await typing.rises(watch.ended)


async def _clicked(page: "Page", watch: Watch, typing: Typing) -> bool:
    for _ in range(CLICKS):
        await page.mouse.click(*await _centre(page.locator("button")))
        if await typing.rises(_late(CLICK_S, partial(_in_vain, page, watch))):
            return True
        if _in_vain(page, watch):
            return False
    return False


def _late(seconds: float, over: Callable[[], bool]) -> Callable[[], bool]:
    """Whether it is over, or so much later than now."""
    end = time.monotonic() + seconds
    return lambda: over() or time.monotonic() > end


def _in_vain(page: "Page", watch: Watch) -> bool:
    """Whether there is no page of the server's in the frame to be clicked on."""
    return watch.refused() or any(frame.url.startswith(NOT_SHOWN) for frame in page.frames)


async def _centre(locator: "Locator") -> tuple[float, float]:
    """Where on the page it is."""
    box = await locator.bounding_box()
    if not box:
        raise Failure("The button to be clicked is not on the page.")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
