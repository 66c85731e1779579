"""The cable is cut in a real Chromium: every lane comes back by itself, says so, and has the exact text once."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from clients import course, resume
from server.sources.presets import PRESETS
from server.transports import TRANSPORTS as TABLE
from tests.browser.conftest import OpenContext, OpenPage, server_process
from tests.browser.test_pages import (
    SHORT_PAUSES,
    TRANSPORTS,
    answer_of,
    finished,
    methods_of,
    of_each_lane,
    start,
    texts,
)
from tests.browser.test_words import WORDS

pytestmark = pytest.mark.asyncio(loop_scope="session")

EN = WORDS["en"]
CUT_PLACES = 40
BACK = r"Back [\d,]+ ms after the cut was over\. Tokens caught up at once: [\d,]+\."
NOTE = "lane => lane.querySelector('[data-note]').textContent"
CABLE = "lane => lane.dataset.cable ?? ''"
ATTEMPTS = course.ATTEMPTS
"""Of both twins."""
CUT_AGAIN_AND_AGAIN = """async ({ name, places }) => {
  const { TRANSPORTS } = await import('/js/transports/index.js');
  const { resuming } = await import('/js/resume.js');
  const { cutCable, startAnswer, stopAnswer } = await import('/js/answer.js');
  const answer = await startAnswer({ text: 'abc中文👨‍👩‍👧 ', repeat: 400, token_ms: 20 });
  const cursors = []; // at which it was cut
  let [text, cuts, isWhole, last] = ['', 0, true, null];
  const lost = () => {
    cuts += 1;
    isWhole = true;
  };
  const cut = () => cutCable(answer.id, name === 'whole' ? 0 : 0.05, name);
  const cutUnseen = async () => { // the lane shows nothing by which to choose a place
    while (cuts < places) {
      await cut();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await stopAnswer(answer.id);
  };
  if (name === 'whole') cutUnseen();
  for await (const chunk of resuming(TRANSPORTS[name].stream)(answer.links[name], { lost })) {
    text += chunk.text;
    last = chunk;
    if (name === 'whole' || chunk.text === '') continue;
    if (isWhole && cursors.length === places) {
      await stopAnswer(answer.id);
      continue;
    }
    if (isWhole) cursors.push(chunk.cursor);
    isWhole = false; // until it has noticed: a chunk that was already here may come between
    await cut();
  }
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  const digest = [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return { id: answer.id, text, cuts, cursors, done: last.done, isProved: digest === last.sha256 };
}"""


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _expected_complaints(complaints: list[str]) -> AsyncIterator[None]:
    """Chromium itself logs every connection that breaks, and nothing else may be logged."""
    yield
    assert all("ERR_" in complaint or "WebSocket connection to" in complaint for complaint in complaints), complaints
    complaints.clear()


async def has_typed(page: Page, name: str, characters: int = 5) -> None:
    """Wait until so much of the answer is in that lane."""
    text = page.locator(f"[data-transport={name}] [data-text]")
    await expect(text).to_have_text(re.compile(f"^.{{{characters},}}", re.DOTALL))


def is_a_lane(name: str) -> str:
    return f"[data-transport={name}]"


# One cable, all cables


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_a_lane_that_is_cut_comes_back_and_has_the_exact_text(open_page: OpenPage, name: str) -> None:
    page = await open_page("/?token_ms=40")
    started = await start(page)
    await has_typed(page, "websocket" if name == "whole" else name)
    await page.select_option("[name=cut_s]", "1")
    await page.click(f"{is_a_lane(name)} [data-action=cut-lane]")
    lane = page.locator(is_a_lane(name))
    await expect(lane).to_have_attribute("data-cable", "cut")
    await expect(lane.locator("[data-note]")).to_contain_text(EN["cable_cut"].replace("{s}", "1"))
    assert await finished(page) == dict.fromkeys(TRANSPORTS, "done")
    text = (await answer_of(page, started))["text"]
    assert text == PRESETS["typewriter"].text
    assert await texts(page) == dict.fromkeys(TRANSPORTS, text)
    assert await of_each_lane(page, CABLE) == {other: "back" if other == name else "" for other in TRANSPORTS}
    note = (await of_each_lane(page, NOTE))[name]
    assert re.match(f"{BACK} {re.escape(EN['cable_proved'])}", note)
    await expect(lane.locator("[data-seal]")).to_have_text(EN["intact"])


async def test_the_others_type_on_while_one_stands_still_and_what_it_catches_up_is_marked(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=20&lane=sse&lane=websocket")
    await start(page)
    await has_typed(page, "sse")
    await page.click(f"{is_a_lane('sse')} [data-action=cut-lane]")
    await expect(page.locator(is_a_lane("sse"))).to_have_attribute("data-cable", "cut")
    stands_at = (await texts(page))["sse"]
    await expect(page.locator(is_a_lane("websocket"))).to_have_attribute("data-state", "done")
    assert (await texts(page))["sse"] == stands_at
    await finished(page)
    marked = "() => [...CSS.highlights.get('caught-up')].map(({ startOffset, endOffset }) => [startOffset, endOffset])"
    assert await page.evaluate(marked) == [[len(stands_at), len(PRESETS["typewriter"].text)]]
    await start(page)
    assert await page.evaluate(marked) == []


@pytest.mark.parametrize(("locale", "code"), [("en", "en"), ("zh-CN", "zh")])
async def test_all_lanes_are_cut_at_once_and_all_come_back(open_page: OpenPage, locale: str, code: str) -> None:
    page = await open_page("/?token_ms=40", locale=locale)
    await start(page)
    await has_typed(page, "websocket")
    await page.select_option("[name=cut_s]", "1")
    await page.click("[data-action=cut]")
    await expect(page.locator("[data-cable=cut]")).to_have_count(len(TRANSPORTS))
    assert await finished(page) == dict.fromkeys(TRANSPORTS, "done")
    assert await texts(page) == dict.fromkeys(TRANSPORTS, PRESETS["typewriter"].text)
    assert await of_each_lane(page, CABLE) == dict.fromkeys(TRANSPORTS, "back")
    notes = await of_each_lane(page, NOTE)
    assert all(WORDS[code]["cable_proved"] in note for note in notes.values()), notes


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_a_cut_of_no_time_is_a_cut(open_page: OpenPage, name: str) -> None:
    page = await open_page(f"/demo/{name}?token_ms=40")
    await start(page)
    if name == "whole":
        await expect(page.locator(is_a_lane(name))).to_have_attribute("data-state", "waiting")
    else:
        await has_typed(page, name)
    await page.select_option("[name=cut_s]", "0")
    async with page.expect_response("**/cuts") as cut:
        await page.click("[data-action=cut]")
    assert await (await cut.value).json() == {"transports": list(TABLE), "seconds": 0}
    assert await finished(page) == {name: "done"}
    assert await texts(page) == {name: PRESETS["typewriter"].text}
    assert await of_each_lane(page, CABLE) == {name: "back"}


async def test_a_cut_that_outlasts_the_answer_ends_with_all_of_it(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=20")
    started = await start(page)
    await has_typed(page, "websocket")
    await page.select_option("[name=cut_s]", "3")
    await page.click("[data-action=cut]")
    await expect(page.locator("[data-cable=cut]")).to_have_count(len(TRANSPORTS))
    while (await answer_of(page, started))["state"] == "typing":
        await expect(page.locator("[data-cable=cut]")).not_to_have_count(0)
    assert await finished(page) == dict.fromkeys(TRANSPORTS, "done")
    assert await texts(page) == dict.fromkeys(TRANSPORTS, PRESETS["typewriter"].text)
    await expect(page.locator("[data-status]")).to_contain_text("typed the identical text")


# What a cut is not


async def test_only_an_answer_that_is_being_typed_can_be_cut(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=1&preset=off-work")
    scissors = page.locator("[data-action=cut], [data-action=cut-lane]")
    methods = methods_of(page)
    for _ in range(2):  # before, and after it
        await expect(page.locator("[data-action^=cut]:not([aria-disabled=true])")).to_have_count(0)
        for button in await scissors.all():
            await button.click(force=True)
        assert await of_each_lane(page, CABLE) == dict.fromkeys(TRANSPORTS, "")
        assert methods.count("POST") in (0, 1)  # Start
        if not methods.count("POST"):
            await start(page)
            await finished(page)


async def test_starting_again_during_a_cut_forgets_it(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=40")
    old = await start(page)
    await has_typed(page, "websocket")
    await page.select_option("[name=cut_s]", "10")
    await page.click("[data-action=cut]")
    await expect(page.locator("[data-cable=cut]")).to_have_count(len(TRANSPORTS))
    await page.fill("[name=token_ms]", "5")
    await start(page)
    assert await of_each_lane(page, CABLE) == dict.fromkeys(TRANSPORTS, "")
    assert await finished(page) == dict.fromkeys(TRANSPORTS, "done")
    assert await texts(page) == dict.fromkeys(TRANSPORTS, PRESETS["typewriter"].text)
    assert await of_each_lane(page, CABLE) == dict.fromkeys(TRANSPORTS, "")
    assert (await answer_of(page, old))["reason"] == "stopped"


async def test_stop_reaches_the_server_while_the_socket_is_cut(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=100")
    started = await start(page)
    await has_typed(page, "websocket", 2)
    await page.select_option("[name=cut_s]", "1")
    await page.click("[data-action=cut]")
    await expect(page.locator("[data-cable=cut]")).to_have_count(len(TRANSPORTS))
    async with page.expect_request(lambda request: request.method == "DELETE"):
        await page.click("[data-action=stop]")
    assert await finished(page) == dict.fromkeys(TRANSPORTS, "stopped")
    answer = await answer_of(page, started)
    assert await texts(page) == dict.fromkeys(TRANSPORTS, answer["text"])


async def test_a_cut_that_is_refused_says_why(open_page: OpenPage, complaints: list[str]) -> None:
    page = await open_page("/?token_ms=40&lane=sse")
    problem = json.dumps({"detail": "No scissors here."})
    await page.route("**/cuts", lambda route: route.fulfill(status=404, body=problem))
    await start(page)
    await has_typed(page, "sse")
    await page.click("[data-action=cut]")
    await expect(page.locator("[data-status]")).to_have_text("The server refused: No scissors here.")
    assert await finished(page) == {"sse": "done"}
    assert await of_each_lane(page, CABLE) == {"sse": ""}
    assert all("404" in complaint for complaint in complaints)
    complaints.clear()


# A server that has no place now


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_a_lane_that_a_busy_server_turns_away_says_so_and_comes_back(
    open_context: OpenContext, complaints: list[str], name: str
) -> None:
    page = await (await open_context()).new_page()
    async with server_process("--first-token-ms", "50", "--max-readers", "1", "--heartbeat-s", "1") as (url, _process):
        await page.goto(f"{url}/demo/{name}?token_ms=1&preset=off-work")
        # The one place is taken by a socket, before the page's own looker-on could have it.
        await page.route_web_socket("**/live", lambda _: None)
        await page.evaluate(
            """async () => {
              const response = await fetch("/answers", {
                method: "POST",
                headers: { "Content-Type": "application/json" },
                body: JSON.stringify({ first_token_ms: 60000 }),
              });
              const { links } = await response.json();
              window.guest = new WebSocket(links.websocket);
              await new Promise((resolve) => { window.guest.onmessage = resolve; });
            }"""
        )
        await start(page)
        await expect(page.locator("[data-note]")).to_have_text(EN["cable_busy"])
        assert await of_each_lane(page, CABLE) == {name: ""}
        await page.evaluate("() => window.guest.close()")
        assert await finished(page) == {name: "done"}
        assert await texts(page) == {name: PRESETS["off-work"].text}
        await expect(page.locator("[data-note]")).to_have_text("")
        await page.goto("about:blank")
    complaints[:] = [complaint for complaint in complaints if "429" not in complaint]


# resume.js by itself, on a clock that the test turns


RESUMED = """async ({ fails, chunks }) => {
  const { resuming, pauseMs, ATTEMPTS } = await import('/js/resume.js');
  const { Failure } = await import('/js/chunk.js');
  const asked = [];
  const lost = [];
  async function* stream(url, { cursor }) {
    asked.push(cursor);
    for (const chunk of chunks[asked.length - 1] ?? []) yield { request: 1, ...chunk };
    if (asked.length <= fails.length) throw new Failure(...fails[asked.length - 1]);
  }
  const read = [];
  window.setTimeout = (call, ms) => { lost.push(ms); queueMicrotask(call); };
  try {
    for await (const chunk of resuming(stream)('/x')) read.push(chunk);
  } catch (failure) {
    return { asked, read, pauses: lost, failed: failure.word };
  }
  return { asked, read, pauses: lost, failed: '' };
}"""


async def resumed(page: Page, fails: list[list[Any]], chunks: list[list[dict[str, Any]]]) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(RESUMED, {"fails": fails, "chunks": chunks})
    return found


async def test_resuming_asks_from_the_last_cursor_and_drops_what_comes_twice(open_page: OpenPage) -> None:
    page = await open_page("/")
    cut = ["stream_cut"]
    found = await resumed(
        page,
        [cut, cut],
        [
            [{"cursor": 1, "text": "a"}, {"cursor": 2, "text": "b"}],
            [{"cursor": 1, "text": "a"}, {"cursor": 2, "text": "b"}, {"cursor": 2, "text": ""}],
            [{"cursor": 3, "text": "c"}, {"cursor": 4, "text": "", "done": "finished"}],
        ],
    )
    assert found["asked"] == [0, 2, 2]
    assert "".join(chunk["text"] for chunk in found["read"]) == "abc"
    assert [chunk["cursor"] for chunk in found["read"]] == [1, 2, 2, 2, 2, 3, 4]
    assert [chunk["request"] for chunk in found["read"]] == [1, 1, 2, 2, 2, 3, 3]
    assert [chunk["repeated"] for chunk in found["read"] if "repeated" in chunk] == ["a", "b"]


async def test_resuming_gives_up_after_ten_failures_without_progress_and_on_a_refusal_at_once(
    open_page: OpenPage,
) -> None:
    page = await open_page("/")
    found = await resumed(page, [["stream_cut"]] * 30, [[] for _ in range(30)])
    assert (len(found["asked"]), found["failed"]) == (ATTEMPTS, "stream_cut")
    one_each = [[{"cursor": cursor, "text": "x"}] for cursor in range(1, 20)]
    found = await resumed(page, [["stream_cut"]] * 19, one_each)
    assert found["asked"] == list(range(20))  # progress each time, so it never gives up
    found = await resumed(page, [["refused"]], [])
    assert (len(found["asked"]), found["failed"]) == (1, "refused")


async def test_no_more_than_two_requests_in_the_half_second_after_a_cut_and_never_earlier_than_asked(
    open_page: OpenPage,
) -> None:
    page = await open_page("/")
    found = await page.evaluate(
        """async () => {
          const { pauseMs, ATTEMPTS } = await import('/js/resume.js');
          const after = [...Array(ATTEMPTS).keys()].map((n) => n + 1);
          const pauses = (luck) => after.map((cuts) => [0, 2000].map((asked) => pauseMs(cuts, asked, () => luck)));
          return [0, 0.5, 1].map(pauses);
        }"""
    )
    shortest, _middle, longest = ([pause for pause, _ in each] for each in found)
    assert sum(shortest[:3]) >= 500  # so a third request comes no earlier
    twin = [resume.bounds(cuts) for cuts in range(1, ATTEMPTS + 1)]
    assert [(least / 1000, most / 1000) for least, most in zip(shortest, longest, strict=True)] == twin
    assert all(asked == pause + 2000 for each in found for pause, asked in each)


async def test_a_chunk_with_an_error_and_no_end_means_later(open_page: OpenPage) -> None:
    page = await open_page("/")
    later = {"cursor": 0, "text": "", "error": "Full.", "retry_ms": 1234}
    found = await resumed(page, [], [[later], [{"cursor": 1, "text": "", "done": "finished"}]])
    assert [chunk["cursor"] for chunk in found["read"]] == [1]
    assert found["pauses"][0] >= 1234


# An iframe's connection breaks


async def test_a_frame_that_broke_off_is_noticed_at_once_not_by_its_silence(open_page: OpenPage) -> None:
    page = await open_page("/demo/iframe?token_ms=40")
    await page.evaluate(
        "() => { window.setTimeout = new Proxy(setTimeout, { apply: (call, that, [f, ms]) =>"
        " (ms >= 40000 ? 0 : Reflect.apply(call, that, [f, ms])) }); }"
    )  # no watchdog at all
    await start(page)
    await has_typed(page, "iframe")
    await page.select_option("[name=cut_s]", "0")
    await page.click("[data-action=cut]")
    assert await finished(page) == {"iframe": "done"}
    assert await texts(page) == {"iframe": PRESETS["typewriter"].text}
    await expect(page.locator("[data-requests]")).to_have_text("2")
    await expect(page.locator("iframe")).to_have_count(0)


# Many cuts


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_cuts_at_forty_places_lose_nothing(open_context: OpenContext, name: str) -> None:
    page = await (await open_context()).new_page()
    await page.add_init_script(SHORT_PAUSES)
    async with server_process("--retry-ms", "100", "--first-token-ms", "0") as (url, _process):
        await page.goto(url)
        # Without a single chunk there is no progress, and the tenth failure in a row is the last one.
        places = ATTEMPTS - 1 if name == "whole" else CUT_PLACES
        found = await page.evaluate(CUT_AGAIN_AND_AGAIN, {"name": name, "places": places})
        answer = await (await page.request.get(f"{url}/answers/{found['id']}")).json()
        await page.goto("about:blank")
    assert found["text"] == answer["text"]
    assert (found["done"], found["isProved"]) == ("stopped", True)
    assert found["cuts"] >= places
    assert len(set(found["cursors"])) == len(found["cursors"]) == (0 if name == "whole" else places)
