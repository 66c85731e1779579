"""One server process and one Chromium for all browser tests; every page that they open must stay free of complaints."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.chromium import require_chromium

ROOT = Path(__file__).parents[2]
QUIET = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
});
"""

OpenContext = Callable[..., Awaitable[BrowserContext]]
OpenPage = Callable[..., Awaitable[Page]]

expect.set_options(timeout=20_000)


@asynccontextmanager
async def server_process(*flags: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A server of its own, as a person starts it; its URL is the first line it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "--port", "0", *flags, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        yield line.decode().strip(), process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def url() -> AsyncIterator[str]:
    """The URL of the server that the pages come from."""
    async with server_process("--first-token-ms", "50") as (url, _process):
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium."""
    path = require_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, chromium_sandbox=False, args=QUIET)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def complaints() -> AsyncIterator[list[str]]:
    """Console errors, uncaught errors and CSP violations of all pages; a test that provokes one takes it out."""
    found: list[str] = []
    yield found
    assert found == []


@pytest_asyncio.fixture(loop_scope="session")
async def open_context(browser: Browser, url: str, complaints: list[str]) -> AsyncIterator[OpenContext]:
    """Opens a fresh profile: `await open_context(locale="zh-CN")`."""
    contexts: list[BrowserContext] = []

    def listen(page: Page) -> None:
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))

    async def open_one(locale: str = "en", width: int = 1280, height: int = 720) -> BrowserContext:
        context = await browser.new_context(
            base_url=url, locale=locale, viewport={"width": width, "height": height}, reduced_motion="reduce"
        )
        contexts.append(context)
        await context.add_init_script(REPORT_VIOLATIONS)
        context.on("page", listen)
        return context

    yield open_one
    for context in contexts:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(open_context: OpenContext) -> OpenPage:
    """Opens a page in a fresh profile: `await open_page("/?preset=edge", locale="zh-CN")`."""

    async def open_one(path: str = "/", locale: str = "en", width: int = 1280, height: int = 720) -> Page:
        page = await (await open_context(locale, width, height)).new_page()
        await page.goto(path)
        return page

    return open_one
