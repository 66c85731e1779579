"""The victim: a browser with a session of its own at the server under attack, which comes by the attacker's pages.

The one thing to notice: the victim does nothing wrong. A tab with a page of a stranger is open beside the server's own,
and all that the stranger knows is the address of an answer, say out of a link that was shared.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.security.origins.attacker import NAMES, Attacker, Link
from lab.security.origins.watch import Asked, Watch, until
from lab.security.scene import Scene, Target

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page, ViewportSize

START = """async (text) => {
  stop(); // the page need not load what it would show
  const order = { text, unit: 'word', first_token_ms: 0, token_ms: 0 };
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch('/answers', { method: 'POST', headers, body: JSON.stringify(order) });
  const { id, links } = await response.json();
  await (await fetch(links.whole)).text(); // it has been typed to its end
  return id;
}"""
"""What the server's own page does, and no other may."""

WINDOW: "ViewportSize" = {"width": 900, "height": 500}

Then = Callable[["Page", Watch], Awaitable[None]]
"""What happens on an attack page once it has reported: a click, or waiting for what it has set going."""


@dataclass(frozen=True, slots=True)
class Visit:
    """The victim was on an attack page."""

    origin: str
    """What the page's origin is to the server's: one of NAMES, or its name."""
    got: str
    """What the page says that it got."""
    asked: Sequence[Asked]
    console: Sequence[str]
    page: "Page"
    """Still open, until the browser's profile is closed."""

    def evidence(self) -> dict[str, Any]:
        """What there is to show for it, as JSON."""
        asked = [
            {"request": each.what[:120], "outcome": each.outcome, **(each.headers or {})} for each in self.asked[:8]
        ]
        return {"got": self.got[:200], "requests": asked, "console": [line[:300] for line in self.console[:8]]}


@dataclass(frozen=True, slots=True)
class Victim:
    """Whose browser it is."""

    target: Target
    context: "BrowserContext"
    answer: str
    """The id of an answer that belongs to the browser's session."""

    async def comes_by(self, attacker: Attacker, page: str, then: Then | None = None, **query: str) -> list[Visit]:
        """Open an attack page under each of the attacker's names, one after the other."""
        query = {"target": self.target.site, "answer": self.answer, **query}
        links = {origin: attacker.link(attacker.origin(host), page, **query) for origin, host in NAMES.items()}
        return [await follow(self.context, self.target, link, origin, then) for origin, link in links.items()]


async def follow(context: "BrowserContext", target: Target, link: Link, origin: str, then: Then | None = None) -> Visit:
    """Open an attack page in a tab of its own, and stay until it has reported, and until what comes `then`."""
    page = await context.new_page()
    watch = await Watch(page, target.port).start()
    await page.goto(link.url, wait_until="commit")  # it may hold a stream, and then never ends loading
    await until(link.report.done, f"The page {link.url} did not report")
    await (then(page, watch) if then else watch.settled(watch.known))
    return Visit(origin, link.report.result(), watch.asked(), watch.console, page)


@asynccontextmanager
async def victim(scene: Scene, text: str = "The password is {}.") -> AsyncIterator[Victim]:
    """A browser with a session, and an answer in it in which the secret stands. Raises CouldNotRun without Chromium."""
    async with scene.chromium.context(viewport=WINDOW) as context:
        page = await context.new_page()
        await page.goto(scene.target.site + "/", wait_until="commit")
        answer = await page.evaluate(START, text.format(scene.target.canary))
        yield Victim(scene.target, context, answer)
