"""How much one address may ask for.

The one thing to notice: who keeps to the limits does not notice those who do not. 127.0.0.2 is the address of the one
who does not, and 127.0.0.1 that of the one who does.
"""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from server.app import serving
from server.limits import BURST_S, Bucket
from server.settings import Settings
from server.transports import TRANSPORTS

GREEDY = ("127.0.0.2", 0)


@pytest.fixture
def settings() -> Settings:
    """Settings of a server that gives little."""
    return Settings(port=0, first_token_ms=0, token_ms=0, address_requests_per_s=5, max_address_connections=4)


@pytest.fixture
async def greedy(server: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session from an address of its own."""
    connector = aiohttp.TCPConnector(local_addr=GREEDY, limit=0)
    async with aiohttp.ClientSession(server, connector=connector) as session:
        yield session


@given(
    asked=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 20)), max_size=50),
    rate=st.floats(0.1, 100),
    burst=st.floats(0.1, 100),
)
def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(
    asked: list[tuple[float, float]], rate: float, burst: float
) -> None:
    now, given = 0.0, 0.0
    bucket = Bucket(rate, burst, lambda: now)
    for pause, amount in asked:
        now += pause
        if bucket.take(amount):
            given += amount
        assert given <= burst + rate * now + 1e-6


def test_a_bucket_gives_again_after_a_while_and_takes_nothing_for_a_refusal() -> None:
    now = 0.0
    bucket = Bucket(1, 2, lambda: now)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now = 1.0
    assert not bucket.take(1.5)
    assert bucket.take()


async def test_requests_without_end_from_one_address_are_refused_and_others_are_served(
    http: aiohttp.ClientSession, greedy: aiohttp.ClientSession, settings: Settings
) -> None:
    statuses = []
    async with greedy.get("/healthz"):
        pass
    for _ in range(settings.address_requests_per_s * BURST_S * 2):
        async with greedy.get("/healthz") as response:
            statuses.append(response.status)
            if response.status == 429:
                assert response.headers["Retry-After"] == "1"
                assert response.headers["Connection"] == "close"
                assert (await response.json(content_type=None))["defence"] == "request-rate"
        async with http.get("/healthz") as response:
            if len(statuses) < settings.address_requests_per_s:
                assert response.status == 200
    assert statuses.count(200) >= settings.address_requests_per_s
    assert 429 in statuses


async def test_who_comes_back_gets_no_second_burst(server: str, settings: Settings) -> None:
    served = 0
    for _ in range(settings.address_requests_per_s * BURST_S * 3):
        async with (
            aiohttp.TCPConnector(local_addr=GREEDY) as connector,
            aiohttp.ClientSession(server, connector=connector) as http,
            http.get("/healthz") as response,
        ):
            served += response.status == 200
            if response.status == 429:
                break
    else:
        pytest.fail(f"{served} requests were served")


async def test_a_dear_request_counts_as_several(settings: Settings) -> None:
    settings = replace(settings, first_token_ms=0, token_ms=0, address_requests_per_s=100, max_address_connections=20)
    async with serving(settings) as url, aiohttp.ClientSession(url) as http:
        async with http.post("/answers", json={"text": "x" * 10_000}) as response:
            answer, whole = response.headers["Location"], (await response.json())["links"]["whole"]
        async with http.get(whole) as response:
            await response.read()

        async def ask() -> int:
            async with http.get(f"{answer}/timeline") as response:
                return response.status

        statuses = await asyncio.gather(*(ask() for _ in range(10)))
    assert set(statuses) == {200, 429}


async def test_connections_without_end_from_one_address_are_closed_and_others_are_served(
    http: aiohttp.ClientSession, server: str, settings: Settings
) -> None:
    address = (urlsplit(server).hostname, urlsplit(server).port)
    opened = [await asyncio.open_connection(*address, local_addr=GREEDY) for _ in range(20)]
    held = 0
    for reader, writer in opened:
        try:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            held += (await reader.readline()).startswith(b"HTTP/1.1")
        except ConnectionError:
            pass
    assert held == settings.max_address_connections
    async with http.get("/healthz") as response:
        assert response.status == 200
    for _, writer in opened:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in opened), return_exceptions=True)
    reader, writer = await asyncio.open_connection(*address, local_addr=GREEDY)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("path", ["websocket", "live"])
async def test_a_websockets_reader_that_sends_without_end_is_dropped(server: str, path: str) -> None:
    settings = Settings(port=0, first_token_ms=60_000, upstream_bytes_per_s=64)
    async with serving(settings) as url, aiohttp.ClientSession(url) as http:
        async with http.post("/answers", json={}) as response:
            answer = response.headers["Location"]
        async with http.ws_connect(f"{answer}/{path}", autoping=False) as socket:
            with pytest.raises(ConnectionError):
                await _ping_without_end(socket)


async def _ping_without_end(socket: aiohttp.ClientWebSocketResponse) -> None:
    for _ in range(1000):
        await socket.ping(b"x" * 100)
        await asyncio.sleep(0)


async def test_what_comes_right_behind_the_handshake_counts_as_well(server: str) -> None:
    settings = Settings(port=0, first_token_ms=60_000, upstream_bytes_per_s=64)
    async with serving(settings) as url:
        reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
        handshake = (
            "GET /websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        writer.write(handshake.encode() + b"\x89\x80\x00\x00\x00\x00" * 5000)
        try:
            pongs = (await asyncio.wait_for(reader.read(-1), 10)).count(b"\x8a\x00")
        except ConnectionError:
            pongs = 0
        assert pongs < 5000
        writer.close()


async def test_a_silent_peer_is_given_up_by_the_kernel(server: str, settings: Settings) -> None:
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("only Linux has TCP_USER_TIMEOUT")
    async with aiohttp.ClientSession(server) as http, http.get("/healthz"):
        transports = [each.transport for each in gc.get_objects() if isinstance(each, web.RequestHandler)]
        sockets = [each.get_extra_info("socket") for each in transports if each]
        assert sockets
        for each in sockets:
            assert each.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == settings.vanished_s * 1000


async def test_every_transport_keeps_working_within_the_limits(settings: Settings) -> None:
    generous = replace(settings, address_requests_per_s=1000)
    async with serving(generous) as url, aiohttp.ClientSession(url) as http:
        for name in set(TRANSPORTS) - {"websocket"}:
            async with http.get(f"/{name}") as response:
                assert response.status == 200
                await response.read()


async def test_connections_that_never_end_their_handshake_are_counted_too(
    certificates: tuple[Path, Path, Path], settings: Settings
) -> None:
    _, certfile, keyfile = certificates
    settings = replace(settings, certfile=str(certfile), keyfile=str(keyfile))
    async with serving(settings) as url:
        address = (urlsplit(url).hostname, urlsplit(url).port)
        opened = [await asyncio.open_connection(*address, local_addr=GREEDY) for _ in range(20)]
        ends = [asyncio.ensure_future(reader.read()) for reader, _ in opened]
        while sum(end.done() for end in ends) < 20 - settings.max_address_connections:
            await asyncio.wait([end for end in ends if not end.done()], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.2)  # for those that would be closed, too
        assert sum(end.done() for end in ends) == 20 - settings.max_address_connections
        for _, writer in opened:
            writer.close()
        await asyncio.gather(*ends, return_exceptions=True)
