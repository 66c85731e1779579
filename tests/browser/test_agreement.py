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
    page = await open_page(f"/?preset=own&token_ms={TOKEN_MS:g}#text={quote(TEXT)}")
    await run(page)
    shown = await table(page)
    condition = Condition(token_ms=TOKEN_MS, unit="grapheme", cookie_bytes=0, tls=False, deflate=False)
    async with serving(Settings()) as subject:
        for variant in variants(PUSHED):
            row = await measure(subject, variant, condition, TEXT)
            figures = shown[variant.transport]
            assert figures["bytes_down"] == row["bytes_down"], variant.name
            assert figures["requests"] == row["requests"], variant.name
