"""One server process and one Chromium for all browser tests; every page that they open must stay free of complaints."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright, expect

from lab.security.chromium import QUIET
from tests.system import require

ROOT = Path(__file__).parents[2]
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
    path = require("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, chromium_sandbox=False, args=[*QUIET])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def heard() -> list[str]:
    """Console errors, uncaught errors and CSP violations of all pages."""
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def complaints(heard: list[str]) -> AsyncIterator[list[str]]:
    """Those of one test; a test that provokes one takes it out."""
    heard.clear()
    yield heard
    assert heard == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def new_context(browser: Browser, url: str, heard: list[str]) -> OpenContext:
    """Opens a profile and listens to its pages; whoever opens it closes it."""

    def listen(page: Page) -> None:
        page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: heard.append(str(error)))

    async def open_one(locale: str = "en", ignore_https_errors: bool = False) -> BrowserContext:
        context = await browser.new_context(
            base_url=url, locale=locale, reduced_motion="reduce", ignore_https_errors=ignore_https_errors
        )
        await context.add_init_script(REPORT_VIOLATIONS)
        context.on("page", listen)
        return context

    return open_one


@pytest_asyncio.fixture(loop_scope="session")
async def open_context(new_context: OpenContext, complaints: list[str]) -> AsyncIterator[OpenContext]:
    """Opens a fresh profile, for tests that use up its connections, turn its clock or listen in."""
    contexts: list[BrowserContext] = []

    async def open_one(locale: str = "en", ignore_https_errors: bool = False) -> BrowserContext:
        contexts.append(await new_context(locale, ignore_https_errors))
        return contexts[-1]

    yield open_one
    for context in contexts:
        await context.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tabs(new_context: OpenContext) -> AsyncIterator[dict[str, list[Page]]]:
    """The idle tabs by locale: our pages keep nothing in a profile, and a new tab takes longer than most tests."""
    idle: dict[str, list[Page]] = {}
    yield idle
    for pages in idle.values():
        for page in pages:
            await page.context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(
    new_context: OpenContext, tabs: dict[str, list[Page]], complaints: list[str]
) -> AsyncIterator[OpenPage]:
    """Opens a page: `await open_page("/?preset=edge", locale="zh-CN")`."""
    opened: list[tuple[str, Page]] = []

    async def open_one(path: str = "/", locale: str = "en", width: int = 1280, height: int = 720) -> Page:
        idle = tabs.setdefault(locale, [])
        page = idle.pop() if idle else await (await new_context(locale)).new_page()
        opened.append((locale, page))
        if page.viewport_size != (size := ViewportSize(width=width, height=height)):
            await page.set_viewport_size(size)
        await page.goto(path)
        return page

    yield open_one
    for locale, page in opened:
        await page.unroute_all()
        await page.goto("about:blank")
        tabs[locale].append(page)
