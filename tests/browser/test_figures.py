"""The figures under the lanes, in a real Chromium: drawn is what happened, shown is what was counted, and it travels.

The one thing to notice: nothing is compared with itself. What the page shows is held against the server's ledger, and
the bytes it reveals against what the server says crossed the socket.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from server.sources.presets import PRESETS
from tests.browser.conftest import OpenContext, OpenPage, server_process
from tests.browser.test_pages import SHORT_PAUSES, TRANSPORTS, finished, start
from tests.browser.test_words import WORDS

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTROLS = dict(
    enumerate(["NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "TAB", "LF", "VT", "FF", "CR"])
)
CONTROLS |= {14: "SO", 15: "SI", 16: "DLE", 17: "DC1", 18: "DC2", 19: "DC3", 20: "DC4", 21: "NAK", 22: "SYN", 23: "ETB"}
CONTROLS |= {24: "CAN", 25: "EM", 26: "SUB", 27: "ESC", 28: "FS", 29: "GS", 30: "RS", 31: "US", 127: "DEL"}


async def settled(page: Page) -> None:
    """Wait until the figures are final."""
    await expect(page.locator("[data-figures=done]")).to_be_attached()


async def run(page: Page) -> dict[str, Any]:
    """Start, and wait for the end; gives what the server answered to the start."""
    started = await start(page)
    await finished(page)
    await settled(page)
    return started


async def ledger(page: Page, started: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The server's rows of that answer, by transport."""
    document = await (await page.request.get(f"/answers/{started['id']}/ledger")).json()
    assert [row["reader"] for row in document["rows"]] == ["page"] * len(document["rows"])
    return {row["transport"]: row for row in document["rows"]}


async def table(page: Page) -> dict[str, dict[str, float | None]]:
    """The exact figures in the table, by transport."""
    found: dict[str, dict[str, float | None]] = await page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[data-figure]:not([hidden])')].map((row) => [
          row.dataset.figure,
          Object.fromEntries([...row.querySelectorAll('td')].map(({ dataset }) => [
            dataset.of, dataset.value === '' ? null : Number(dataset.value),
          ])),
        ]))"""
    )
    return found


async def drawn(page: Page, *names: str) -> dict[str, int]:
    """How many marks of these kinds there are in each strip."""
    found: dict[str, int] = await page.evaluate(
        """(names) => Object.fromEntries([...document.querySelectorAll('[data-strip]:not([hidden])')].map((row) => [
          row.dataset.strip,
          names.flatMap((name) => [...row.querySelectorAll(`.strip .${name}`)])
            .reduce((total, path) => total + path.getAttribute('d').split('M').length - 1, 0),
        ]))""",
        list(names),
    )
    return found


async def wire(page: Page, started: dict[str, Any], name: str, token: int) -> dict[str, Any]:
    """What the server says that crossed the socket for a token."""
    response = await page.request.get(f"/answers/{started['id']}/wire?transport={name}&reader=page&token={token}")
    document: dict[str, Any] = await response.json()
    assert response.status == 200, document
    return document


def shown(data: bytes) -> str:
    """Bytes as the page writes them."""

    def sign(character: str) -> str:
        code = ord(character)
        if 0xDC80 <= code <= 0xDCFF:  # no character of UTF-8
            return f"{code - 0xDC00:02X}"
        return CONTROLS.get(code, character) + ("\n" if character == "\n" else "")

    return "".join(map(sign, data.decode(errors="surrogateescape")))


# What was counted


async def test_the_table_ends_with_exactly_what_the_ledger_counted(open_page: OpenPage) -> None:
    page = await open_page("/?preset=off-work&token_ms=20")
    rows = await ledger(page, await run(page))
    figures = await table(page)
    assert rows.keys() == figures.keys() == set(TRANSPORTS)  # no row for the socket that looks on
    for name, row in rows.items():
        bytes_both = row["bytes_up"] + row["bytes_down"]
        for key in ("requests", "connections", "bytes_up", "bytes_down"):
            assert figures[name][key] == row[key], (name, key)
        assert figures[name]["overhead_factor"] == pytest.approx(bytes_both / len(PRESETS["off-work"].text.encode()))
        assert figures[name]["bytes_per_token"] == pytest.approx(bytes_both / row["tokens"])
        assert figures[name]["tokens_per_read"] == pytest.approx(row["tokens"] / row["chunks"])
    totals = {name: row["bytes_up"] + row["bytes_down"] for name, row in rows.items()}
    best = min(totals.values())
    assert {name: figure["times_best"] for name, figure in figures.items()} == pytest.approx(
        {name: total / best for name, total in totals.items()}
    )
    assert await page.locator("[data-best]").count() == list(totals.values()).count(best)


async def test_counters_run_while_the_lanes_type(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=100")
    await page.click(".foot [data-jump]")
    await page.evaluate("document.querySelector('[data-action=start]').click()")
    for name in TRANSPORTS:
        await expect(page.locator(f"[data-figure={name}] [data-of=bytes_up]")).to_have_text(re.compile(r"\d"))
    await expect(page.locator("[data-strip=sse] .open-edges")).to_have_attribute("d", re.compile("M"))
    assert await page.locator("[data-figures=live]").count() == 1
    await page.keyboard.press("Escape")
    await settled(page)
    assert set((await drawn(page, "open-edges")).values()) == {0}


async def test_times_are_of_one_clock(open_page: OpenPage) -> None:
    page = await open_page("/?preset=off-work&token_ms=20&lane=sse&lane=whole")
    await run(page)
    for name, figures in (await table(page)).items():
        ttft, end, lag = figures["ttft_ms"], figures["end_ms"], figures["lag_ms"]
        assert ttft is not None
        assert end is not None
        assert lag is not None
        assert 0 < ttft <= end, name
        assert lag < end, name
    script = """async () => {
      const { closest, exchange } = await import('/js/live.js');
      const [slow, quick] = [exchange(100, 5150, 180), exchange(200, 5205, 206)];
      return [slow, quick, closest(slow, quick), closest(quick, slow), closest(null, slow)];
    }"""
    slow, quick = {"offset": 5010, "error": 40}, {"offset": 5002, "error": 3}
    assert await page.evaluate(script) == [slow, quick, quick, quick, slow]


async def test_a_lane_that_is_taken_out_competes_no_more(open_page: OpenPage) -> None:
    page = await open_page("/?preset=off-work&token_ms=5")
    await run(page)
    await page.uncheck("[name=lane][value=whole]")
    figures = await table(page)
    assert figures.keys() == set(TRANSPORTS) - {"whole"}
    assert min(figure["times_best"] or 0 for figure in figures.values()) == 1


# What is drawn


async def test_there_is_a_tick_for_each_token_a_joint_for_each_read_and_a_bar_for_each_request(
    open_page: OpenPage,
) -> None:
    page = await open_page("/?token_ms=10")
    rows = await ledger(page, await run(page))
    assert await drawn(page, "tick") == {name: row["tokens"] for name, row in rows.items()}
    assert await drawn(page, "joint") == {name: row["chunks"] for name, row in rows.items()}
    assert await drawn(page, "edges", "empty-edges") == {name: row["requests"] for name, row in rows.items()}
    assert await drawn(page, "news", "empty") == {name: row["requests"] for name, row in rows.items()}


async def test_thousands_of_tokens_are_few_elements(open_page: OpenPage) -> None:
    page = await open_page("/?preset=own&token_ms=0&lane=whole&lane=sse&lane=polling")
    await page.fill("[name=text]", "0123456789" * 200)
    await page.press("[name=text]", "Control+Enter")
    await settled(page)
    assert await drawn(page, "tick") == dict.fromkeys(["polling", "sse", "whole"], 2000)
    assert await page.locator(".strip path").count() < 100


async def test_a_gap_over_twice_the_pace_is_marked_by_its_shape(open_page: OpenPage) -> None:
    page = await open_page("/?preset=count-to-100&lane=websocket")
    await run(page)
    figures = (await table(page))["websocket"]
    limit = int(re.findall(r"\d+", await page.locator("[data-limit]").inner_text())[0])
    gaps = await drawn(page, "gap")
    assert gaps["websocket"] >= 1
    assert await drawn(page, "gap-caps") == {"websocket": 2 * gaps["websocket"]}
    assert (figures["largest_gap_ms"] or 0) > limit
    await expect(page.locator("[data-notes]")).to_contain_text(re.compile(r"The answer itself paused for \d+ ms"))
    script = """async (reads) => {
      const { gaps } = await import('/js/strip.js');
      return gaps(reads.map((at) => ({ at })), 160);
    }"""
    assert await page.evaluate(script, [0, 160, 321, 400, 700]) == [[160, 321], [400, 700]]


async def test_every_strip_says_in_words_what_it_shows(open_page: OpenPage) -> None:
    page = await open_page("/?preset=off-work&token_ms=20")
    rows = await ledger(page, await run(page))
    for name in TRANSPORTS:
        track = page.get_by_role("slider", name=re.compile(f"^{re.escape(WORDS['en'][f'name_{name}'])}: 5 tokens in "))
        await expect(track).to_have_count(1)
        sentence = await page.locator(f"[data-strip={name}] [data-why]").inner_text()
        assert re.search(r"\d", sentence)
        assert "undefined" not in sentence
        assert "NaN" not in sentence
    polling = rows["polling"]
    await expect(page.locator("[data-strip=polling] [data-why]")).to_contain_text(
        f"Asked {polling['requests']} times, {polling['requests'] - polling['chunks']} for nothing."
    )


async def test_what_the_page_cannot_know_it_says(open_page: OpenPage) -> None:
    page = await open_page("/")
    script = """async () => {
      const { notes, why } = await import('/js/why.js');
      const figures = { requests: 3, tokens: 6, reads: 2, text_bytes: 12, bytes_up: 20, bytes_down: 92, ttft_ms: 50,
        source: 'asyncio', segments: null };
      return [why({ name: 'pigeon', figures }), ...notes({ lanes: [{ figures, spans: [1] }], paused_ms: 0 }, {})];
    }"""
    assert await page.evaluate(script) == [
        "3 requests, 6 tokens in 2 reads. Each read: 50 bytes around 6 of text.",
        WORDS["en"]["note_room"],
        WORDS["en"]["note_asyncio"],
    ]


async def test_a_tab_that_was_hidden_says_so(open_page: OpenPage) -> None:
    page = await open_page("/?preset=off-work&token_ms=100&lane=sse")
    await start(page)
    await page.evaluate(
        """() => {
          Object.defineProperty(document, 'hidden', { configurable: true, value: true });
          document.dispatchEvent(new Event('visibilitychange'));
          delete document.hidden;
        }"""
    )
    await expect(page.locator("[data-notes]")).to_contain_text(WORDS["en"]["note_hidden"])
    await settled(page)
    await expect(page.locator("[data-notes]")).to_contain_text(WORDS["en"]["note_hidden"])
    assert json.loads(await saved(page, "json"))["was_hidden"] is True
    await run(page)
    await expect(page.locator("[data-notes]")).not_to_contain_text(WORDS["en"]["note_hidden"])


async def test_figures_that_broke_off_say_so(open_context: OpenContext, complaints: list[str]) -> None:
    page = await (await open_context()).new_page()
    await page.add_init_script(SHORT_PAUSES)  # or the lanes would try for a minute
    async with server_process() as (url, process):
        await page.goto(f"{url}/?token_ms=50&lane=polling&lane=websocket")
        await start(page)
        await expect(page.locator("[data-state=typing]")).to_have_count(2)
        process.kill()
        await process.wait()
        await settled(page)
    await expect(page.locator("[data-notes]")).to_contain_text(WORDS["en"]["note_lost"])
    gone = f"{WORDS['en']['server_gone']} {WORDS['en']['not_whole']}"
    await expect(page.locator("[data-note]", has_text=gone)).to_have_count(2)
    assert {figure["times_best"] for figure in (await table(page)).values()} == {None}
    assert all("ERR_" in complaint for complaint in complaints), complaints
    complaints.clear()  # Chromium itself logs every connection that fails


# What crossed the wire


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_the_wire_shows_the_bytes_that_crossed_the_socket(open_page: OpenPage, name: str) -> None:
    page = await open_page(f"/demo/{name}?preset=off-work&token_ms=30")
    started = await run(page)
    await page.focus(f"[data-strip={name}] [data-track]")
    await page.keyboard.press("End")
    await expect(page.locator("[data-where]")).to_contain_text("啦")
    crossed = await wire(page, started, name, 5)
    await expect(page.locator("[data-headline]")).to_have_text(
        f"{crossed['bytes']:,} bytes, {len(crossed['text'].encode())} of them yours."
    )
    own = [part for part in crossed["parts"] if not part["shared"]]
    assert sum(len(base64.b64decode(part["data"])) for part in own) == crossed["bytes"]
    for shared in (False, True):
        parts = [part for part in crossed["parts"] if part["shared"] is shared]
        seen = await page.locator(f"[data-shared={str(shared).lower()}] [data-kind]").evaluate_all(
            "(spans) => spans.map((span) => [span.dataset.kind, span.textContent])"
        )
        assert seen == [[part["kind"], shown(base64.b64decode(part["data"]))] for part in parts]
    kinds = [(part["kind"], base64.b64decode(part["data"]).decode(errors="replace")) for part in own]
    assert ("text", crossed["text"]) in kinds


async def test_a_token_is_chosen_by_mouse_keys_or_buttons_and_marked_in_its_strip(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=20&lane=polling&lane=sse&lane=whole")
    await run(page)
    document = json.loads(await saved(page, "json"))
    reads = {row["transport"]: row["reads"] for row in document["rows"]}
    assert all(len(reads[name]) > 3 for name in ("polling", "sse"))

    def where(name: str, at: int) -> str:
        read = reads[name][at]
        last = read["first"] + read["tokens"] - 1
        key = "wire_token" if read["tokens"] == 1 else "wire_tokens"
        quoted = read["text"] if len(read["text"]) <= 40 else f"{read['text'][:40]}…"
        return WORDS["en"][key].format(name=WORDS["en"][f"name_{name}"], last=last, **read | {"text": quoted})

    place, chosen = page.locator("[data-where]"), page.locator("[data-strip=sse] .chosen")
    track = page.locator("[data-strip=sse] [data-track]")
    box = await track.bounding_box()
    assert box is not None
    await track.click(position={"x": box["width"] - 2, "y": 5})
    await expect(place).to_have_text(where("sse", -1))
    await expect(page.locator("[data-headline]")).to_be_in_viewport()
    await expect(chosen).to_have_attribute("d", re.compile("^M"))
    await expect(track).to_have_attribute("aria-valuenow", str(reads["sse"][-1]["first"]))
    await page.click("[data-action=wire-previous]")
    await expect(place).to_have_text(where("sse", -2))
    await page.click("[data-wire-lane=whole]")
    await expect(place).to_have_text(where("whole", 0))
    await expect(chosen).to_have_attribute("d", "")
    await page.click("[data-wire-lane=polling]")
    await expect(place).to_have_text(where("polling", 0))
    await page.click("[data-action=wire-next]")
    await expect(place).to_have_text(where("polling", 1))
    await track.focus()
    for key, at in [("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", -1)]:
        await page.keyboard.press(key)
        await expect(place).to_have_text(where("sse", at))
    await page.evaluate("scrollTo(0, 0)")
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-headline]")).to_be_in_viewport()
    assert await page.locator("[data-figures=done]").count() == 1  # Enter starts nothing here
    await page.click("[data-action=start]")
    await expect(page.locator("[data-headline]")).to_have_text(WORDS["en"]["wire_hint"])


async def test_whatever_crosses_the_wire_is_shown_and_does_nothing(open_page: OpenPage) -> None:
    text = "</pre><img src=x onerror=alert(1)>\u202e\u0085"
    page = await open_page("/?preset=own&token_ms=0&lane=whole&lane=websocket")
    await page.fill("[name=text]", text)
    await run(page)
    await page.click("[data-wire-lane=whole]")
    await expect(page.locator("[data-kind=text]").last).to_have_text("</pre><img src=x onerror=alert(1)>U+202EU+0085")
    await expect(page.locator("[data-wire] img")).to_have_count(0)


async def test_an_answer_whose_traffic_was_not_kept_says_why(open_page: OpenPage, complaints: list[str]) -> None:
    page = await open_page("/?preset=off-work&token_ms=5&lane=sse")
    await run(page)
    refusal = {"title": "Not Found", "status": 404, "detail": "Nothing was kept."}
    await page.route("**/wire?*", lambda route: route.fulfill(status=404, json=refusal))
    await page.click("[data-wire-lane=sse]")
    await expect(page.locator("[data-headline]")).to_have_text("The server refused: Nothing was kept.")
    assert all("404" in complaint for complaint in complaints)
    complaints.clear()  # Chromium itself logs every 4xx


# To take away


async def saved(page: Page, ending: str) -> str:
    """What a button saves."""
    async with page.expect_download() as download:
        await page.click(f"[data-action=export-{ending}]")
    file = await download.value
    assert file.suggested_filename.startswith("pushlab-")
    assert file.suggested_filename.endswith(f".{ending}")
    return text_of(await file.path())


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


async def test_a_run_is_saved_with_every_time_that_was_taken(open_page: OpenPage) -> None:
    page = await open_page("/?preset=off-work&token_ms=20")
    await expect(page.locator("[data-action=export-json]")).to_have_attribute("aria-disabled", "true")
    started = await run(page)
    rows, figures = await ledger(page, started), await table(page)
    document = json.loads(await saved(page, "json"))
    assert document["answer"] == started["id"]
    assert document["fields"] == {"preset": "off-work", "token_ms": 20}
    assert document["user_agent"] == await page.evaluate("navigator.userAgent")
    assert len(document["times"]["appended_ms"]) == len(document["times"]["due_ms"]) == 5
    assert {row["transport"] for row in document["rows"]} == rows.keys()
    for row in document["rows"]:
        name = row["transport"]
        assert row["ledger"] == rows[name]
        assert row["text"] == PRESETS["off-work"].text
        assert len(row["received_ms"]) == rows[name]["tokens"] == sum(read["tokens"] for read in row["reads"])
        assert len(row["spans"]) == rows[name]["requests"]
        assert row["why"] == await page.locator(f"[data-strip={name}] [data-why]").inner_text()
        assert {key: row[key] for key in figures[name]} == figures[name]


@pytest.mark.parametrize(("locale", "code"), [("en", "en"), ("zh-CN", "zh")])
async def test_a_saved_page_opens_without_server_network_or_script(
    open_page: OpenPage, open_context: OpenContext, tmp_path: Path, locale: str, code: str
) -> None:
    page = await open_page("/?preset=off-work&token_ms=20", locale=locale)
    await run(page)
    file = tmp_path / "saved.html"
    file.write_text(await saved(page, "html"), encoding="utf-8")
    context = await open_context()
    await context.set_offline(True)
    offline = await context.new_page()
    asked: list[str] = []
    offline.on("request", lambda request: asked.append(request.url))
    await offline.goto(file.as_uri())
    assert asked == [file.as_uri()]
    assert await table(offline) == await table(page)
    assert await drawn(offline, "tick") == await drawn(page, "tick") == dict.fromkeys(TRANSPORTS, 5)
    assert await offline.locator("script, button, [tabindex]").count() == 0
    assert await offline.evaluate("document.querySelector('.strip').getBoundingClientRect().height") > 30
    await expect(offline.locator("h2")).to_have_text([WORDS[code]["figures"]])
    await expect(offline.get_by_text("SHA-256")).to_have_count(1)


# How it looks


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
async def test_the_figures_of_six_lanes_fit_one_screen_of_a_projector(open_page: OpenPage, locale: str) -> None:
    six_lanes = "&".join(f"lane={name}" for name in TRANSPORTS[:6])
    page = await open_page(f"/?preset=off-work&token_ms=20&{six_lanes}", locale=locale, width=1280, height=720)
    await run(page)
    await page.click(".foot [data-jump]")
    await expect(page.locator("[data-figures] h2")).to_be_in_viewport()
    boxes = """() => ['[data-figures]', '[data-notes]', '.strip-row', 'tbody tr'].flatMap((selector) =>
      [...document.querySelectorAll(selector)].map((element) => element.getBoundingClientRect())
        .flatMap(({ top, bottom }) => [Math.round(top), Math.round(bottom)]))"""
    places = await page.evaluate(boxes)
    assert min(places) >= 0
    assert max(places) <= 720
    overlaps = (
        "() => document.querySelector('.table-box').scrollWidth > document.querySelector('.table-box').clientWidth"
    )
    assert not await page.evaluate(overlaps)
    await page.click("[data-figures] [data-jump]")
    assert await page.evaluate("scrollY") == 0


async def test_a_lane_that_came_back_is_said_to_have_read_twice(open_page: OpenPage) -> None:
    page = await open_page("/?token_ms=40")
    await start(page)
    await expect(page.locator("[data-transport=sse] [data-text]")).not_to_be_empty()
    await page.uncheck("[name=lane][value=sse]")
    await page.check("[name=lane][value=sse]")
    await finished(page)
    await settled(page)
    await expect(page.locator("[data-notes]")).to_contain_text("SSE: read more than once in this run.")


async def test_escapes_of_json_are_not_yours(open_page: OpenPage) -> None:
    page = await open_page(f"/?preset=own&lane=iframe&token_ms=5#text={quote('<')}")
    await run(page)
    await page.click("[data-wire-lane=iframe]")
    await expect(page.locator("[data-headline]")).to_contain_text("1 of them yours")


async def test_without_the_servers_figures_the_lanes_say_so(open_context: OpenContext) -> None:
    async def refuse(socket: WebSocketRoute) -> None:
        await socket.close()

    page = await (await open_context()).new_page()
    await page.route_web_socket("**/live", refuse)
    await page.goto("/?token_ms=5&lane=sse")
    await start(page)
    await finished(page)
    await expect(page.locator("[data-strip=sse] [data-why]")).to_have_text(WORDS["en"]["why_uncounted"])


async def test_a_long_text_stays_within_its_lane_on_the_page_of_one_transport(open_page: OpenPage) -> None:
    page = await open_page("/demo/sse?preset=english&token_ms=1")
    await run(page)
    stage, lane = [await page.locator(name).bounding_box() for name in (".stage", ".lane")]
    assert stage is not None
    assert lane is not None
    assert lane["y"] + lane["height"] <= stage["y"] + stage["height"]
