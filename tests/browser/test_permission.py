"""The page over TLS, and the page of a server that has an access token, in a real browser.

The one thing to notice: Chromium believes no certificate of our own making unless it is told to.
"""

import pytest
from playwright.async_api import Error, expect

from server.transports import TRANSPORTS
from tests.browser.conftest import OpenContext, server_process

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - of a server that lives for a test


async def test_every_lane_of_the_page_reads_over_tls(open_context: OpenContext) -> None:
    async with server_process("--tls", "--first-token-ms", "1", "--token-ms", "5") as (url, _):
        context = await open_context(ignore_https_errors=True)
        page = await context.new_page()
        await page.goto(url)
        await page.locator("[data-action=start]").click()
        for name in TRANSPORTS:
            await expect(page.locator(f"[data-transport={name}]").first).to_have_attribute("data-state", "done")


async def test_a_browser_does_not_trust_a_certificate_of_our_own_by_itself(open_context: OpenContext) -> None:
    async with server_process("--tls") as (url, _):
        page = await (await open_context()).new_page()
        with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            await page.goto(url)


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
async def test_who_knows_the_token_signs_in_and_reads(
    open_context: OpenContext, complaints: list[str], locale: str
) -> None:
    async with server_process("--token", TOKEN, "--first-token-ms", "1", "--token-ms", "5") as (url, _):
        page = await (await open_context(locale)).new_page()
        await page.goto(f"{url}/demo/websocket")
        await page.locator("[name=token]").fill("not the token at all")
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-status=failed]")).not_to_be_empty()
        await page.locator("[name=token]").fill(TOKEN)
        async with page.expect_navigation():
            await page.locator("[data-action=sign-in]").click()
        await page.locator("[data-action=start]").click()
        await expect(page.locator("[data-transport=websocket]").first).to_have_attribute("data-state", "done")
        assert TOKEN not in page.url
        await page.goto(url)
        await page.locator("[data-action=start]").click()
        for name in TRANSPORTS:
            await expect(page.locator(f"[data-transport={name}]").first).to_have_attribute("data-state", "done")
    assert [said for said in complaints if "401" not in said] == []
    complaints.clear()


async def test_the_page_of_another_profile_cannot_read_an_answer_that_is_not_its_own(
    open_context: OpenContext, complaints: list[str]
) -> None:
    async with server_process("--token-ms", "1000") as (url, _):
        mine, other = [await (await open_context()).new_page() for _ in range(2)]
        for page in (mine, other):
            await page.goto(url)
        started = await mine.evaluate(
            """() => fetch("/answers", {method: "POST", body: "{}", headers: {"Content-Type": "application/json"}})
                 .then((response) => response.json())"""
        )
        read = "(path) => fetch(path).then((response) => response.status)"
        assert await mine.evaluate(read, started["links"]["polling"]) == 200
        assert await other.evaluate(read, started["links"]["polling"]) == 404
    assert len(complaints) == 1
    complaints.clear()
