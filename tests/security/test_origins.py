"""Foreign pages in a real browser: the attacker's server and its pages, what is seen of them, and some of the attacks.

The one thing to notice: what left the browser is asked of the browser, what arrived is asked of the server it went to.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from lab.security.experiment import Cell, attempt
from lab.security.origins import PROBES, program
from lab.security.origins.addresses import READ
from lab.security.origins.attacker import NAMES, attacking, files
from lab.security.origins.observations import observe
from lab.security.origins.strangers import GUESSES, after
from lab.security.origins.victim import follow, victim
from lab.security.origins.without import WITHOUT
from lab.security.probe import STOPPED, SUCCEEDED
from lab.security.scene import Scene
from lab.security.servers import Change
from server import access
from server.store import new_id
from tests.security.conftest import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

HTML = sorted(name for name in files() if name.endswith(".html"))
LOADED = re.compile(
    r"""<(?:script|link|img|iframe)[^>]*?(?:src|href)=["']?([^"'\s>]+)|url\(([^)]*)\)|@import|\bimport\b"""
)
COMMENT = re.compile(r"//.*")


@pytest_asyncio.fixture(loop_scope="session")
async def stranger() -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody who comes by without a browser."""
    async with aiohttp.ClientSession() as session:
        yield session


# The attacker's server.


@pytest.mark.parametrize("name", files())
async def test_every_page_is_served_as_what_it_is(name: str, stranger: aiohttp.ClientSession) -> None:
    body, content_type = files()[name]
    async with attacking() as attacker, stranger.get(f"{attacker.origin('127.0.0.1')}/attack/{name}") as response:
        assert response.status == 200
        assert response.content_type == content_type
        assert await response.read() == body


@pytest.mark.parametrize("path", ["/attack/none.html", "/attack/..%2Fattacker.py", "/attack/%2Fetc%2Fpasswd", "/"])
async def test_nothing_but_the_pages_is_served(path: str, stranger: aiohttp.ClientSession) -> None:
    async with attacking() as attacker, stranger.get(attacker.origin("127.0.0.1") + path) as response:
        assert response.status == 404


async def test_a_report_belongs_to_its_visit_and_the_first_one_counts(stranger: aiohttp.ClientSession) -> None:
    async with attacking() as attacker:
        origin = attacker.origin("127.0.0.1")
        mine, other = attacker.link(origin, "read.html"), attacker.link(origin, "read.html")
        assert mine.url != other.url
        report = mine.url.replace("/attack/read.html", "/report")
        for got in ("first", "second"):
            async with stranger.post(report, data=json.dumps({"attack": "read", "got": got})) as response:
                assert response.status == 204
        assert mine.report.result() == "first"
        assert not other.report.done()


async def test_the_attacker_keeps_where_visitors_come_from_and_their_cookies(stranger: aiohttp.ClientSession) -> None:
    async with attacking() as attacker:
        origin = attacker.origin("127.0.0.1")
        for referer in ({}, {"Referer": "http://localhost/secret"}):
            async with stranger.get(f"{origin}/landing", headers=referer):
                pass
        async with stranger.get(f"{origin}/attack/read.html", headers={"Cookie": "a=b"}):
            pass
        assert attacker.referers == ["", "http://localhost/secret"]
        assert attacker.visited(2)
        assert not attacker.visited(3)
        assert attacker.cookies == {"127.0.0.1": "a=b"}


# Its pages.


@pytest.mark.parametrize("name", files())
async def test_a_page_names_no_file_but_those_beside_it(name: str) -> None:
    text = files()[name][0].decode()
    named = {match[1] or match[2] or match[0] for match in LOADED.finditer(text)}
    assert named <= files().keys()
    assert "//" not in COMMENT.sub("", text.replace("'//", ""))


@pytest.mark.parametrize("name", HTML)
async def test_a_page_asks_nobody_but_the_attacker_and_the_target(name: str, place: Place) -> None:
    servers, chromium = place
    asked = set()
    async with servers.target(Change()) as target, attacking() as attacker, chromium.context() as context:
        context.on("request", lambda request: asked.add(request.url.split("/")[2]))
        link = attacker.link(
            attacker.origin("localhost"),
            name,
            target=target.site,
            answer=await program.begin(target),
            transport="polling",
            text="x",
            words="x",
            x="0",
            y="0",
        )
        await follow(context, target, link, "here")
        assert asked == {f"localhost:{attacker.port}", f"localhost:{target.port}"}


HEAR = """(url) => new Promise((resolve) => {
  addEventListener('message', (event) => resolve(event.data));
  const frame = document.createElement('iframe');
  frame.src = url;
  document.body.append(frame);
})"""


async def test_a_page_in_a_frame_tells_the_page_around_it_what_it_got(place: Place) -> None:
    servers, chromium = place
    async with (
        servers.target(Change(("origin",))) as target,
        attacking() as attacker,
        victim(Scene(target, "websocket", chromium)) as visitor,
    ):
        here = attacker.origin("localhost")
        query = {"target": target.site, "answer": visitor.answer, "transport": "websocket"}
        page = await visitor.context.new_page()
        await page.goto(f"{here}/landing")
        heard = await page.evaluate(HEAR, attacker.link(here, "read.html", **query).url)
        shown = await page.frames[1].inner_text("output")
    text = f"The password is {target.canary}."
    assert heard == {"attack": "read", "got": text}
    assert shown == text


# Attacks, and what is seen of them.


async def seen(place: Place, *cell: str) -> dict[str, Any]:
    """The evidence of an attack that succeeded without the defence and was stopped with it."""
    row, _ = await attempt(Cell(*cell), *place)
    assert (row["off"], row["on"]) == (SUCCEEDED, STOPPED), row
    evidence: dict[str, Any] = row["evidence"]
    return evidence


async def test_a_websocket_from_another_port_has_the_strict_cookie_and_no_fetch_metadata(place: Place) -> None:
    evidence = await seen(place, "websocket-hijacking", "websocket", "origin")
    port, site, name = NAMES
    outcomes = {origin: evidence["off"][origin]["requests"][0]["outcome"] for origin in NAMES}
    assert outcomes[port] == "101"
    assert outcomes[site].startswith("404")  # no cookie went there, so the answer is nobody's
    assert outcomes[name].startswith("404")
    for origin, host in NAMES.items():
        (request,) = evidence["on"][origin]["requests"]
        assert request["outcome"].startswith("403")
        assert request["origin"].startswith(f"http://{host}:")
        assert not [header for header in request if header.startswith("sec-fetch")]


async def test_without_cors_headers_the_request_is_served_and_the_response_kept_from_the_page(place: Place) -> None:
    evidence = await seen(place, "cross-origin-read", "polling", "no-cors")
    port, site, name = NAMES
    (request,) = evidence["on"][port]["requests"]
    assert request["outcome"].startswith("200, not given to the page")
    assert request["cookie"].startswith("pushlab-")
    assert request["sec-fetch-site"] == "same-site"
    assert any("CORS policy" in line for line in evidence["on"][port]["console"])
    for origin in (site, name):
        (request,) = evidence["off"][origin]["requests"]
        assert "cookie" not in request
        assert request["sec-fetch-site"] == "cross-site"


async def test_a_blind_request_carries_no_origin(place: Place) -> None:
    evidence = await seen(place, "blind-start", "polling", "fetch-site")
    for run, refused in (("off", False), ("on", True)):
        for origin in NAMES:
            (request,) = evidence[run][origin]["requests"]
            assert "origin" not in request
            assert request["sec-fetch-site"] != "same-origin"
            assert request["outcome"].startswith("403") is refused


async def test_a_ticket_from_the_log_is_worth_nothing(place: Place) -> None:
    evidence = await seen(place, "token-in-url", "websocket", "ticket")
    assert "?token=" in evidence["off"]["log"][0]
    assert "?ticket=" in evidence["on"]["log"][0]


async def test_what_the_browser_does_of_its_own_accord_is_observed(place: Place) -> None:
    servers, chromium = place
    async with servers.target(Change()) as target:
        observed = {each["id"]: each for each in await observe(target, chromium)}
    assert observed["cookie-on-another-port"]["holds"] is True
    assert isinstance(observed["local-network-access"]["holds"], bool)  # newer than some browsers
    assert all(each["says"].endswith(".") and each["version"] for each in observed.values())


# Programs.


@pytest.mark.parametrize(
    ("own", "first", "last"),
    [
        ("7", "8", "1007"),
        ("999", "1000", "1999"),
        ("00ff", "0100", "04e7"),
        ("1" * 32, "1" * 31 + "2", "1" * 29 + "4f9"),
    ],
)
async def test_guesses_go_on_from_an_id(own: str, first: str, last: str) -> None:
    guesses = list(after(own))
    assert (guesses[0], guesses[-1], len(guesses)) == (first, last, GUESSES)
    assert len(set(guesses)) == GUESSES


async def test_guesses_at_a_random_id_have_its_form() -> None:
    own = new_id()
    assert all(re.fullmatch(f"[0-9a-f]{{{len(own)}}}", each) for each in after(own))


@pytest.mark.parametrize("address", [access.redacted, access.escaped], ids=["redacted", "as it came"])
async def test_readings_are_found_in_the_log(address: Any) -> None:
    path = f"/answers/{new_id()}/sse"
    line = f'127.0.0.1 2026-01-01T00:00:00.000+00:00 "GET {address(path + "?cursor=0")}" 200 781 3ms'
    found = READ.search(line)
    assert found
    assert found[2] == "sse"
    assert not READ.search(line.replace('" 200 ', '" 404 '))


async def test_each_defence_that_is_taken_away_here_is_judged_here() -> None:
    assert {defence for probe in PROBES.values() for defence in probe.defences} >= WITHOUT.keys()
