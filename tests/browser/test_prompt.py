"""The prompt box in a real Chromium: there where a model is, and what is asked is answered in six lanes."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from server.sources.presets import PRESETS
from tests.browser.conftest import OpenContext, OpenPage, server_process
from tests.browser.test_pages import TRANSPORTS, finished, start, texts
from tests.browser.test_words import WORDS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model_url() -> AsyncIterator[str]:
    """The URL of a server with a model."""
    async with server_process("--first-token-ms", "50", "--token-ms", "10", "--model", "typewriter") as (url, _process):
        yield url


async def test_without_a_model_there_is_no_prompt_box(open_page: OpenPage) -> None:
    page = await open_page("/")
    await expect(page.locator("[name=prompt]")).to_have_count(0)


async def test_a_prompt_is_answered_in_six_lanes_and_the_models_pace_is_told_apart(
    open_context: OpenContext, model_url: str
) -> None:
    page = await (await open_context()).new_page()
    await page.goto(model_url)
    await expect(page.locator("[name=prompt]")).to_be_visible()
    await expect(page.locator("[name=token_ms]")).to_be_hidden()
    await page.click("[data-action=start]")
    await expect(page.locator("[data-status]")).to_have_text(WORDS["en"]["write_a_prompt"])
    await page.fill("[name=prompt]", "Why does it type?")
    started = await start(page)
    assert set((await finished(page)).values()) == {"done"}
    assert await texts(page) == dict.fromkeys(TRANSPORTS, PRESETS["typewriter"].text)
    answer = await page.request.get(f"{model_url}/answers/{started['id']}")
    assert (await answer.json())["source"]["model"] == "typewriter"
    told = re.escape(WORDS["en"]["note_model"]).replace(r"\{ttft\}", r"[\d,]+").replace(r"\{gap\}", r"[\d.]+")
    await expect(page.locator("[data-notes]")).to_contain_text(re.compile(told.replace(r"\{max\}", r"[\d,]+")))
    assert page.url.endswith("#prompt=Why+does+it+type%3F")
    await page.reload()
    await expect(page.locator("[name=prompt]")).to_have_value("Why does it type?")


async def test_enter_sends_a_prompt_and_shift_enter_begins_a_line(open_context: OpenContext, model_url: str) -> None:
    page = await (await open_context()).new_page()
    await page.goto(f"{model_url}/?lang=zh")
    box = page.locator("[name=prompt]")
    await box.press_sequentially("为什么")
    await box.press("Shift+Enter")
    await box.press_sequentially("?")
    await expect(box).to_have_value("为什么\n?")
    async with page.expect_request("**/answers") as request:
        await box.press("Enter")
    assert (await request.value).post_data_json == {"prompt": "为什么\n?", "record": True}
    await expect(box).to_have_value("为什么\n?")
    await finished(page)


async def test_another_text_can_be_chosen_instead(open_context: OpenContext, model_url: str) -> None:
    page = await (await open_context()).new_page()
    await page.goto(f"{model_url}/?preset=off-work")
    await expect(page.locator("[name=prompt]")).to_be_hidden()
    await expect(page.locator("[name=token_ms]")).to_be_visible()
    await start(page)
    await finished(page)
    assert await texts(page) == dict.fromkeys(TRANSPORTS, PRESETS["off-work"].text)
