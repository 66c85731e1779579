"""A real Chromium, started when the first attack asks for it and shared by all that follow.

The one thing to notice: every attack gets a profile of its own, so no cookie of one is there for the next.
"""

import asyncio
import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.limits import CouldNotRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext

NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
"""Under which it may be installed. First the same engine without windows, which opens a page in a third of the time."""

ELSEWHERE = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    Path("C:/Program Files/Google/Chrome/Application/chrome.exe"),
)

QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)

ADVICE = "Chromium is not here: on Debian, `sudo apt-get install -y chromium`."


def find() -> str | None:
    """The path of the installed program."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or next((str(path) for path in ELSEWHERE if path.exists()), None)


class Chromium:
    """The browser, for as long as its block runs."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._browsers: dict[tuple[str, ...], Browser] = {}
        self._starting = asyncio.Lock()
        self._playwright: Any = None

    async def __aenter__(self) -> "Chromium":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def context(self, *flags: str, **options: Any) -> "AsyncIterator[BrowserContext]":
        """A profile of its own, with playwright's `options`, in a browser started with `flags`. Raises CouldNotRun."""
        browser = await self._browser(flags)
        context = await browser.new_context(**options)
        try:
            yield context
        finally:
            await context.close()

    async def version(self) -> str:
        """Which Chromium this is. Raises CouldNotRun."""
        return (await self._browser(())).version

    async def _browser(self, flags: tuple[str, ...]) -> "Browser":
        async with self._starting:
            if flags not in self._browsers:
                self._browsers[flags] = await self._start(flags)
            return self._browsers[flags]

    async def _start(self, flags: tuple[str, ...]) -> "Browser":
        if not (path := find()):
            raise CouldNotRun(ADVICE)
        try:
            from playwright.async_api import async_playwright  # noqa: PLC0415 - everything else runs without it
        except ModuleNotFoundError:
            raise CouldNotRun('Playwright is not here: `pip install -e ".[dev]"`.') from None
        if self._playwright is None:
            self._playwright = await self._stack.enter_async_context(async_playwright())
        browser: Browser = await self._playwright.chromium.launch(
            executable_path=path,
            chromium_sandbox=False,
            args=[*QUIET, *flags],
            handle_sigint=False,  # Ctrl-C is for us: we close it ourselves
        )
        self._stack.push_async_callback(browser.close)
        return browser
