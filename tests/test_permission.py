"""Whose answer it is, and who may use the server: sessions, tickets, the access token, and the log that tells none.

The one thing to notice: what is not yours looks the same as what is not there.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from clients import CLIENTS
from clients.chunk import Refused
from clients.connection import connecting
from clients.request import session
from lab.session import read, variants
from server.app import serving
from server.settings import Settings
from server.transports import TRANSPORTS

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - of servers that live for a test
TEXT = "够钟下班啦"


async def session_of(http: aiohttp.ClientSession, path: str = "/") -> dict[str, str]:
    """The cookie header of a browser that has opened a page."""
    async with http.get(path) as response:
        cookie = SimpleCookie(response.headers["Set-Cookie"])
    ((name, morsel),) = cookie.items()
    return {"Cookie": f"{name}={morsel.value}"}


async def started(http: aiohttp.ClientSession, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, str]:
    async with http.post("/answers", json={"text": TEXT} | fields, headers=headers) as response:
        document = await response.json()
        assert response.status == 201, document
        links: dict[str, str] = document["links"]
        return links | {"self": response.headers["Location"], "id": document["id"]}


async def status(http: aiohttp.ClientSession, path: str, headers: dict[str, str] | None = None) -> int:
    async with http.get(path, headers=headers) as response:
        return response.status


# Sessions.


async def test_a_page_gives_its_browser_a_session_that_no_script_and_no_other_site_can_have(
    http: aiohttp.ClientSession,
) -> None:
    for path in ("/", "/demo/sse"):
        async with http.get(path) as response:
            (cookie,) = SimpleCookie(response.headers["Set-Cookie"]).values()
        assert cookie["httponly"] is True
        assert cookie["samesite"] == "Strict"
        assert cookie["path"] == "/"
        assert not cookie["domain"]


async def test_nothing_but_pages_gives_a_session(http: aiohttp.ClientSession) -> None:
    for path in ("/healthz", "/transports", "/style.css", "/polling", "/nothing"):
        async with http.get(path) as response:
            assert "Set-Cookie" not in response.headers


async def test_a_browser_keeps_its_session(http: aiohttp.ClientSession) -> None:
    cookie = await session_of(http)
    async with http.get("/", headers=cookie) as response:
        assert "Set-Cookie" not in response.headers


async def test_a_cookie_that_the_server_has_not_made_is_no_session(http: aiohttp.ClientSession) -> None:
    name, _, value = (await session_of(http))["Cookie"].partition("=")
    session, _, proof = value.partition(".")
    for made_up in ("", "x", ".", f"{session}.", f".{proof}", f"x{session}.{proof}", f"{session}.{proof}x", "é.é"):
        async with http.get("/", headers={"Cookie": f"{name}={made_up}"}) as response:
            assert "Set-Cookie" in response.headers, made_up


async def test_an_answer_of_a_session_is_read_only_in_it(http: aiohttp.ClientSession, name: str) -> None:
    mine, other = await session_of(http), await session_of(http)
    links = await started(http, mine)
    async with http.get("/answers/" + "0" * 32) as response:
        nobodys = (await response.json(content_type=None))["detail"]
    for stranger in (None, other):
        async with http.get(links[name], headers=stranger) as response:
            assert response.status == 404
            assert (await response.json(content_type=None))["detail"] == nobodys
    if name == "websocket":
        async with http.ws_connect(links[name], headers=mine) as socket:
            assert TEXT[0] in await socket.receive_str()
    else:
        assert await status(http, links[name], mine) == 200


async def test_an_answer_of_a_session_is_stopped_and_inspected_only_in_it(http: aiohttp.ClientSession) -> None:
    mine, other = await session_of(http), await session_of(http)
    links = await started(http, mine, token_ms=10_000)
    for path in (links["self"], *(f"{links['self']}/{view}" for view in ("timeline", "ledger", "live", "wire"))):
        assert await status(http, path, other) == 404
        assert await status(http, path) == 404
    async with http.delete(links["self"], headers=other) as response:
        assert response.status == 404
    async with http.get(links["self"], headers=mine) as response:
        assert (await response.json())["state"] == "typing"
    async with http.delete(links["self"], headers=mine) as response:
        assert response.status == 204


async def test_an_answer_that_a_program_started_is_opened_by_its_id_alone(
    http: aiohttp.ClientSession, name: str
) -> None:
    links = await started(http)
    for reader in (None, await session_of(http)):
        if name == "websocket":
            async with http.ws_connect(links[name], headers=reader) as socket:
                await socket.receive_str()
        else:
            assert await status(http, links[name], reader) == 200


async def test_an_address_typed_into_a_browser_starts_an_answer_of_its_session(http: aiohttp.ClientSession) -> None:
    mine = await session_of(http)
    async with http.get("/polling", headers=mine) as response:
        where = response.headers["Content-Location"]
    assert await status(http, where) == 404
    assert await status(http, where, mine) == 200


async def test_the_cookies_of_two_servers_of_one_host_do_not_meet(settings: Settings) -> None:
    names: set[str] = set()
    async with serving(settings) as one, serving(settings) as two, aiohttp.ClientSession() as http:
        for url in (one, two):
            async with http.get(url) as response:
                names |= SimpleCookie(response.headers["Set-Cookie"]).keys()
    assert len(names) == 2


async def test_over_tls_the_cookie_is_this_hosts_alone(
    settings: Settings, certificates: tuple[Path, Path, Path]
) -> None:
    cafile, certfile, keyfile = certificates
    settings = replace(settings, certfile=str(certfile), keyfile=str(keyfile))
    async with serving(settings) as url:
        with connecting(cafile):
            async with session() as http, http.get(url) as response:
                ((name, cookie),) = SimpleCookie(response.headers["Set-Cookie"]).items()
    assert name.startswith("__Host-")
    assert cookie["secure"] is True


# Tickets.


async def ticket(http: aiohttp.ClientSession, headers: dict[str, str], answer: str, transport: str) -> str:
    async with http.post("/tickets", json={"answer": answer, "transport": transport}, headers=headers) as response:
        document = await response.json()
        assert response.status == 201, document
        assert document["expires_s"] <= 30
        return str(document["ticket"])


async def test_a_ticket_opens_one_answer_on_one_transport_once(http: aiohttp.ClientSession, name: str) -> None:
    mine = await session_of(http)
    links = await started(http, mine)
    word = await ticket(http, mine, links["id"], name)
    if name == "websocket":
        async with http.ws_connect(links[name], params={"ticket": word}) as socket:
            await socket.receive_str()
    else:
        assert await status(http, f"{links[name]}?ticket={word}") == 200
    async with http.get(f"{links[name]}?ticket={word}") as response:
        assert response.status == 401
        assert (await response.json(content_type=None))["defence"] == "ticket"


async def test_a_ticket_for_something_else_is_used_up_all_the_same(http: aiohttp.ClientSession) -> None:
    mine = await session_of(http)
    links, others = await started(http, mine), await started(http, mine)
    for wrong in (links["polling"], others["sse"], links["self"], "/sse", "/transports"):
        word = await ticket(http, mine, links["id"], "sse")
        assert await status(http, f"{wrong}?ticket={word}") == 401
        assert await status(http, f"{links['sse']}?ticket={word}") == 401


async def test_a_ticket_is_only_for_who_may_read_the_answer(http: aiohttp.ClientSession) -> None:
    links = await started(http, await session_of(http))
    for stranger in (None, await session_of(http)):
        order = {"answer": links["id"], "transport": "sse"}
        async with http.post("/tickets", json=order, headers=stranger) as response:
            assert response.status == 404


WRONG_ORDERS: list[dict[str, Any]] = [
    {},
    {"answer": "x"},
    {"transport": "sse"},
    {"answer": "x", "transport": "smoke"},
    {"answer": 1, "transport": "sse"},
    {"answer": "x", "transport": ["sse"]},
    {"answer": "x", "transport": "sse", "more": 1},
]


@pytest.mark.parametrize("order", WRONG_ORDERS, ids=str)
async def test_a_wrong_order_for_a_ticket_is_refused_in_a_sentence(
    http: aiohttp.ClientSession, order: dict[str, Any]
) -> None:
    async with http.post("/tickets", json=order) as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["detail"].endswith(".")


async def test_a_ticket_that_is_too_old_opens_nothing(settings: Settings) -> None:
    async with serving(replace(settings, ticket_s=1e-9)) as url, aiohttp.ClientSession(url) as http:
        links = await started(http)
        word = await ticket(http, {}, links["id"], "sse")
        assert await status(http, f"{links['sse']}?ticket={word}") == 401


# The access token.


@pytest.fixture
async def locked(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """A session, of aiohttp's, with a server that has an access token."""
    async with serving(replace(settings, token=TOKEN)) as url, aiohttp.ClientSession(url) as http:
        yield http


BEARER = {"Authorization": f"Bearer {TOKEN}"}


WRONG_HEADERS = (
    *(None, "", "Bearer", "Bearer ", "Bearer é", TOKEN),
    *(f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}"),
)


@pytest.mark.parametrize("header", WRONG_HEADERS)
async def test_without_the_token_nothing_is_started_and_nothing_read(
    locked: aiohttp.ClientSession, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    links = await started(locked, BEARER)
    for path in (*(f"/{name}" for name in TRANSPORTS), *links.values(), "/transports", f"/sse?token={TOKEN}"):
        if path.startswith("/"):
            async with locked.get(path, headers=headers) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
    async with locked.post("/answers", json={}, headers=headers) as response:
        assert response.status == 401


async def test_with_the_token_every_client_reads(settings: Settings) -> None:
    async with serving(replace(settings, token=TOKEN)) as url:
        for variant in variants():
            with connecting(headers=BEARER):
                async with aiohttp.ClientSession(url) as http:
                    links = await started(http, BEARER)
                reading = await read(variant, url + links[variant.transport])
            assert reading.text == TEXT
            with pytest.raises(Refused, match="not open to all"):
                await anext(CLIENTS[variant.transport](url + links[variant.transport]))


async def test_who_shows_the_token_gets_a_session_that_opens_everything(locked: aiohttp.ClientSession) -> None:
    async with locked.post("/sessions", json={"token": TOKEN}) as response:
        assert response.status == 204
        ((name, cookie),) = SimpleCookie(response.headers["Set-Cookie"]).items()
    signed_in = {"Cookie": f"{name}={cookie.value}"}
    links = await started(locked, signed_in)
    for path in ("/", "/transports", links["polling"], links["sse"]):
        assert await status(locked, path, signed_in) == 200


async def test_who_shows_another_gets_none(locked: aiohttp.ClientSession) -> None:
    for order in ({"token": TOKEN[:-1]}, {"token": ""}, {}, {"token": [TOKEN]}):
        async with locked.post("/sessions", json=order) as response:
            assert response.status == 401
            assert "Set-Cookie" not in response.headers


async def test_without_a_session_a_locked_servers_pages_say_only_how_to_sign_in(locked: aiohttp.ClientSession) -> None:
    for path in ("/", "/demo/sse"):
        async with locked.get(path) as response:
            assert response.status == 401
            assert "Set-Cookie" not in response.headers
            assert 'data-action="sign-in"' in await response.text()
    for path in ("/style.css", "/js/sign_in.js", "/healthz"):
        assert await status(locked, path) == 200


async def test_a_server_without_a_token_lets_nobody_sign_in(http: aiohttp.ClientSession) -> None:
    async with http.post("/sessions", json={"token": ""}) as response:
        assert response.status == 401


# The log.


async def test_every_request_is_logged_and_nothing_in_the_log_opens_anything(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(replace(settings, access_log=True, token=TOKEN)) as url, aiohttp.ClientSession(url) as http:
        links = await started(http, BEARER)
        words = [await ticket(http, BEARER, links["id"], name) for name in TRANSPORTS]
        for word, name in zip(words, TRANSPORTS, strict=True):
            async with http.get(f"{links[name]}?ticket={word}&cursor=0&reader=me-myself") as response:
                await response.read()
        async with http.get(f"/sse?token={TOKEN}") as response:
            assert response.status == 401
    lines = capfd.readouterr().err.splitlines()
    assert len([line for line in lines if "/answers/" in line]) == len(TRANSPORTS)
    assert all(re.fullmatch(r'127\.0\.0\.1 \S+\+00:00 "[A-Z]+ [^"]*" \d{3} \d+ \d+ms', line) for line in lines)
    for secret in (links["id"], TOKEN, "me-myself", *words):
        assert secret not in "\n".join(lines)


async def test_a_server_logs_nothing_unless_asked(
    http: aiohttp.ClientSession, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await status(http, "/healthz") == 200
    assert capfd.readouterr().err == ""


async def test_an_address_cannot_write_a_line_of_its_own(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    async with serving(replace(settings, access_log=True)) as url, aiohttp.ClientSession() as http:
        for path in ("/%0d%0a%1b[31mforged", '/"%22forged', "/sse?cursor=%0d%0aforged"):
            async with http.get(url + path) as response:
                await response.read()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert not re.search("[\x00-\x1f]", "".join(lines))


# Beyond loopback.


async def test_beyond_loopback_it_answers_as_the_number_that_was_called(settings: Settings) -> None:
    """127.0.0.2 stands for an address of the network: it is none of the names of loopback that a server answers as."""
    async with serving(replace(settings, host="0.0.0.0", token=TOKEN)) as url:  # noqa: S104 - with a token
        port = url.rpartition(":")[2]
        async with aiohttp.ClientSession(f"http://127.0.0.2:{port}") as http:
            assert await status(http, "/healthz") == 200
            assert await status(http, "/healthz", {"Host": f"evil.example:{port}"}) == 403
            assert await status(http, "/healthz", {"Host": f"127.0.0.3:{port}"}) == 403


async def test_an_id_is_not_to_be_guessed(http: aiohttp.ClientSession) -> None:
    ids = {(await started(http))["id"] for _ in range(20)}
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    assert len(ids) == 20


# What is no text, and what comes back after a restart.


async def test_half_characters_in_a_cookie_or_a_token_are_just_wrong(
    server: str, locked: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    for url, header, expected in (
        (server, b"Cookie: pushlab-%d=\xff.a" % (urlsplit(server).port or 0), b"200"),
        (str(locked._base_url), b"Authorization: Bearer \xff", b"401"),
    ):
        reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
        writer.write(b"GET /transports HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + header + b"\r\n\r\n")
        assert (await reader.readline()).split()[1] == expected
        writer.close()
        await writer.wait_closed()
    body = b'{"token":"\\ud800"}'
    async with locked.post("/sessions", data=body, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 401
    assert not caplog.records


async def test_after_a_restart_a_browser_gets_a_new_session_and_its_answers_stay_its_own(settings: Settings) -> None:
    async with serving(settings) as url, aiohttp.ClientSession(url) as http:
        old = await session_of(http)
    async with serving(replace(settings, port=urlsplit(url).port or 0)) as url, aiohttp.ClientSession(url) as http:
        async with http.post("/answers", json={"text": TEXT}, headers=old) as response:
            ((name, morsel),) = SimpleCookie(response.headers["Set-Cookie"]).items()
            link = (await response.json())["links"]["polling"]
        assert await status(http, link) == 404
        assert await status(http, link, {"Cookie": f"{name}={morsel.value}"}) == 200


async def test_an_answer_has_so_many_tickets_and_those_of_others_stay(http: aiohttp.ClientSession) -> None:
    mine, others = await started(http), await started(http)
    kept = await ticket(http, {}, others["id"], "sse")
    order = {"answer": mine["id"], "transport": "sse"}
    statuses = set()
    for _ in range(150):
        async with http.post("/tickets", json=order) as response:
            statuses.add(response.status)
    assert statuses == {201, 429}
    assert await status(http, f"{others['sse']}?ticket={kept}") == 200


async def test_a_ticket_is_for_reading_and_stops_nothing(http: aiohttp.ClientSession) -> None:
    mine = await session_of(http)
    links = await started(http, mine, first_token_ms=60_000)
    word = await ticket(http, mine, links["id"], "websocket")
    async with http.ws_connect(links["websocket"], params={"ticket": word}) as socket:
        await socket.send_str('{"stop":true}')
        assert (await socket.receive(10)).type is aiohttp.WSMsgType.CLOSE
    async with http.get(links["self"], headers=mine) as response:
        assert (await response.json())["state"] == "typing"


async def test_a_reader_that_leaves_is_logged_as_well(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    settings = replace(settings, access_log=True, first_token_ms=60_000, heartbeat_s=0.05)
    async with serving(settings) as url, aiohttp.ClientSession(url) as http:
        response = await http.get("/sse")
        await response.content.readline()
        response.close()
        async with http.get("/healthz") as health:
            while (await health.json())["readers"]:
                health = await http.get("/healthz")  # noqa: PLW2901 - until it is noticed
    lines = [line for line in capfd.readouterr().err.splitlines() if "GET /sse" in line]
    assert len(lines) == 1


async def test_a_token_of_the_least_length_is_not_logged(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    token = "0123456789abcdef"  # noqa: S105 - the shortest that is taken
    async with serving(replace(settings, access_log=True, token=token)) as url, aiohttp.ClientSession(url) as http:
        for path in (f"/{token}", f"/sse?{token}", f"/sse?cursor={token}", f"/sse?token={token}"):
            async with http.get(path) as response:
                assert response.status == 401
    assert token not in capfd.readouterr().err
