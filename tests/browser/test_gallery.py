"""The attack gallery in a real Chromium: every attack that can be played, played; one that is run; and its page itself.

The one thing to notice: on the left the attack has to succeed and on the right it must not. Either alone shows nothing.
"""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from lab.security.gallery import app, stages
from lab.security.gallery.plays import AS_IT_SHIPS, PLAYS
from lab.security.gallery.words import WORDS, about
from lab.security.probes import PROBES
from server.defences import DEFENCES
from tests.browser.conftest import REPORT_VIOLATIONS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gallery() -> AsyncIterator[str]:
    """The URL of a gallery that stays open for all of these tests; it keeps more servers, so that fewer are started."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stages, "MOST", 12)
        async with app.opening(0, app.now() + timedelta(minutes=15)) as url:
            yield url


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """The teacher's profile: everything is played in one."""
    context = await browser.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
    await context.add_init_script(REPORT_VIOLATIONS)
    yield context
    await context.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def heard() -> list[str]:
    """What the browser complains of in the gallery's own page; in those of attackers and victims it may."""
    return []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(context: BrowserContext, gallery: str, heard: list[str]) -> Page:
    """The teacher's tab: all attacks are played in one."""

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and urlsplit(message.location["url"]).netloc == urlsplit(gallery).netloc:
            heard.append(message.text)

    page = await context.new_page()
    page.on("console", listen)
    return page


@pytest.fixture(autouse=True)
def no_complaints(heard: list[str]) -> Iterator[None]:
    """Each test answers for its own."""
    heard.clear()
    yield
    assert heard == []


async def show(page: Page, gallery: str, probe: str, language: str = "en") -> Locator:
    """Open the card of an attack."""
    await page.goto(f"{gallery}?lang={language}#{probe}")
    card = page.locator(f"[data-attack={probe}]")
    await expect(card).to_be_visible()
    return card


def side(card: Locator, name: str) -> Locator:
    return card.locator(f"[data-side={name}]")


async def click_to_win(card: Locator) -> None:
    """What a victim does who sees the stranger's page only."""
    stranger = side(card, "off").locator(".stranger iframe").content_frame
    await expect(side(card, "on")).to_have_attribute("data-result", "stopped")
    await expect(stranger.locator("output")).not_to_have_text("…")  # the frame over it is there
    await stranger.locator("button").click(force=True)  # whatever may lie on top of it


async def play(card: Locator) -> None:
    """Press Play, and stay until both sides are judged."""
    await card.locator("[data-action=play]").click()
    if PLAYS[await card.get_attribute("id") or ""].clicked:
        await click_to_win(card)
    await expect(card).to_have_attribute("data-state", "done")


async def secret(card: Locator, name: str) -> str:
    """The canary, as the victim's own page shows it."""
    victim = side(card, name).locator(".tab iframe").first.content_frame
    return await victim.locator("mark").first.inner_text()


@pytest.mark.parametrize("probe", PLAYS)
async def test_an_attack_that_is_played_succeeds_on_the_left_and_not_on_the_right(
    page: Page, gallery: str, probe: str
) -> None:
    card = await show(page, gallery, probe)
    await play(card)
    goal = PLAYS[probe].goal
    said = "start_unframed" if PLAYS[probe].clicked else f"{goal}_stopped"
    await expect(side(card, "off")).to_have_attribute("data-result", "succeeded")
    await expect(side(card, "on")).to_have_attribute("data-result", "stopped")
    await expect(side(card, "on").locator("[data-verdict]")).to_have_text(WORDS["en"][said])
    if goal in ("read", "forge"):
        canary = await secret(card, "off")
        assert len(canary) == 16
        assert canary in await side(card, "off").locator("[data-verdict]").inner_text()
        assert canary not in await side(card, "on").locator("[data-verdict]").inner_text()
    if PLAYS[probe].stranger:
        for name in ("off", "on"):
            await expect(side(card, name).locator(".seen p").first).to_contain_text("with your cookie")
        stopped_by = f"refused by: {DEFENCES[PROBES[probe].defences[0]].name}", WORDS["en"]["by_browser"]
        await expect(side(card, "on").locator(".seen p").last).to_have_text(
            re.compile("|".join(map(re.escape, stopped_by)))
        )


async def test_the_server_as_it_ships_can_be_put_beside_it(page: Page, gallery: str) -> None:
    card = await show(page, gallery, "cross-origin-read")
    await card.locator("[name=defence]").select_option(AS_IT_SHIPS)
    await card.locator("[name=transport][value=sse]").check()
    await play(card)
    await expect(side(card, "off")).to_have_attribute("data-result", "succeeded")
    await expect(side(card, "on").locator(".seen p")).to_contain_text("403 refused by: Origin is our own")


async def test_from_another_site_the_strict_cookie_stays_at_home(page: Page, gallery: str) -> None:
    card = await show(page, gallery, "websocket-hijacking")
    await card.locator("[name=stranger]").select_option(label=WORDS["en"]["from_127.0.0.1"])
    await play(card)
    await expect(side(card, "off")).to_have_attribute("data-result", "stopped")
    await expect(side(card, "off").locator(".seen p")).to_contain_text("without a cookie")
    await expect(card.locator("[data-status]")).to_have_text(WORDS["en"]["both_by_cookie"])
    await expect(card.locator("[data-faded]")).to_have_count(2)
    await card.locator("[name=stranger]").select_option(label=WORDS["en"]["from_localhost"])
    await expect(card).to_have_attribute("data-state", "idle")
    await expect(card.locator("[data-result], [data-faded], iframe")).to_have_count(0)


async def test_a_start_is_seen_also_where_the_answer_comes_whole(page: Page, gallery: str) -> None:
    card = await show(page, gallery, "blind-start")
    await card.locator("[name=transport][value=whole]").check()
    await play(card)
    await expect(side(card, "off")).to_have_attribute("data-result", "succeeded")
    await expect(side(card, "on")).to_have_attribute("data-result", "stopped")


async def test_what_another_tab_plays_does_not_count_here(context: BrowserContext, page: Page, gallery: str) -> None:
    card = await show(page, gallery, "blind-start")
    await play(card)
    other = await context.new_page()
    theirs = await show(other, gallery, "blind-start")
    await play(theirs)
    await expect(side(theirs, "off")).to_have_attribute("data-result", "succeeded")
    sites = [await side(one, "off").locator("iframe").first.get_attribute("src") for one in (card, theirs)]
    assert len({urlsplit(site or "").netloc for site in sites}) == 2
    await expect(side(card, "on")).to_have_attribute("data-result", "stopped")
    await other.close()


async def test_all_other_attacks_are_run_by_the_lab(page: Page, gallery: str) -> None:
    card = await show(page, gallery, "log-forging", "zh")
    await card.locator("[data-action=run]").click()
    await expect(card).to_have_attribute("data-state", "done")
    await expect(side(card, "off").locator("[data-outcome]")).to_have_text("攻击成功")
    await expect(side(card, "on").locator("[data-outcome]")).to_have_text("攻击被拦住")
    await expect(side(card, "on").locator("[data-verdict]")).to_contain_text("0 个伪造的行")
    await side(card, "off").locator("summary").click()
    await expect(side(card, "off").locator("pre")).to_contain_text("%0A")


async def test_the_page_of_a_stranger_cannot_start_an_attack(context: BrowserContext, gallery: str) -> None:
    page = await context.new_page()
    await page.goto(gallery)
    stranger = await page.locator("[name=stranger] option").first.get_attribute("value")
    await page.goto(f"{stranger}/attack/en/attack.css")
    for kind in ("application/json", "text/plain"):
        tried = await page.evaluate(
            """async ([url, kind]) => {
              const options = { method: 'POST', body: '{}', headers: { 'Content-Type': kind }, credentials: 'include' };
              return fetch(url, options).then(() => 'was read', () => 'was not read');
            }""",
            [f"{gallery}/run", kind],
        )
        assert tried == "was not read"
    await page.close()


async def test_whoever_leaves_an_attack_ends_it(page: Page, gallery: str) -> None:
    card = await show(page, gallery, "inner-html-split")
    await play(card)
    await expect(card.locator("iframe")).to_have_count(2)
    await page.locator("[data-index] a", has_text=about("terminal-escape", "en").name).click()
    await expect(card).not_to_be_visible()
    await expect(card.locator("iframe")).to_have_count(0)
    await page.go_back()
    await expect(card).to_be_visible()
    await expect(card).to_have_attribute("data-state", "idle")


SHOW_ALL = """async () => {
  const seen = {};
  for (const { id } of document.querySelectorAll('[data-attack]')) {
    location.hash = id;
    await new Promise(requestAnimationFrame);
    const shown = [...document.querySelectorAll('.card')].filter((card) => card.checkVisibility());
    const places = [document.documentElement, document.querySelector('.cards'), ...shown[0].querySelectorAll('*')];
    const cuts = (one) => getComputedStyle(one).overflowX !== 'visible';
    const over = places.filter((one) => one.scrollWidth > one.clientWidth && cuts(one));
    seen[id] = { shown: shown.map((card) => card.id), over: over.map((one) => one.className) };
  }
  return seen;
}"""


@pytest.mark.parametrize(("width", "language"), [(400, "zh"), (1280, "en")])
async def test_every_card_is_shown_alone_and_fits(page: Page, gallery: str, width: int, language: str) -> None:
    await page.set_viewport_size({"width": width, "height": 720})
    await page.goto(f"{gallery}?lang={language}")
    seen = await page.evaluate(SHOW_ALL)
    assert set(seen) == set(PROBES)
    for probe, card in seen.items():
        assert card["shown"] == [probe]
        assert set(card["over"]) <= {"measure"}, probe  # which ends in an ellipsis, and is said in full below
    await expect(page.locator("[data-banner]")).to_be_in_viewport()


async def test_the_page_says_when_it_is_over(context: BrowserContext) -> None:
    async with app.opening(0, app.now() + timedelta(seconds=1)) as url:
        page = await context.new_page()
        await page.goto(url)
        await expect(page.locator("[data-banner]")).to_contain_text("ended by themselves")
        await page.close()
