"""The report of attacks in a real Chromium: its cells lead to evidence, and what attackers wrote stays text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from lab.report import attacks, security
from lab.report.leak_charts import charts
from lab.security import claims
from tests.browser.conftest import OpenContext
from tests.security import sample
from tests.security.test_report import hostile

pytestmark = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Any]


@pytest.fixture
def open_report(
    open_context: OpenContext, complaints: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Open:
    """Opens a report from its file, offline, and waits until its charts are drawn."""
    monkeypatch.setattr(attacks, "FAMILIES", sample.FAMILIES)
    monkeypatch.setattr(claims, "FAMILIES", sample.FAMILIES)

    async def open_one(made: dict[str, Any], width: int = 1280, script: bool = True) -> tuple[Page, list[str]]:
        file = tmp_path / "report.html"
        html = security.report(made | {"verdicts": claims.of_document(made)}, tmp_path)
        file.write_text(html, encoding="utf-8")
        context = await open_context()
        await context.set_offline(True)
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        page = await context.new_page()
        page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto(file.as_uri())
        await expect(page.locator(".chart svg.marks")).to_have_count(len(charts(made)))
        return page, asked

    return open_one


async def test_a_cell_unfolds_its_evidence(open_report: Open) -> None:
    page, asked = await open_report(sample.result())
    evidence = page.locator("details.cell", has_text="record_bytes: 128, 128, 128").first
    await expect(evidence).to_be_hidden()
    await page.get_by_role("link", name="Token lengths, Frames padded to a bucket, sse: succeeded → stopped").click()
    evidence = page.locator("#token-length-padding-sse")
    await expect(evidence.get_by_text("record_bytes: 128, 128, 128")).to_be_in_viewport()
    await expect(evidence.get_by_text("Guessed 106 of 106 lengths.")).to_be_visible()
    assert [url for url in asked if not url.startswith(page.url.partition("#")[0])] == []


async def test_an_address_of_a_cell_opens_it(open_report: Open) -> None:
    page, _ = await open_report(sample.result())
    await page.goto(f"{page.url}#tampering-tls-iframe")
    await page.reload()
    await expect(page.locator("#tampering-tls-iframe .runs")).to_be_in_viewport()


async def test_what_attackers_wrote_runs_nowhere(open_report: Open) -> None:
    page, asked = await open_report(hostile())
    for each in await page.locator("details").all():
        await each.evaluate("details => { details.open = true }")
    assert await page.locator("img").count() == 0
    assert await page.locator("pre", has_text="<script>alert(1)</script>").count() > 10
    assert asked == [page.url]


async def test_the_policy_stops_a_script_that_would_get_in_all_the_same(
    open_report: Open, complaints: list[str]
) -> None:
    page, _ = await open_report(sample.result())
    await page.evaluate(
        """() => {
          document.body.insertAdjacentHTML("beforeend", "<img src=data:, onerror='window.owned = 1'>");
          const script = document.createElement("script");
          script.textContent = "window.owned = 2";
          document.body.append(script);
        }"""
    )
    await page.wait_for_function("() => [...document.images].every((image) => image.complete)")
    assert await page.evaluate("window.owned") is None
    assert complaints
    complaints.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_sticks_out_on_a_phone(scheme: Any, open_report: Open) -> None:
    page, _ = await open_report(sample.result(), width=400)
    await page.emulate_media(color_scheme=scheme)
    for each in await page.locator("details").all():
        await each.evaluate("details => { details.open = true }")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 400
    first = await page.locator(".matrix [scope=row]").first.bounding_box()
    assert first
    assert first["width"] < 200
    await page.get_by_role("link", name="Tampering, TLS, polling: succeeded → stopped").click()
    await expect(page.locator("#tampering-tls-polling .runs")).to_be_in_viewport()


async def test_the_legends_of_the_charts_are_whole_on_a_phone(open_report: Open) -> None:
    page, _ = await open_report(sample.result(), width=400)
    frame = await page.locator("[data-chart=price] svg.marks").bounding_box()
    entries = await page.locator("[data-chart=price] .role-legend-label text").all()
    assert len(entries) == len(sample.STREAMS) + 3
    for entry in entries:
        box = await entry.bounding_box()
        assert frame
        assert box
        assert frame["x"] <= box["x"] < box["x"] + box["width"] <= frame["x"] + frame["width"]
