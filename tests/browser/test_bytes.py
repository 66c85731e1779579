"""Bytes as Chromium counts them, against the server's ledger.

The one thing to notice: `encodedDataLength` is what arrived on the socket for one response, head and chunk framing
included. The `transferSize` that pages can see is a made-up sum, and is shown nowhere.
"""

import asyncio
from typing import Any

import aiohttp
import pytest

from server.transports import TRANSPORTS
from tests.browser.conftest import OpenContext

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = "够钟下班啦, done! 👨‍👩‍👧"


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_a_completed_response_is_as_long_for_chromium_as_in_the_ledger(
    open_context: OpenContext, url: str, name: str
) -> None:
    page = await (await open_context()).new_page()
    await page.goto("/")
    devtools = await page.context.new_cdp_session(page)
    arrived: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    ours: set[str] = set()

    def sent(event: dict[str, Any]) -> None:
        if f"/{name}" in event["request"]["url"]:
            ours.add(event["requestId"])

    def finished(event: dict[str, Any]) -> None:
        if event["requestId"] in ours:
            arrived.set_result(int(event["encodedDataLength"]))

    devtools.on("Network.requestWillBeSent", sent)
    devtools.on("Network.loadingFinished", finished)
    await devtools.send("Network.enable")
    async with aiohttp.ClientSession(url) as http:
        async with http.post("/answers", json={"text": TEXT, "token_ms": 5}) as response:
            answer = response.headers["Location"]
        async with http.get(f"{answer}/{name}") as response:
            if response.status == 426:
                pytest.skip("Chromium tells no length for a WebSocket; tests/test_ledger.py holds it against tcpdump.")
        await page.evaluate("(path) => fetch(path).then((response) => response.text())", f"{answer}/{name}?reader=me")
        length = await asyncio.wait_for(arrived, 10)
        async with http.get(f"{answer}/ledger") as response:
            rows = {row["reader"]: row for row in (await response.json())["rows"]}
    assert rows["me"]["bytes_down"] == length
    assert length > len(TEXT.encode())
