"""Cables that are cut on purpose: what is cut is reset, and nothing else is touched.

The one thing to notice: the kernel says how a connection ended. A reset is an error to whoever reads (ECONNRESET); an
orderly end, however early, is not.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from clients import CLIENTS
from clients.resume import resuming
from server.app import serving
from server.settings import Settings
from server.transports import TRANSPORTS
from tests.conftest import Start
from tests.test_contract import NEVER, TEXT, eventually, read, readers, text
from tests.test_http import HANDSHAKE, refused
from tests.test_permission import session_of, started, ticket

ASK = "GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"
HELD = [name for name in TRANSPORTS if name != "polling"]
"""Those that have a connection under way while there is no news."""


@pytest.fixture(autouse=True)
def _nothing_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@asynccontextmanager
async def asking(url: str, name: str, trust: ssl.SSLContext | None = None) -> AsyncIterator[asyncio.StreamReader]:
    """A bare connection that has sent a request to read the answer at `url`."""
    address = urlsplit(url)
    more = "".join(f"{field}: {value}\r\n" for field, value in HANDSHAKE.items()) if name == "websocket" else ""
    reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=trust)
    try:
        writer.write(ASK.format(path=f"{address.path}?{address.query}", host=address.netloc, more=more).encode())
        yield reader
    finally:
        writer.transport.abort()


async def cut(http: aiohttp.ClientSession, links: dict[str, str], **fields: Any) -> dict[str, Any]:
    async with http.post(links["self"] + "/cuts", json=fields) as response:
        assert response.status == 202, await response.text()
        document: dict[str, Any] = await response.json()
    return document


def served(http: aiohttp.ClientSession, count: int) -> Callable[[], Awaitable[bool]]:
    async def so_many_readers() -> bool:
        return await readers(http) == count

    return so_many_readers


@pytest.mark.parametrize("name", HELD)
async def test_who_is_reading_is_reset_and_the_answer_is_still_being_typed(
    name: str, start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(**NEVER)
    async with asking(links[name], name) as reader:
        await eventually(served(http, 1))
        assert await cut(http, links, transport=name, seconds=0) == {"transports": [name], "seconds": 0}
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(-1), 10)
    await eventually(served(http, 0))
    async with http.get(links["self"]) as response:
        assert (await response.json())["state"] == "typing"


async def test_who_comes_while_it_is_cut_is_reset_without_a_byte(
    name: str, start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(**NEVER)
    await cut(http, links, transport=name, seconds=10)
    async with asking(links[name], name) as reader:
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 10)
    assert await readers(http) == 0


async def test_also_who_has_read_the_end_before(name: str, start: Start, http: aiohttp.ClientSession) -> None:
    links = await start(text="够")
    await read(CLIENTS["whole"], links["whole"])
    await cut(http, links, transport=name, seconds=10)
    async with asking(links[name] + "?cursor=2", name) as reader:
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 10)


async def test_a_cut_of_no_time_lets_the_next_one_through(name: str, start: Start, http: aiohttp.ClientSession) -> None:
    links = await start(text=TEXT)
    await cut(http, links, transport=name, seconds=0)
    assert text(await read(CLIENTS[name], links[name])) == TEXT


async def test_a_shorter_cut_does_not_mend_a_longer_one(start: Start, http: aiohttp.ClientSession) -> None:
    links = await start(**NEVER)
    for seconds in (10, 0):
        await cut(http, links, seconds=seconds)
    async with asking(links["sse"], "sse") as reader:
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 10)


async def test_readers_of_other_answers_and_other_transports_notice_nothing(
    name: str, start: Start, http: aiohttp.ClientSession
) -> None:
    mine, other = await start(text=TEXT * 3, token_ms=10), await start(text=TEXT * 3, token_ms=10)
    urls = [(each, mine[each]) for each in TRANSPORTS if each != name] + [(each, other[each]) for each in TRANSPORTS]
    reading = [asyncio.create_task(read(CLIENTS[each], url)) for each, url in urls]
    await asyncio.sleep(0.05)
    await cut(http, mine, transport=name, seconds=10)
    assert [text(chunks) for chunks in await asyncio.gather(*reading)] == [TEXT * 3] * len(urls)


async def test_without_a_transport_all_are_cut_and_come_back_to_the_exact_text(
    start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(text=TEXT * 10, token_ms=5)
    reading = [asyncio.create_task(read(resuming(CLIENTS[name]), links[name])) for name in TRANSPORTS]
    for _ in range(3):
        await asyncio.sleep(0.05)
        assert await cut(http, links, seconds=0.02) == {"transports": list(TRANSPORTS), "seconds": 0.02}
    assert [text(chunks) for chunks in await asyncio.gather(*reading)] == [TEXT * 10] * len(TRANSPORTS)


@pytest.mark.parametrize("name", HELD)
async def test_a_connection_that_is_encrypted_is_reset_as_well(
    name: str, certificates: tuple[Path, Path, Path], settings: Settings
) -> None:
    ca, certfile, keyfile = map(str, certificates)
    trust = ssl.create_default_context(cafile=ca)
    async with (
        serving(replace(settings, certfile=certfile, keyfile=keyfile)) as url,
        aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=trust)) as http,
    ):
        links = await started(http, first_token_ms=60_000)
        for before in (1, 0):  # one that is reading, and one that comes while it is cut
            async with asking(url + links[name], name, trust) as reader:
                if before:
                    await eventually(served(http, before))
                    await cut(http, links, transport=name, seconds=10)
                with pytest.raises(ConnectionResetError):
                    await asyncio.wait_for(reader.read(-1), 10)


@pytest.mark.parametrize("record", [False, True])
async def test_the_ledger_and_the_log_count_what_was_cut(
    record: bool, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(replace(settings, access_log=True)) as url, aiohttp.ClientSession(url) as http:
        links = await started(http, text="够钟", token_ms=60_000, record=record)
        for times in (1, 2):
            async with asking(url + links["sse"], "sse") as reader:
                await reader.readuntil("够".encode())
                await eventually(served(http, 1))
                await cut(http, links, transport="sse", seconds=0)
            await eventually(served(http, 0))
            async with http.get(links["self"] + "/ledger") as response:
                (row,) = (await response.json())["rows"]
            assert (row["requests"], row["connections"], row["tokens"]) == (times, times, times)
            assert row["bytes_up"] > 0
            assert row["bytes_down"] > 0
    lines = [line for line in capfd.readouterr().err.splitlines() if "/sse" in line]
    assert len(lines) == 2
    assert all('" cut - ' in line for line in lines)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "seconds"),
        ({"seconds": None}, "seconds"),
        ({"seconds": "1"}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"seconds": -0.1}, "seconds"),
        ({"seconds": 10.1}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"seconds": float("inf")}, "seconds"),
        ({"seconds": 1, "transport": "nonsense"}, "transport"),
        ({"seconds": 1, "transport": None}, "transport"),
        ({"seconds": 1, "transport": ["sse"]}, "transport"),
        ({"seconds": 1, "lane": "sse"}, "'lane'"),
    ],
    ids=str,
)
async def test_a_wrong_field_is_named_and_cuts_nothing(
    fields: dict[str, Any], named: str, start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(text=TEXT)
    async with http.post(links["self"] + "/cuts", json=fields) as response:
        assert named in await refused(response, 400)
    assert text(await read(CLIENTS["sse"], links["sse"])) == TEXT


async def test_only_who_may_read_an_answer_may_cut_it(http: aiohttp.ClientSession) -> None:
    mine, other = await session_of(http), await session_of(http)
    links = await started(http, mine, **NEVER)
    for headers in (other, {}):
        async with http.post(links["self"] + "/cuts", json={"seconds": 0}, headers=headers) as response:
            assert "no answer of this id" in await refused(response, 404)
    word = await ticket(http, mine, links["id"], "sse")
    async with http.post(f"{links['self']}/cuts?ticket={word}", json={"seconds": 0}) as response:
        await refused(response, 401)
    async with http.post(links["self"] + "/cuts", json={"seconds": 0}, headers=mine) as response:
        assert response.status == 202
    async with http.post(f"/answers/{'0' * 32}/cuts", json={"seconds": 0}) as response:
        await refused(response, 404)


async def test_a_page_of_another_origin_cuts_nothing(start: Start, http: aiohttp.ClientSession) -> None:
    links = await start(**NEVER)
    for headers in ({"Origin": "http://evil.example"}, {"Content-Type": "text/plain"}):
        async with http.post(links["self"] + "/cuts", data=b'{"seconds":10}', headers=headers) as response:
            assert response.status in (403, 415)
    async with http.get(links["polling"]) as response:
        assert response.status == 200
