"""The victim: a tab in a real Chromium, at the server's own page, that reads what it is sent.

The one thing to notice: the tab is of the server's own origin. What runs in it has its cookies and all its rights, so
"a script ran" is the whole loss, whatever the script does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from lab.limits import CouldNotRun
from lab.security.scene import Scene

if TYPE_CHECKING:
    from playwright.async_api import Page

SMALL = "/transports"
"""A document of the server's own origin, for scripts that need no more than that."""

LONGEST_S = 20
"""A page that has said nothing for so long is stuck, and so is the attack."""

START = """
async (fields) => {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch('/answers', { method: 'POST', headers, body: JSON.stringify(fields) });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()).links;
}
"""

WAIT_FOR_END = "async (url) => { await (await fetch(url)).text(); }"


@asynccontextmanager
async def tab(scene: Scene, site: str = "") -> AsyncIterator["Page"]:
    """A tab in a profile of its own, at the server, or at `site` when the way there is another one.

    Raises CouldNotRun without Chromium, and when the page gets stuck.
    """
    async with scene.chromium.context() as context:
        from playwright.async_api import TimeoutError as Late  # noqa: PLC0415 - everything else runs without it

        page = await context.new_page()
        try:
            await page.goto(f"{site or scene.target.site}{SMALL}")
            yield page
        except (Late, TimeoutError):
            raise CouldNotRun("A page in Chromium got stuck: this machine is too busy. Try once more.") from None


@asynccontextmanager
async def policy_ignored(page: "Page") -> AsyncIterator[None]:
    """Have the browser ignore the content security policy of what this tab opens inside the block."""
    session = await page.context.new_cdp_session(page)
    await session.send("Page.setBypassCSP", {"enabled": True})
    try:
        yield
    finally:
        await session.send("Page.setBypassCSP", {"enabled": False})
        await session.detach()


async def asked(page: "Page", script: str, argument: Any = None) -> Any:
    """What the script gives back in the page. Raises TimeoutError."""
    async with asyncio.timeout(LONGEST_S):
        return await page.evaluate(script, argument)


async def start(page: "Page", **fields: Any) -> dict[str, str]:
    """Start an answer as this tab's own; gives the path for each transport."""
    links: dict[str, str] = await asked(page, START, {"first_token_ms": 0, "token_ms": 0, **fields})
    return links


async def written(page: "Page", **fields: Any) -> dict[str, str]:
    """The same, once the answer is written to its end: who reads it then gets as much in one chunk as there can be."""
    links = await start(page, **fields)
    await asked(page, WAIT_FOR_END, links["whole"])
    return links
