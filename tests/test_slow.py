"""Readers that take nothing: they cost a bounded memory, however long the answer is, and lose their place in the end.

The one thing to notice: on loopback the kernel takes megabytes for a reader that never reads, and no test would see
anything. So these readers have small buffers, and the server says itself how much the kernel may take.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest

from clients import CLIENTS
from lab import subject
from server.answer import READ_LIMIT
from server.settings import Settings
from server.transports import TRANSPORTS
from tests.conftest import Start
from tests.test_contract import NEVER, eventually, read, readers, text
from tests.test_http import server_with
from tests.test_permission import started

CROWD = 50
STREAMS = ["iframe", "sse", "websocket"]
HANDSHAKE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
SENTENCE = "够" * 199 + "。"
BYTES = 3
"""Of each of its characters in UTF-8."""
HIGH_WATER = 64 * 1024
"""What asyncio queues before it asks a writer to wait."""
BOUND = HIGH_WATER + (BYTES + BYTES + 2) * READ_LIMIT
"""A writer that has not been asked to wait yet may add one chunk; and the chunk under way is held as text and frame."""


@asynccontextmanager
async def deaf(url: str, name: str) -> AsyncIterator[socket.socket]:
    """A reader that sees the first byte of its response, and reads no more."""
    address, loop = urlsplit(url), asyncio.get_running_loop()
    more = HANDSHAKE if name == "websocket" else ""
    with socket.socket() as reader:
        reader.setblocking(False)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(reader, (address.hostname, address.port))
        request = f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n{more}\r\n"
        await loop.sock_sendall(reader, request.encode())
        assert await asyncio.wait_for(loop.sock_recv(reader, 1), 10) == b"H"
        yield reader


async def settled(http: aiohttp.ClientSession, answer: str) -> int:
    """Return when nothing more is written to the readers of an answer; gives the tokens that they were written."""
    before: list[int] | None = None
    while True:
        async with http.get(f"{answer}/ledger") as response:
            now = [row["tokens"] for row in (await response.json())["rows"]]
        if now == before:
            return sum(now)
        before = now
        await asyncio.sleep(0.1)


async def for_each(http: aiohttp.ClientSession, server: subject.Subject, name: str, repeat: int) -> tuple[float, float]:
    """Bytes that the server holds for each of a crowd that never reads, beyond a crowd that there is nothing for.

    And the bytes of text that it wrote for each.
    """
    long = await started(http, text=SENTENCE, unit="sentence", repeat=repeat, first_token_ms=0, token_ms=0)
    async with http.get(long["whole"]) as response:
        assert len((await response.json())["text"]) == len(SENTENCE) * repeat
    read_before = repeat  # by the one above
    used = []
    for links in (await started(http, **NEVER), long):  # type: ignore[arg-type]
        async with AsyncExitStack() as stack:
            for _ in range(CROWD):
                await stack.enter_async_context(deaf(server.url + links[name], name))
            assert await readers(http) == CROWD
            written = (await settled(http, links["self"]) - read_before) * len(SENTENCE.encode()) / CROWD
            used.append(server.memory_bytes())

        async def free() -> bool:
            return await readers(http) == 0

        await eventually(free)
    return (used[1] - used[0]) / CROWD, written


@pytest.mark.parametrize("characters", [100_000, 1_000_000])
@pytest.mark.parametrize("name", STREAMS)
async def test_the_memory_for_readers_that_never_read_has_a_bound_however_long_the_answer_is(
    name: str, characters: int, tmp_path: Path
) -> None:
    if not hasattr(socket, "TCP_NOTSENT_LOWAT"):
        pytest.skip("this kernel takes what it likes")
    settings = Settings(write_s=120, max_answer=10_000_000)
    async with (
        subject.serving(settings, log=tmp_path / "log") as server,
        aiohttp.ClientSession(server.url) as http,
    ):
        each, written = await for_each(http, server, name, characters // len(SENTENCE))
        size = characters * BYTES
        print(f"{name}: {each / 1024:.0f} of {size / 1024:.0f} KiB held, {written / 1024:.0f} written")
        assert each < BOUND < size
        assert written < BOUND, "the kernel took more than it can send"


@server_with(write_s=0.3, vanished_s=0.3, keepalive_s=0.3, max_answer=10_000_000)
async def test_who_takes_nothing_loses_its_place_and_its_connection(
    name: str, start: Start, http: aiohttp.ClientSession, server: str
) -> None:
    links = await start(text=SENTENCE, unit="sentence", repeat=500)
    await read(CLIENTS["whole"], links["whole"])

    async def nothing_left() -> bool:
        return await readers(http) == 0 and connections(server) <= 1  # that of `http`

    await eventually(nothing_left)
    before = len(asyncio.all_tasks())
    async with deaf(links[name], name):
        await eventually(nothing_left)
        assert len(asyncio.all_tasks()) <= before
    assert text(await read(CLIENTS[name], links[name])) == SENTENCE * 500


def connections(server: str) -> int:
    """How many connections to the server the kernel keeps at this end: also those that no program has any more."""
    port = urlsplit(server).port
    ours = (each for each in psutil.net_connections("tcp") if each.laddr and each.laddr.port == port)
    return sum(each.status not in (psutil.CONN_LISTEN, psutil.CONN_TIME_WAIT) for each in ours)


def test_every_stream_is_measured() -> None:
    polls = {"polling", "long_polling", "whole"}  # one body each, and the connection is free again
    assert set(STREAMS) == TRANSPORTS.keys() - polls
