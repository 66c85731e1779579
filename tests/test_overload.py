"""More readers than there is room for: each is told in the way of its transport, and who has a place notices nothing.

The one thing to notice: being told "not now" must be an invitation to come back. A status that a browser takes for the
end would be worse than no answer.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from clients import CLIENTS
from clients.chunk import Client, StreamError
from server.answer import Answer
from server.readers import RETRY_MS
from server.transports import DECLINES, TRANSPORTS
from server.transports.websocket import MOST_REASON
from tests.conftest import Start
from tests.test_contract import NEVER, eventually, read, readers, text
from tests.test_http import refused, secure, server_with, typing

STREAMS = ("iframe", "sse", "websocket")
REFUSED = sorted(TRANSPORTS.keys() - DECLINES.keys())
CROWD = 20
MANY = 5
"""How many try again and again to find a place."""


@asynccontextmanager
async def full(http: aiohttp.ClientSession, link: str) -> AsyncIterator[None]:
    """A server with one place, which is taken while the block runs."""
    async with http.get(link):
        yield

    async def free() -> bool:
        return await readers(http) == 0

    await eventually(free)


def test_who_can_be_told_by_a_status_is_told_by_one() -> None:
    assert DECLINES.keys() < TRANSPORTS.keys()


@server_with(max_readers=1)
@pytest.mark.parametrize("poll", REFUSED)
async def test_a_poll_too_many_is_refused_with_429_and_starts_nothing(
    poll: str, http: aiohttp.ClientSession, start: Start
) -> None:
    links = await start(**NEVER)
    async with full(http, links["sse"]):
        for path in (links[poll], f"/{poll}"):
            async with http.get(path) as response:
                assert "--max-readers" in await refused(response, 429)
                assert 1 <= int(response.headers["Retry-After"]) <= RETRY_MS[1] // 1000
                assert secure(response.headers)
        assert await typing(http) == 1
    async with http.get(links["polling"]) as response:
        assert response.status == 200


@server_with(max_readers=1)
async def test_an_event_stream_too_many_is_told_when_to_come_back_and_ends(
    http: aiohttp.ClientSession, start: Start
) -> None:
    links = await start(**NEVER)
    waits = set()
    async with full(http, links["sse"]):
        for path in (links["sse"], f"{links['sse']}?format=plain", *["/sse"] * CROWD):
            async with http.get(path) as response:
                assert response.status == 200
                assert response.content_type == "text/event-stream"
                assert secure(response.headers)
                told = re.fullmatch(r"retry: (\d+)\n\n", await response.text())
            assert told
            assert RETRY_MS[0] <= int(told[1]) <= RETRY_MS[1]
            waits.add(told[1])
        assert await typing(http) == 1
    assert len(waits) > CROWD / 2, "who was sent away together must not come back together"


@server_with(max_readers=1)
async def test_a_websocket_too_many_is_opened_and_closed_with_1013(http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(**NEVER)
    async with full(http, links["sse"]):
        for path in (links["websocket"], "/websocket"):
            async with http.ws_connect(path) as socket:
                message = await socket.receive(10)
                assert message.type is aiohttp.WSMsgType.CLOSE
                assert message.data == 1013
                assert message.extra
                assert "Try again in a moment" in message.extra
                assert len(message.extra.encode()) <= MOST_REASON
        async with http.get(links["websocket"]) as response:
            await refused(response, 426)
        assert await typing(http) == 1


@server_with(max_readers=1)
async def test_a_frame_too_many_is_a_page_with_one_chunk_that_says_why(
    http: aiohttp.ClientSession, start: Start
) -> None:
    links = await start(text="够钟", token_ms=60_000)
    await anext(CLIENTS["long_polling"](links["long_polling"]))
    async with full(http, links["sse"]):
        for path, cursor in ((links["iframe"] + "?cursor=1", 1), ("/iframe", 0)):
            async with http.get(path) as response:
                assert response.status == 200
                assert response.content_type == "text/html"
                nonce = re.search(r"script-src 'nonce-([\w-]+)'", response.headers["Content-Security-Policy"])
                page = await response.text()
            assert nonce
            pushed = re.findall(f'<script nonce="{nonce[1]}">push\\((.*)\\)</script>\n', page)
            (chunk,) = map(json.loads, pushed)
            assert chunk.keys() == {"cursor", "text", "error", "retry_ms"}
            assert (chunk["cursor"], chunk["text"]) == (cursor, "")
            assert "--max-readers" in chunk["error"]
            assert RETRY_MS[0] <= chunk["retry_ms"] <= RETRY_MS[1]
        assert await typing(http) == 1


@server_with(max_readers=1)
async def test_no_client_takes_not_now_for_the_end_or_for_text(
    name: str, client: Client, http: aiohttp.ClientSession, start: Start
) -> None:
    links = await start(text="够钟", first_token_ms=60_000)
    async with full(http, links["sse"]):
        with pytest.raises(StreamError):
            await _fails_on_text(client, links[name])


async def _fails_on_text(client: Client, url: str) -> None:
    async for chunk in client(url):
        assert (chunk.text, chunk.done) == ("", None)


@server_with(max_readers=1)
async def test_who_is_sent_away_leaves_nothing_behind(name: str, http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(**NEVER)
    before = len(asyncio.all_tasks())
    async with full(http, links["sse"]):
        for _ in range(CROWD):
            with suppress(StreamError):
                await read(CLIENTS[name], links[name])
        assert await readers(http) == 1

    async def settled() -> bool:
        return len(asyncio.all_tasks()) <= before + 1  # the connection that asks this

    await eventually(settled)


@server_with(max_readers=len(TRANSPORTS))
async def test_who_has_a_place_gets_every_token_by_itself_while_a_crowd_is_sent_away(
    http: aiohttp.ClientSession, start: Start, written: list[Answer]
) -> None:
    """Each token is written when more of the crowd have been sent away."""
    words = "够钟下班啦" * 10
    honest, others = await start(), await start()
    done = asyncio.Event()
    declined = 0

    async def push_in() -> None:
        nonlocal declined
        while not done.is_set():
            async with http.get(others["polling"]) as response:
                declined += response.status == 429
            await asyncio.sleep(0.002)

    placed: Callable[[str], Client] = CLIENTS.__getitem__
    reading = {name: asyncio.create_task(read(placed(name), honest[name])) for name in TRANSPORTS if name != "polling"}
    waiting = asyncio.create_task(read(placed("sse"), others["sse"]))

    async def taken() -> bool:
        return await readers(http) == len(TRANSPORTS)

    async def sent_away() -> bool:
        return declined >= enough

    await eventually(taken)
    crowd = [asyncio.create_task(push_in()) for _ in range(MANY)]
    for word in words:
        enough = declined + MANY
        written[0].append(word)
        await eventually(sent_away)
    written[0].end("finished")
    got = {name: await chunks for name, chunks in reading.items()}
    done.set()
    await asyncio.gather(*crowd)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert {name: text(chunks) for name, chunks in got.items()} == dict.fromkeys(got, words)
    for name in STREAMS:
        assert sum(bool(chunk.text) for chunk in got[name]) == len(words)
