"""The page's table and the lab, two instruments with nothing in common but the server, on the same answer."""

from urllib.parse import quote

import pytest

from lab.overhead import Condition, measure
from lab.session import variants
from lab.subject import serving
from server.settings import Settings
from tests.browser.conftest import OpenPage
from tests.browser.test_figures import ledger, run, table

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = "够钟下班啦, done! 👨‍👩‍👧"
TOKEN_MS = 60.0
PUSHED = ("long_polling", "iframe", "sse", "websocket", "whole")
"""What does not depend on when the reader asks."""


async def test_the_page_and_the_lab_agree_on_the_bytes_of_the_same_answer(open_page: OpenPage) -> None:
    """On a busy machine a reader may get two tokens at once, so only readings in equally many chunks are compared."""
    condition = Condition(token_ms=TOKEN_MS, unit="grapheme", cookie_bytes=0, tls=False, deflate=False)
    open_cases = {variant.transport: variant for variant in variants(PUSHED)}
    async with serving(Settings()) as subject:
        for _ in range(10):
            page = await open_page(f"/?preset=own&token_ms={TOKEN_MS:g}#text={quote(TEXT)}")
            rows = await ledger(page, await run(page))
            shown = await table(page)
            for name, variant in list(open_cases.items()):
                row = await measure(subject, variant, condition, TEXT)
                if row["chunks"] == rows[name]["chunks"]:
                    assert shown[name]["bytes_down"] == row["bytes_down"], name
                    assert shown[name]["requests"] == row["requests"], name
                    del open_cases[name]
            if not open_cases:
                return
    pytest.fail(f"no two readings in equally many chunks: {', '.join(open_cases)}")
