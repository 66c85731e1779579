"""The contract that every transport keeps. Each test is written once; the `name` fixture runs it on all of them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import aiohttp
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from clients import CLIENTS
from clients.chunk import Chunk, Client, Refused
from server.app import serving
from server.settings import Settings
from server.sources.presets import PRESETS
from server.sources.typewriter import split
from server.store import STOPPED
from tests.conftest import Start

TEXT = "够钟下班啦, done! 👨‍👩‍👧"
TOKENS = split(TEXT, "grapheme")
LONG = TEXT * 50
NEVER = {"first_token_ms": 60_000}
"""Fields of an answer whose first token does not come during a test."""


async def read(client: Client, url: str, cursor: int = 0, pause: float = 0) -> list[Chunk]:
    """Every chunk, read with a pause after each."""
    chunks = []
    async with aclosing(client(url, cursor)) as stream:
        async for chunk in stream:
            chunks.append(chunk)
            await asyncio.sleep(pause)
    return chunks


def text(chunks: list[Chunk]) -> str:
    """What was read."""
    return "".join(chunk.text for chunk in chunks)


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Return when `check` holds; fail when it does not within ten seconds."""
    for _ in range(1000):
        if await check():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{check.__name__} did not come true")


async def readers(http: aiohttp.ClientSession) -> int:
    """How many requests for an answer the server is serving."""
    count: int = (await (await http.get("/healthz")).json())["readers"]
    return count


async def test_the_text_arrives_whole_and_in_order_while_it_is_being_written(
    name: str, client: Client, start: Start
) -> None:
    links = await start(text=TEXT, first_token_ms=50, token_ms=3)
    assert text(await read(client, links[name])) == TEXT


async def test_exactly_the_last_chunk_is_done_and_carries_the_digest(name: str, client: Client, start: Start) -> None:
    chunks = await read(client, (await start(text=TEXT, token_ms=3))[name])
    assert [chunk.done for chunk in chunks] == [None] * (len(chunks) - 1) + ["finished"]
    assert chunks[-1].sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert chunks[-1].cursor == len(TOKENS) + 1


async def test_cursors_never_go_back_and_count_the_tokens(name: str, client: Client, start: Start) -> None:
    chunks = await read(client, (await start(text=TEXT, token_ms=3))[name])
    cursors = [chunk.cursor for chunk in chunks]
    assert cursors == sorted(cursors)
    for chunk in chunks[:-1]:
        assert "".join(TOKENS[: chunk.cursor]) == text([c for c in chunks if c.cursor <= chunk.cursor])


async def test_resuming_from_every_cursor_gives_the_rest(
    name: str, client: Client, start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(text=TEXT)
    await read(CLIENTS["whole"], links["whole"])  # returns when the answer has ended
    for cursor in range(len(TOKENS) + 1):
        rest = await read(client, links[name], cursor)
        assert text(rest) == "".join(TOKENS[cursor:])
        assert rest[-1].done == "finished"


async def test_a_reader_cut_off_after_any_chunk_can_go_on_from_there(name: str, client: Client, start: Start) -> None:
    url = (await start(text=TEXT, token_ms=3))[name]
    got, cursor, done = "", 0, None
    while not done:
        async with aclosing(client(url, cursor)) as stream:
            async for chunk in stream:
                got, cursor, done = got + chunk.text, chunk.cursor, chunk.done
                if chunk.text:
                    break
    assert got == TEXT


@examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_text=st.text(st.characters(exclude_categories=["Cs"])))
async def test_any_text_survives(name: str, client: Client, start: Start, any_text: str) -> None:
    assert text(await read(client, (await start(text=any_text))[name])) == any_text


@pytest.mark.parametrize("preset", PRESETS)
async def test_every_preset_survives(name: str, client: Client, start: Start, preset: str) -> None:
    links = await start(preset=preset, first_token_ms=0, token_ms=0)
    assert text(await read(client, links[name])) == PRESETS[preset].text


async def test_an_answer_longer_than_one_read_survives(name: str, client: Client, start: Start) -> None:
    links = await start(text=LONG, repeat=60, unit="sentence")
    assert text(await read(client, links[name])) == LONG * 60


async def test_two_readers_get_the_same(name: str, client: Client, start: Start) -> None:
    url = (await start(text=TEXT, token_ms=3))[name]
    one, two = await asyncio.gather(read(client, url), read(client, url))
    assert text(one) == text(two) == TEXT


async def test_a_slow_reader_loses_nothing(name: str, client: Client, start: Start) -> None:
    assert text(await read(client, (await start(text=TEXT * 5))[name], pause=0.005)) == TEXT * 5


async def test_a_late_reader_loses_nothing(
    name: str, client: Client, start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(text=LONG)
    await read(CLIENTS["whole"], links["whole"])  # returns when the answer has ended
    assert text(await read(client, links[name])) == LONG


async def test_a_reader_that_leaves_frees_the_server_and_does_not_stop_the_answer(
    name: str, client: Client, start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(**NEVER)
    stream = client(links[name])
    first = asyncio.ensure_future(anext(stream))

    async def served() -> bool:
        return first.done() or await readers(http) > 0

    async def free() -> bool:
        return await readers(http) == 0

    await eventually(served)
    first.cancel()
    await asyncio.wait([first])
    await stream.aclose()
    await eventually(free)
    assert (await (await http.get(links["self"])).json())["state"] == "typing"


async def test_an_unknown_answer_is_refused_before_any_stream_starts(name: str, client: Client, server: str) -> None:
    with pytest.raises(Refused, match="no answer of this id") as refusal:
        await read(client, f"{server}/answers/{'0' * 32}/{name}")
    assert refusal.value.status == 404


@pytest.mark.parametrize("cursor", ["-1", "1.5", "x", "٣", "1e3", "9" * 40, "99999"])
async def test_a_cursor_that_was_never_given_out_is_refused_before_any_stream_starts(
    name: str, start: Start, http: aiohttp.ClientSession, cursor: str
) -> None:
    url = (await start(text=TEXT))[name]
    for params, headers in (({"cursor": cursor}, {}), ({}, {"Last-Event-ID": cursor})):
        async with http.get(url, params=params, headers=headers) as response:
            assert response.status == 400
            assert "cursor" in (await response.json())["detail"]


async def test_a_cursor_ahead_of_the_log_is_refused_by_the_client_too(name: str, client: Client, start: Start) -> None:
    with pytest.raises(Refused, match="outside this answer"):
        await read(client, (await start(text=TEXT))[name], cursor=99999)


async def test_past_the_end_there_is_nothing(
    name: str, client: Client, start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(text=TEXT)
    await read(CLIENTS["whole"], links["whole"])  # returns when the answer has ended
    assert await read(client, links[name], cursor=len(TOKENS) + 1) == []
    async with http.get(links[name], params={"cursor": len(TOKENS) + 1}) as response:
        assert (response.status, await response.read()) == (204, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example:80", "Origin": "http://evil.example:80"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=lambda headers: " ".join(headers.values()),
)
async def test_a_foreign_page_is_refused(
    name: str, start: Start, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    url = (await start(**NEVER))[name]
    for more in ({}, handshake):
        async with http.get(url, headers=headers | more) as response:
            assert response.status == 403
            assert response.content_type == "application/problem+json"


async def test_stopping_ends_every_reader_as_stopped(
    name: str, client: Client, start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(text=LONG, token_ms=20)
    two = [asyncio.create_task(read(client, links[name])) for _ in range(2)]
    await asyncio.sleep(0.15)
    for _ in range(2):
        async with http.delete(links["self"]) as response:
            assert response.status == 204
    for chunks in await asyncio.gather(*two):
        assert chunks[-1].done == "stopped"
        assert LONG.startswith(text(chunks))
        assert chunks[-1].sha256 == hashlib.sha256(text(chunks).encode()).hexdigest()


@pytest.fixture
async def brief(settings: Settings) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A server that can be shut down in the middle of a test: its URL, and the event that does it."""
    up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    down = asyncio.Event()

    async def serve() -> None:
        async with serving(settings) as url:
            up.set_result(url)
            await down.wait()

    task = asyncio.create_task(serve())
    yield await up, down
    down.set()
    async with asyncio.timeout(settings.shutdown_s / 2):  # nobody had to be waited for who did not come
        await task


async def test_shutdown_tells_every_reader(name: str, client: Client, brief: tuple[str, asyncio.Event]) -> None:
    server, down = brief
    async with aiohttp.ClientSession(server) as http, http.post("/answers", json=NEVER) as response:
        url = server + (await response.json())["links"][name]
    reading = asyncio.create_task(read(client, url))
    await asyncio.sleep(0.1)
    down.set()
    async with asyncio.timeout(5):
        last = (await reading)[-1]
    assert (last.done, last.error) == ("failed", STOPPED)
