"""The pages in a real Chromium: six lanes, one text, whatever it contains and whoever presses what."""

import json
import re
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, Request, Route, expect

from server.sources.presets import PRESETS
from tests.browser.conftest import ROOT, OpenContext, OpenPage, server_process
from tests.browser.test_words import WORDS

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRANSPORTS = sorted(path.stem for path in (ROOT / "pages/js/transports").glob("*.js") if path.stem != "index")
LIVE = "[data-state=waiting], [data-state=typing]"
SHORT_PAUSES = """
const later = setTimeout;
window.setTimeout = (call, ms, ...more) => later(call, ms >= 40000 ? ms : Math.min(ms, 20), ...more);
"""


async def start(page: Page) -> dict[str, Any]:
    """Press Start; gives what the server answered."""
    async with page.expect_response("**/answers") as response:
        await page.click("[data-action=start]")
    document: dict[str, Any] = await (await response.value).json()
    return document


async def finished(page: Page) -> dict[str, str]:
    """Wait until no lane is live; gives the state of each visible lane."""
    await expect(page.locator(LIVE)).to_have_count(0)
    return await of_each_lane(page, "lane => lane.dataset.state")


async def texts(page: Page) -> dict[str, str]:
    return await of_each_lane(page, "lane => lane.querySelector('[data-text]').textContent")


async def of_each_lane(page: Page, script: str) -> dict[str, str]:
    found: dict[str, str] = await page.evaluate(
        "(script) => Object.fromEntries([...document.querySelectorAll('[data-transport]')]"
        f".filter(lane => !lane.hidden).map(lane => [lane.dataset.transport, ({script})(lane)]))"
    )
    return found


async def answer_of(page: Page, started: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = await (await page.request.get(f"/answers/{started['id']}")).json()
    return answer


async def end_of(page: Page, started: dict[str, Any]) -> str:
    """Wait until the answer has ended; gives how."""
    whole = await page.request.get(started["links"]["whole"])
    return str((await whole.json())["done"])


def methods_of(page: Page) -> list[str]:
    """The methods of all requests from now on, as they go out."""
    methods: list[str] = []

    def note(request: Request) -> None:
        methods.append(request.method)

    page.on("request", note)
    return methods


# The lesson itself


@pytest.mark.parametrize("preset", PRESETS)
async def test_all_lanes_end_with_the_identical_text(open_page: OpenPage, preset: str) -> None:
    page = await open_page(f"/?preset={preset}&token_ms=1")
    started = await start(page)
    assert await finished(page) == dict.fromkeys(TRANSPORTS, "done")
    answer = await answer_of(page, started)
    assert answer["text"] == PRESETS[preset].text
    assert await texts(page) == dict.fromkeys(TRANSPORTS, answer["text"])
    assert await of_each_lane(page, "lane => lane.querySelector('[data-seal]').textContent") == dict.fromkeys(
        TRANSPORTS, WORDS["en"]["intact"]
    )
    await expect(page.locator("[data-status]")).to_contain_text(f"All {len(TRANSPORTS)} lanes typed the identical text")


async def test_every_lane_waits_then_types_then_is_done_and_counts_what_it_took(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=5")
    await page.evaluate(
        """() => {
          window.seen = {};
          const note = ({ target }) => (window.seen[target.dataset.transport] ??= []).push(target.dataset.state);
          new MutationObserver((changes) => changes.forEach(note))
            .observe(document, { subtree: true, attributeFilter: ["data-state"] });
        }"""
    )
    await start(page)
    await finished(page)
    assert await page.evaluate("window.seen") == dict.fromkeys(TRANSPORTS, ["waiting", "typing", "done"])
    figures = {name: await page.locator(f"[data-transport={name}] dd").all_inner_texts() for name in TRANSPORTS}
    assert all(re.fullmatch(r"\d+ ms", ttft) for ttft, _, _ in figures.values())
    assert all(int(requests) >= 1 and int(chunks) >= 1 for _, requests, chunks in figures.values())
    assert figures["whole"][1:] == ["1", "1"]


async def test_an_own_text_stays_text(open_page: OpenPage) -> None:
    text = "  空格\n\n</script><img src=x onerror=alert(1)> <b>bold</b> &amp; {{ x }} 👩‍👩‍👧‍👦 "
    page = await open_page("/?token_ms=1")
    await page.select_option("[name=preset]", "own")
    await page.fill("[name=text]", text)
    await start(page)
    await finished(page)
    assert await texts(page) == dict.fromkeys(TRANSPORTS, text)


async def test_starting_again_leaves_the_old_answer_and_stops_it(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=300")
    old = await start(page)
    await expect(page.locator("[data-state=typing]")).to_have_count(len(TRANSPORTS) - 1)
    await page.select_option("[name=preset]", "off-work")
    await page.fill("[name=token_ms]", "5")
    await start(page)
    await finished(page)
    assert await texts(page) == dict.fromkeys(TRANSPORTS, PRESETS["off-work"].text)
    assert (await answer_of(page, old))["reason"] == "stopped"


# Coming and going


async def test_a_lane_that_joins_in_mid_run_reads_the_same_answer_from_its_beginning(open_page: OpenPage) -> None:
    lanes = dict.fromkeys(TRANSPORTS, "done")
    page = await open_page("/?token_ms=80")
    await page.uncheck("[name=lane][value=websocket]")
    await start(page)
    await expect(page.locator("[data-transport=sse]")).to_have_attribute("data-state", "typing")
    await page.uncheck("[name=lane][value=polling]")
    await expect(page.locator("[data-status]")).to_have_text(f"Started. Lanes reading this answer: {len(lanes) - 2}.")
    for joining in ("polling", "websocket"):
        await page.check(f"[name=lane][value={joining}]")
    assert await finished(page) == lanes
    assert await texts(page) == dict.fromkeys(lanes, PRESETS["typewriter"].text)
    await expect(page.locator("[data-status]")).to_contain_text(f"All {len(lanes)} lanes typed the identical text")
    notes = await of_each_lane(page, "lane => lane.querySelector('[data-note]').textContent")
    assert {name for name, note in notes.items() if re.match(r"Joined \d+\.\d s late", note)} == {
        "polling",
        "websocket",
    }
    ttft = await of_each_lane(page, "lane => parseInt(lane.querySelector('[data-ttft]').textContent)")
    assert ttft["websocket"] > ttft["sse"]


async def test_a_lane_may_join_before_the_server_has_answered(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=1&lane=sse")

    async def tick(route: Route) -> None:
        await page.check("[value=whole]")
        await route.continue_()

    await page.route("**/answers", tick)
    await start(page)
    assert await finished(page) == {"sse": "done", "whole": "done"}


async def test_the_last_lane_that_leaves_stops_the_answer(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=300&lane=sse&lane=whole")
    started = await start(page)
    for name in ("sse", "whole"):
        await page.uncheck(f"[value={name}]")
    assert await end_of(page, started) == "stopped"
    await expect(page.locator("[data-status]")).to_have_text(WORDS["en"]["verdict_nobody"])
    await expect(page.locator("[data-action=stop]")).to_have_attribute("aria-disabled", "true")
    await page.check("[value=sse]")
    assert await finished(page) == {"sse": "idle"}


@pytest.mark.parametrize(
    "leave",
    [
        lambda page: page.reload(),
        lambda page: page.click("[hreflang=zh]"),
        lambda page: page.click("[data-transport=sse] h2 a"),
        lambda page: page.goto("about:blank"),
    ],
    ids=["reload", "language", "demo", "elsewhere"],
)
async def test_leaving_the_page_stops_its_answer(open_page: OpenPage, leave: Callable[[Page], Awaitable[Any]]) -> None:
    page = await open_page("/?token_ms=300")
    started = await start(page)
    await leave(page)
    assert await end_of(page, started) == "stopped"


async def test_a_page_that_comes_back_shows_no_dead_run_as_a_live_one(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=300")
    await start(page)
    await expect(page.locator("[data-state=typing]").first).to_be_visible()
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert await finished(page) == dict.fromkeys(TRANSPORTS, "idle")
    await expect(page.locator("[data-status]")).to_have_text(WORDS["en"]["left"])
    await expect(page.locator("[data-action=stop]")).to_have_attribute("aria-disabled", "true")


# Stop


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_stop_works_on_each_lane_alone(open_page: OpenPage, name: str) -> None:
    page = await open_page(f"/demo/{name}?token_ms=100")
    in_band = await page.evaluate(
        "name => import('/js/transports/index.js').then(({TRANSPORTS}) => !!TRANSPORTS[name].stopsInBand)", name
    )
    methods = methods_of(page)
    started = await start(page)
    await page.wait_for_timeout(400)
    await page.click("[data-action=stop]")
    assert await finished(page) == {name: "stopped"}
    answer = await answer_of(page, started)
    assert answer["reason"] == "stopped"
    assert await texts(page) == {name: answer["text"]}
    assert ("DELETE" in methods) is not in_band


async def test_stop_before_the_first_character_says_so(open_page: OpenPage) -> None:
    page = await open_page("/")

    async def delay(route: Route) -> None:
        await route.continue_(post_data={"first_token_ms": 30_000})

    await page.route("**/answers", delay)
    await start(page)
    await page.click("[data-action=stop]")
    assert await finished(page) == dict.fromkeys(TRANSPORTS, "stopped")
    await expect(page.locator("[data-status]")).to_contain_text(WORDS["en"]["verdict_too_early"])


async def test_stop_over_the_socket_stops_all_lanes_without_another_request(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=100")
    methods = methods_of(page)
    await start(page)
    await expect(page.locator("[data-transport=websocket]")).to_have_attribute("data-state", "typing")
    await page.click("[data-action=stop]")
    assert await finished(page) == dict.fromkeys(TRANSPORTS, "stopped")
    assert len(set((await texts(page)).values())) == 1
    assert "DELETE" not in methods


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_stop_pressed_at_once_stops_too(open_page: OpenPage, name: str) -> None:
    page = await open_page(f"/demo/{name}?token_ms=100")
    await page.evaluate("document.querySelector('[data-action=start]').click()")
    await page.keyboard.press("Escape")
    assert await finished(page) == {name: "stopped"}


# The pages


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_a_demo_shows_the_very_files_that_run(open_page: OpenPage, name: str) -> None:
    page = await open_page(f"/demo/{name}?token_ms=1&preset=off-work")
    served = await (await page.request.get(f"/js/transports/{name}.js")).text()
    assert await page.locator("[data-source=client]").text_content() == served
    python = (ROOT / f"server/transports/{name}.py").read_text(encoding="utf-8")
    assert await page.locator("[data-source=server]").text_content() == python
    await expect(page.locator("[data-source=server]")).not_to_be_visible()
    await page.click("[name=side][value=server]", force=True)
    await expect(page.locator("[data-source=server]")).to_be_visible()
    await start(page)
    assert await finished(page) == {name: "done"}
    assert await texts(page) == {name: PRESETS["off-work"].text}


@pytest.mark.parametrize(("locale", "code"), [("en-GB", "en"), ("zh-CN", "zh")])
async def test_every_page_speaks_the_browsers_language_and_names_every_control(
    open_page: OpenPage, locale: str, code: str
) -> None:
    words = WORDS[code]
    nameless = """() => [...document.querySelectorAll("button, a, select, input, textarea")].filter(
      (control) => !control.textContent.trim() && !control.labels?.[0]?.textContent.trim()).length"""
    page = await open_page("/", locale=locale)
    for path in ["/", *(f"/demo/{name}" for name in TRANSPORTS)]:
        await page.goto(path)
        assert await page.evaluate(nameless) == 0
        assert str(await page.locator("html").get_attribute("lang")).startswith(code)
        await expect(page.locator("[data-action=start]")).to_have_text(words["start"])
        await expect(page.locator("[data-state-word]").first).to_have_text(words["state_idle"])
        await expect(page.locator("[data-status]")).to_have_text(words["ready"])
        assert set(await page.locator(".loop").all_text_contents()) <= set(words.values())


async def test_switching_the_language_keeps_the_rest_of_the_link(open_page: OpenPage) -> None:
    page = await open_page("/?preset=own&token_ms=7&lane=sse#text=a%26b")
    await page.click("[hreflang=zh]")
    await expect(page.locator("html")).to_have_attribute("lang", re.compile("^zh"))
    link = urlsplit(page.url)
    assert parse_qs(link.query) == {"preset": ["own"], "token_ms": ["7"], "lane": ["sse"], "lang": ["zh"]}
    assert link.fragment == "text=a%26b"
    await expect(page.locator("[name=text]")).to_have_value("a&b")
    await page.click("[hreflang=en]")
    await expect(page.locator("[data-action=start]")).to_have_text("Start")


async def test_a_setup_travels_in_the_link(open_page: OpenPage) -> None:
    read_form = "() => [...new FormData(document.querySelector('form'))].map(pair => pair.join('='))"
    page = await open_page("/")
    assert "?" not in page.url
    await page.select_option("[name=preset]", "own")
    await page.fill("[name=text]", "两行\n#&?=+ %41")
    await page.fill("[name=token_ms]", "12.5")
    await page.select_option("[name=unit]", "word")
    for name in TRANSPORTS[2:]:
        await page.uncheck(f"[name=lane][value={name}]")
    other = await open_page(page.url)
    assert await other.evaluate(read_form) == await page.evaluate(read_form)
    assert set(await of_each_lane(other, "lane => lane.dataset.state")) == set(TRANSPORTS[:2])
    await other.click(f"[data-transport={TRANSPORTS[0]}] h2 a")
    await expect(other.locator("[name=text]")).to_have_value("两行\n#&?=+ %41")
    await other.click("h1 a")
    await expect(other.locator("[name=text]")).to_have_value("两行\n#&?=+ %41")
    assert await other.evaluate(read_form) == await page.evaluate(read_form)


async def test_a_link_pasted_into_an_open_tab_fills_the_form_in(open_page: OpenPage) -> None:
    path = "/?preset=own&token_ms=1&lane=sse"
    page = await open_page(f"{path}#text=one")
    await page.evaluate("window.sameDocument = true")
    await page.goto(f"{path}#text=two")
    assert await page.evaluate("window.sameDocument")
    await expect(page.locator("[name=text]")).to_have_value("two")
    await start(page)
    await finished(page)
    assert await texts(page) == {"sse": "two"}
    assert page.url.endswith("#text=two")
    await page.go_back()
    await expect(page.locator("[name=text]")).to_have_value("one")
    assert page.url.endswith("#text=one")


async def test_a_recording_is_replayed_at_its_own_times_unless_the_form_asks_for_others(open_page: OpenPage) -> None:
    trace = PRESETS["count-to-100"].trace
    assert trace is not None
    page = await open_page("/?preset=count-to-100&lane=whole")
    for choose, due in [(None, [at for at, _ in trace.tokens]), ("sentence", None)]:
        if choose:
            await page.select_option("[name=unit]", choose)
        pace = str(await page.locator("[name=token_ms]").get_attribute("placeholder"))
        assert (pace == WORDS["en"]["recorded_pace"]) is (due is not None)
        started = await start(page)
        if due:
            await finished(page)
            entries = (await (await page.request.get(f"/answers/{started['id']}/timeline")).json())["entries"]
            assert [entry["text"] for entry in entries[:-1]] == trace.texts
            assert [entry["due_ms"] - entries[0]["due_ms"] for entry in entries[:-1]] == pytest.approx(
                [at - due[0] for at in due], abs=0.01
            )


async def test_a_link_with_nonsense_opens_the_default_setup(open_page: OpenPage) -> None:
    page = await open_page("/")
    for query in ["preset=nonsense", "unit=x&token_ms=fast", "lane=carrier-pigeon", "lang=tlh", "&&=?%"]:
        await page.goto(f"/?{query}")
        await expect(page.locator("[name=preset]")).to_have_value("typewriter")
        await expect(page.locator("[name=token_ms]")).to_have_value("")
        assert set(await of_each_lane(page, "lane => ''")) == set(TRANSPORTS)


async def test_without_a_lane_there_is_nothing_to_start(open_page: OpenPage) -> None:
    page = await open_page("/")
    for name in TRANSPORTS:
        await page.uncheck(f"[name=lane][value={name}]")
    await page.click("[data-action=start]")
    await expect(page.locator("[data-status]")).to_have_text(WORDS["en"]["choose_a_lane"])


async def test_an_own_text_that_is_missing_is_asked_for(open_page: OpenPage) -> None:
    page = await open_page("/?preset=own")
    methods = methods_of(page)
    await page.click("[data-action=start]")
    await expect(page.locator("[data-status]")).to_have_text(WORDS["en"]["write_a_text"])
    assert set((await finished(page)).values()) == {"idle"}
    assert "POST" not in methods


async def test_it_runs_by_keyboard_alone(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=100")
    focused = "() => document.activeElement.dataset.action"
    for _ in range(10):
        await page.keyboard.press("Tab")
        if await page.evaluate(focused) == "start":
            break
    assert await page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-state=typing]").first).to_be_visible()
    await page.keyboard.press("Tab")
    assert await page.evaluate(focused) == "stop"
    await page.keyboard.press("Space")
    assert set((await finished(page)).values()) == {"stopped"}


async def test_enter_starts_and_escape_stops_from_anywhere(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=100")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-state=typing]").first).to_be_visible()
    await page.keyboard.press("Escape")
    assert set((await finished(page)).values()) == {"stopped"}


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
async def test_a_projector_shows_all_without_scrolling(open_page: OpenPage, locale: str) -> None:
    page = await open_page("/", locale=locale, width=1280, height=720)
    six_lanes = "&".join(f"lane={name}" for name in TRANSPORTS[:6])  # as many as there is room for, at this size
    for path in [f"/?token_ms=1&{six_lanes}", "/demo/sse?token_ms=1"]:
        await page.goto(path)
        await start(page)
        await finished(page)
        below = "() => document.querySelector('.foot').getBoundingClientRect().bottom - innerHeight"
        assert await page.evaluate(below) <= 0
        assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        fits = "() => [...document.querySelectorAll('.paper')].every((e) => e.scrollHeight <= e.clientHeight)"
        assert await page.evaluate(fits)
        size = "() => parseFloat(getComputedStyle(document.querySelector('[data-text]')).fontSize)"
        assert await page.evaluate(size) >= 22


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
async def test_a_phone_never_scrolls_sideways(open_page: OpenPage, locale: str) -> None:
    page = await open_page("/", locale=locale, width=390, height=844)
    for path in ["/?preset=english&unit=word&token_ms=1", "/demo/sse?preset=english&unit=word&token_ms=1"]:
        await page.goto(path)
        await start(page)
        await finished(page)
        assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("locale", "code"), [("en", "en"), ("zh-CN", "zh")])
async def test_long_figures_neither_touch_nor_leave_their_lane(open_page: OpenPage, locale: str, code: str) -> None:
    page = await open_page("/", locale=locale)
    ttft = WORDS[code]["milliseconds"].replace("{n}", "14861")
    room = """(ttft) => Math.min(...[...document.querySelectorAll(".lane")].flatMap((lane) => {
      ["ttft", "requests", "chunks"].forEach((name, at) => {
        lane.querySelector(`[data-${name}]`).textContent = [ttft, "1280", "1280"][at];
      });
      const range = document.createRange();
      const boxes = [...lane.querySelectorAll(".figures div")].map((figure) => {
        range.selectNodeContents(figure);
        return range.getBoundingClientRect();
      });
      const ends = [...boxes.slice(1).map((box) => box.left), lane.getBoundingClientRect().right];
      return ends.map((end, at) => end - boxes[at].right);
    }))"""
    for width in (1280, 1024, 720, 390, 360):
        await page.set_viewport_size({"width": width, "height": 720})
        assert await page.evaluate(room, ttft) >= 10, width


async def test_a_long_text_shows_its_end(open_page: OpenPage) -> None:
    page = await open_page("/?preset=english&unit=word&token_ms=1&lane=sse&lane=polling")
    await start(page)
    await finished(page)
    ends = """() => [...document.querySelectorAll('[data-transport]:not([hidden]) .paper')].every((paper) =>
      Math.abs(paper.firstElementChild.getBoundingClientRect().bottom - paper.getBoundingClientRect().bottom) < 2)"""
    assert await page.evaluate(ends)


# When something is in the way


async def test_a_lane_says_that_it_waits_for_a_connection_and_then_how_long(open_context: OpenContext) -> None:
    context = await open_context()
    first, second = await context.new_page(), await context.new_page()
    for page in (first, second):
        await page.goto("/?token_ms=60")
    await start(first)
    await expect(first.locator("[data-state=typing]").first).to_be_visible()
    await start(second)
    await expect(second.locator("[data-note]", has_text="six per host over HTTP/1.1").first).to_be_visible()
    for page in (first, second):
        assert await finished(page) == dict.fromkeys(TRANSPORTS, "done")
    measured = second.locator("[data-note]", has_text=re.compile(r"Waited \d+\.\d s for one of the browser’s six"))
    await expect(measured.first).to_be_visible()
    await expect(second.locator("[data-note]", has_text="six per host")).to_have_count(0)


async def test_a_page_says_that_its_start_waits_for_a_connection(open_context: OpenContext) -> None:
    context = await open_context()
    page, other = await context.new_page(), await context.new_page()
    for each in (page, other):
        await each.goto("/?token_ms=1&preset=off-work")
    await other.evaluate(
        """async () => {
          const response = await fetch("/answers", { method: "POST", headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ text: "x".repeat(25), token_ms: 100 }) });
          const { links } = await response.json();
          for (const n of [1, 2, 3, 4, 5, 6]) fetch(`${links.whole}?reader=${n}`);
        }"""
    )
    await page.evaluate("document.querySelector('[data-action=start]').click()")
    await expect(page.locator("[data-status]")).to_have_text(WORDS["en"]["request_waits"])
    await expect(page.locator("[data-status]")).to_have_text(
        re.compile(r"identical .* The start itself waited \d\.\d s")
    )


async def test_a_refusal_is_shown_in_the_servers_own_words(open_page: OpenPage, complaints: list[str]) -> None:
    page = await open_page("/")
    await page.select_option("[name=preset]", "own")
    await page.fill("[name=text]", "字" * 30_000)
    problem = await start(page)
    await expect(page.locator("[data-status]")).to_have_text(f"The server refused: {problem['detail']}")
    assert set((await finished(page)).values()) == {"idle"}
    assert all("the server responded with a status of 4" in complaint for complaint in complaints)
    complaints.clear()  # Chromium itself logs every 4xx


async def ended_in_the_middle(page: Page, url: str, process: Process, how: signal.Signals) -> None:
    """End the server by a signal while all lanes that can are typing."""
    await page.goto(f"{url}/?token_ms=100")
    await start(page)
    await expect(page.locator("[data-state=typing]")).to_have_count(len(TRANSPORTS) - 1)
    process.send_signal(how)
    await process.wait()


async def test_a_server_that_dies_is_named_in_every_lane(open_context: OpenContext, complaints: list[str]) -> None:
    page = await (await open_context()).new_page()
    await page.clock.install()
    async with server_process() as (url, process):
        await ended_in_the_middle(page, url, process, signal.SIGKILL)
        while await page.locator(LIVE).count():  # each lane asks again, ever later, before it gives up
            await page.clock.fast_forward(15_000)
        assert await finished(page) == dict.fromkeys(TRANSPORTS, "failed")
    gone, part = WORDS["en"]["server_gone"], WORDS["en"]["not_whole"]
    notes = await of_each_lane(page, "lane => lane.querySelector('[data-note]').textContent")
    assert notes == {name: gone if name == "whole" else f"{gone} {part}" for name in TRANSPORTS}
    await expect(page.locator("[data-status]")).to_have_text(WORDS["en"]["verdict_none"])
    await page.click("[data-action=start]")
    await expect(page.locator("[data-status]")).to_have_text(WORDS["en"]["server_unreachable"])
    assert all("ERR_" in complaint for complaint in complaints), complaints
    complaints.clear()  # Chromium itself logs every connection that fails


async def test_a_server_that_was_started_anew_does_not_know_the_answer_any_more(
    open_context: OpenContext, complaints: list[str]
) -> None:
    page = await (await open_context()).new_page()
    async with server_process() as (url, process):
        await ended_in_the_middle(page, url, process, signal.SIGKILL)
    async with server_process("--port", url.rpartition(":")[2]):
        assert await finished(page) == dict.fromkeys(TRANSPORTS, "failed")
    notes = await of_each_lane(page, "lane => lane.querySelector('[data-note]').textContent")
    assert all(note.startswith(WORDS["en"]["answer_gone"]) for note in notes.values()), notes
    expected = ("ERR_", "404", "WebSocket connection to")  # Chromium itself logs what fails
    assert all(any(each in complaint for each in expected) for complaint in complaints), complaints
    complaints.clear()


async def test_what_a_server_that_is_stopped_leaves_behind_is_not_sealed(open_context: OpenContext) -> None:
    page = await (await open_context()).new_page()
    async with server_process() as (url, process):
        await ended_in_the_middle(page, url, process, signal.SIGTERM)
        assert await finished(page) == dict.fromkeys(TRANSPORTS, "failed")
        await expect(page.locator("[data-seal]", has_text=re.compile("."))).to_have_count(0)
        await page.goto("about:blank")


async def test_an_event_source_that_is_cut_goes_on_where_it_was(open_page: OpenPage) -> None:
    page = await open_page("/demo/sse?preset=off-work&token_ms=1")

    async def cut(route: Route) -> None:
        # When the whole answer is there, the server knows every cursor that this makes the browser come back with.
        await page.request.get(route.request.url.replace("/sse?", "/whole?"))
        events = "".join(
            f"id: {cursor}\ndata: {json.dumps({'cursor': cursor, 'text': text})}\n\n"
            for cursor, text in [(0, ""), (1, "够"), (2, "钟")]
        )
        await route.fulfill(content_type="text/event-stream", body=f"retry: 10\n{events}")

    await page.route("**/answers/*/sse*", cut, times=1)
    await start(page)
    assert await finished(page) == {"sse": "done"}
    assert await texts(page) == {"sse": "够钟下班啦"}  # from the start again, it would be 够钟够钟下班啦
    await expect(page.locator("[data-requests]")).to_have_text("2")


async def test_a_frame_that_is_cut_is_no_end_but_asked_for_again(open_page: OpenPage) -> None:
    page = await open_page("/demo/iframe?token_ms=1")
    broken = {"content_type": "text/html", "body": "<p>cut"}
    await page.route("**/answers/*/iframe*", lambda route: route.fulfill(**broken), times=1)
    await start(page)
    assert await finished(page) == {"iframe": "done"}
    assert await texts(page) == {"iframe": PRESETS["typewriter"].text}
    await expect(page.locator("[data-requests]")).to_have_text("2")
    await expect(page.locator("iframe")).to_have_count(0)


async def test_a_frame_that_is_cut_every_time_is_a_failure_and_no_end(open_context: OpenContext) -> None:
    page = await (await open_context()).new_page()
    await page.add_init_script(SHORT_PAUSES)
    await page.goto("/demo/iframe?token_ms=1")
    await page.route("**/answers/*/iframe*", lambda route: route.fulfill(content_type="text/html", body="<p>cut"))
    await start(page)
    assert await finished(page) == {"iframe": "failed"}
    await expect(page.locator("[data-note]")).to_have_text(WORDS["en"]["stream_cut"])
    await expect(page.locator("iframe")).to_have_count(0)


async def test_a_message_from_elsewhere_is_not_typed(open_page: OpenPage) -> None:
    page = await open_page("/demo/iframe?token_ms=5")
    await start(page)
    await page.evaluate(
        "() => { for (const _ of Array(20)) postMessage({ cursor: 1, text: 'forged' }, location.origin); }"
    )
    assert await finished(page) == {"iframe": "done"}
    assert await texts(page) == {"iframe": PRESETS["typewriter"].text}
