"""Takes the README's pictures of the real page: `make screenshot`.

The one thing to notice: the lanes are taken in the middle of an answer, when the transports differ, and the figures at
its end, when they are final. The cables are cut in an answer of their own, and taken when all streams are back.
"""

import asyncio
import re
from pathlib import Path

from playwright.async_api import ViewportSize, async_playwright, expect

from server.app import serving
from server.settings import Settings
from server.site import LANGUAGES
from server.transports import TRANSPORTS
from tests.system import find

DOCS = Path(__file__).parent.parent / "docs"
SIZE: ViewportSize = {"width": 1280, "height": 720}
CUT_AT, HALF_WAY = 15, 40
"""Characters on the WebSocket lane when its cable is cut, and when the other picture is taken."""


async def main() -> None:
    """Take the lanes and the figures, in each language."""
    async with serving(Settings(port=0)) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find("chromium"), chromium_sandbox=False)
        for language in LANGUAGES:
            page = await browser.new_page(viewport=SIZE, device_scale_factor=1.5, reduced_motion="reduce")
            await page.goto(f"{url}/?lang={language}")
            await page.click("[data-action=start]")
            typed = page.locator("[data-transport=websocket] [data-text]")
            await expect(typed).to_have_text(re.compile(f".{{{HALF_WAY},}}"), timeout=30_000)
            await page.screenshot(path=DOCS / f"page.{language}.png")
            await expect(page.locator("[data-figures=done]")).to_be_attached(timeout=30_000)
            await page.locator("[data-jump='.evidence']").first.click()
            await page.screenshot(path=DOCS / f"figures.{language}.png")
            await page.goto(f"{url}/?lang={language}&token_ms=60")
            await page.click("[data-action=start]")
            await expect(typed).to_have_text(re.compile(f".{{{CUT_AT},}}"), timeout=30_000)
            await page.select_option("[name=cut_s]", "1")
            await page.click("[data-action=cut]")
            await expect(page.locator("[data-cable=back]")).to_have_count(len(TRANSPORTS) - 1, timeout=30_000)
            await page.screenshot(path=DOCS / f"cut.{language}.png")
            await page.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
