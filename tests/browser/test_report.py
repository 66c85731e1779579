"""The report in a real Chromium, opened as people do: from a file, with no network, light or dark, wide or narrow."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Request, expect

from lab.report.charts import charts
from tests.browser.conftest import OpenContext
from tests.test_report import DOCUMENTS, html

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Any]


@pytest.fixture
def open_report(open_context: OpenContext, complaints: list[str], tmp_path: Path) -> Open:
    """Opens the report of one of DOCUMENTS, offline, and waits until its charts are drawn."""

    async def open_one(name: str, width: int = 1280) -> tuple[Page, list[str]]:
        file = tmp_path / "report.html"
        file.write_text(html(name), encoding="utf-8")
        context = await open_context()
        await context.set_offline(True)
        asked: list[str] = []

        def note(request: Request) -> None:
            asked.append(request.url)

        context.on("request", note)
        context.on("console", lambda message: complaints.append(message.text))  # warnings of the charts, too
        page = await context.new_page()
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(file.as_uri())
        await expect(page.locator(".chart svg.marks")).to_have_count(len(charts(DOCUMENTS[name])))
        return page, asked

    return open_one


async def marks(page: Page, chart: str, kind: str) -> int:
    """How many marks of a kind a chart shows."""
    return await page.locator(f"[data-chart={chart}] svg.marks .mark-{kind}.role-mark > *").count()


@pytest.mark.parametrize(
    "name", ["overhead", "load", "sweep", "crowd", "one row", "only the baseline", "no rows", "only void rows"]
)
async def test_it_opens_from_a_file_asks_for_nothing_and_complains_about_nothing(name: str, open_report: Open) -> None:
    page, asked = await open_report(name)
    assert asked == [page.url]
    await expect(page.locator("h1")).to_have_text("pushlab")


async def test_every_variant_is_drawn(open_report: Open) -> None:
    page, _ = await open_report("overhead")
    variants = {row["variant"] for row in DOCUMENTS["overhead"]["rows"]}
    assert await marks(page, "plane", "symbol") == len(variants)
    assert await marks(page, "curves", "symbol") == 3 * len(variants)  # p50, p95 and p99
    assert await marks(page, "stack", "rect") == 4 * len(variants)
    text = await page.locator("[data-chart=strips]").inner_text()
    assert all(variant in text for variant in variants)


async def test_the_charts_show_the_conditions_that_are_chosen(open_report: Open) -> None:
    page, _ = await open_report("sweep")
    before = await page.locator("[data-chart=strips] svg.marks").inner_html()
    await page.locator("select[name=scene]").select_option(label="1 reader, a token every 50 ms, TLS")
    await expect(page.locator("[data-chart=strips] .mark-rect.role-mark").first).to_be_attached()
    await page.wait_for_function(
        "before => document.querySelector('[data-chart=strips] svg.marks').innerHTML !== before", arg=before
    )
    assert await marks(page, "plane", "symbol") == 8  # of one condition, not of all three


async def test_a_chart_without_data_says_so_and_a_crowd_is_shown_beside_single_readers(open_report: Open) -> None:
    page, _ = await open_report("crowd")
    assert await marks(page, "memory", "rect") == 4
    assert await marks(page, "cpu_of_readers", "symbol") == 2
    assert "Shown: 150 readers, a token every 100 ms." in await page.locator("[data-chart=memory]").inner_text()
    await page.locator("select[name=scene]").select_option(label="150 readers, a token every 100 ms")
    said = page.locator("[data-chart=strips] .nothing")
    await expect(said).to_have_text("Nothing of this was measured with 150 readers, a token every 100 ms.")
    await expect(page.locator("[data-chart=strips] .chart")).to_be_hidden()
    await expect(page.locator("[data-chart=memory] .chart")).to_be_visible()
    assert await marks(page, "plane", "symbol") == 2


@pytest.mark.parametrize("width", [400, 1200, 1280])
async def test_no_legend_is_cut_off(width: int, open_report: Open) -> None:
    page, _ = await open_report("overhead", width=width)
    for chart in ("plane", "curves"):
        frame = await page.locator(f"[data-chart={chart}] svg.marks").bounding_box()
        entries = await page.locator(f"[data-chart={chart}] .role-legend-label text").all()
        assert len(entries) == 7
        for entry in entries:
            box = await entry.bounding_box()
            assert frame
            assert box
            assert frame["x"] <= box["x"] < box["x"] + box["width"] <= frame["x"] + frame["width"]
            assert frame["y"] <= box["y"]


async def test_the_data_can_be_saved(open_report: Open, tmp_path: Path) -> None:
    page, _ = await open_report("overhead")
    async with page.expect_download() as saved:
        await page.get_by_role("link", name="Download result.json").click()
    download = await saved.value
    assert download.suggested_filename == "result.json"
    await download.save_as(tmp_path / "saved.json")
    assert json.loads((tmp_path / "saved.json").read_text(encoding="utf-8")) == DOCUMENTS["overhead"]


async def test_a_chart_can_be_saved_as_a_picture_and_goes_nowhere_else(open_report: Open) -> None:
    page, asked = await open_report("one row")
    menu = page.locator("[data-chart=plane] details")
    await menu.locator("summary").click()
    assert await menu.locator("a").all_inner_texts() == ["Save as SVG", "Save as PNG"]
    async with page.expect_download() as saved:
        await menu.get_by_text("Save as SVG").click()
    assert (await saved.value).suggested_filename == "pushlab-plane.svg"
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("name", ["overhead", "load", "sweep"])
async def test_nothing_sticks_out_on_a_phone(name: str, open_report: Open) -> None:
    page, _ = await open_report(name, width=390)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "figures => figures.filter(f => f.querySelector('svg.marks').getBoundingClientRect().right > 390).length"
    assert await page.locator("figure").evaluate_all(wide) == 0


async def test_the_charts_turn_dark_with_the_page_and_back_for_paper(open_report: Open) -> None:
    page, _ = await open_report("overhead")
    label = page.locator("[data-chart=plane] .role-axis-title text").first
    inks = {}
    for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
        await page.emulate_media(media=media, color_scheme=scheme)
        inks[media, scheme] = await label.evaluate("text => getComputedStyle(text).fill")
    assert inks["screen", "light"] == inks["print", "dark"] == "rgb(23, 33, 43)"
    assert inks["screen", "dark"] == "rgb(237, 241, 244)"
