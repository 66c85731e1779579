"""The page's table and the lab, two instruments with nothing in common but the server, on the same answer."""

from urllib.parse import quote

import pytest

from lab.overhead import Condition, measure
from lab.session import variants
from lab.subject import serving
from server.settings import Settings
from tests.browser.conftest import OpenPage
from tests.browser.test_figures import run, table

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = "够钟下班啦, done! 👨‍👩‍👧"
TOKEN_MS = 60.0
PUSHED = ("long_polling", "iframe", "sse", "websocket", "whole")
"""What does not depend on when the reader asks."""


async def test_the_page_and_the_lab_agree_on_the_bytes_of_the_same_answer(open_page: OpenPage) -> None:
    """On a busy machine a reader may get two tokens at once, so only readings in equally many chunks are compared."""
    condition = Condition(token_ms=TOKEN_MS, unit="grapheme", cookie_bytes=0, tls=False, deflate=False)
    open_cases = {variant.transport: variant for variant in variants(PUSHED)}
    async with serving(Settings(first_token_ms=1000)) as subject:  # all lanes are there before the first token
        for _ in range(10):
            page = await open_page(f"{subject.url}/?preset=own&token_ms={TOKEN_MS:g}#text={quote(TEXT)}")
            started = await run(page)
            shown = await table(page)
            ledger = await (await page.request.get(f"{subject.url}/answers/{started['id']}/ledger")).json()
            rows = {row["transport"]: row for row in ledger["rows"]}
            for name, variant in list(open_cases.items()):
                row = await measure(subject, variant, condition, TEXT)
                if row["chunks"] == rows[name]["chunks"]:
                    assert shown[name]["bytes_down"] == row["bytes_down"], name
                    assert shown[name]["requests"] == row["requests"], name
                    del open_cases[name]
            if not open_cases:
                return
    pytest.fail(f"no two readings in equally many chunks: {', '.join(open_cases)}")
