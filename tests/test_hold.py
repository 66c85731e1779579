"""Streams whose handler has returned: what goes on, and what the connection is good for afterwards."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.app import serving
from server.settings import Settings
from server.tap import MOST_HEARD
from tests.conftest import Start

HELD = ("sse", "iframe")
HANDSHAKE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
NEVER = {"first_token_ms": 60_000}
ENDS = b"0\r\n\r\n"

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n"

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(url: str, line: Line | None = None, version: str = "1.1", head: str = "") -> Line:
    """Send a request, over the connection that there is or over a new one."""
    parts = urlsplit(url)
    reader, writer = line or await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {parts.path} HTTP/{version}\r\nHost: {parts.netloc}\r\n{head}\r\n".encode())
    return reader, writer


async def begun(line: Line) -> None:
    """Return when the stream is open."""
    await line[0].readuntil(b'"text":""' if await line[0].readline() != UPGRADED else b"\r\n\r\n")


async def readers(http: aiohttp.ClientSession) -> int:
    """How many are being served."""
    return int((await (await http.get("/healthz")).json())["readers"])


@pytest.mark.parametrize("name", [*HELD, "websocket"])
async def test_a_stream_costs_no_task(name: str, http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(**NEVER)
    assert await readers(http) == 0
    before = len(asyncio.all_tasks())
    lines = [await ask(links[name], head=HANDSHAKE if name == "websocket" else "") for _ in range(10)]
    for line in lines:
        await begun(line)
    assert await readers(http) == 10
    assert len(asyncio.all_tasks()) == before
    for _, writer in lines:
        writer.close()
    while await readers(http):
        pass


@pytest.mark.parametrize("name", HELD)
async def test_the_connection_is_good_for_the_next_request_when_the_answer_has_ended(
    name: str, server: str, start: Start
) -> None:
    links = await start(text="first")
    line = await ask(links[name])
    await line[0].readuntil(ENDS)
    for _ in range(3):
        await ask(links[name], line)  # over and over again, also when it is all there from the start
        await line[0].readuntil(ENDS)
    await ask(f"{server}/healthz", line)
    assert (await line[0].readline()) == b"HTTP/1.1 200 OK\r\n"
    line[1].close()


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("name", HELD)
async def test_a_request_that_comes_during_a_stream_is_answered_after_it(
    name: str, record: bool, http: aiohttp.ClientSession, server: str, start: Start
) -> None:
    links = await start(**NEVER, record=record)
    line = await ask(links[name])
    await begun(line)
    await ask(f"{server}/healthz", line)
    await http.delete(links["self"])
    assert b"HTTP/1.1" not in await line[0].readuntil(ENDS)
    assert (await line[0].readline()) == b"HTTP/1.1 200 OK\r\n"
    line[1].close()


@pytest.mark.parametrize("name", HELD)
async def test_requests_that_come_in_one_packet_are_all_answered_in_their_order(
    name: str, server: str, start: Start
) -> None:
    links = await start(text="all at once")
    parts = urlsplit(links[name])
    requests = [f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n" for path in [parts.path] * 3 + ["/healthz"]]
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write("".join(requests).encode())
    for _ in range(3):
        assert b'"done":"finished"' in await reader.readuntil(ENDS)
    assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
    writer.close()


@pytest.mark.parametrize("name", HELD)
async def test_a_connection_that_rests_after_a_stream_is_closed_when_its_time_has_come(name: str) -> None:
    async with serving(Settings(port=0, keepalive_s=0.3, first_token_ms=0, token_ms=0)) as server:
        line = await ask(f"{server}/{name}")
        assert (await asyncio.wait_for(line[0].read(-1), 10)).endswith(ENDS)
        line[1].close()


@pytest.mark.parametrize("name", HELD)
async def test_connections_that_rest_are_closed_with_the_server(name: str) -> None:
    async with serving(Settings(port=0, keepalive_s=60, first_token_ms=0, token_ms=0)) as server:
        line = await ask(f"{server}/{name}")
        await line[0].readuntil(ENDS)
    assert await asyncio.wait_for(line[0].read(-1), 10) == b""
    line[1].close()


async def test_nothing_may_follow_the_handshake_of_a_websocket_before_its_reply(server: str) -> None:
    parts = urlsplit(server)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET /websocket HTTP/1.1\r\nHost: {parts.netloc}\r\n{HANDSHAKE}\r\n".encode() + b"\x81\x80\0\0\0\0")
    assert await reader.readline() == b"HTTP/1.1 400 Bad Request\r\n"
    writer.close()


@pytest.mark.parametrize("pause_s", [0, 0.001, 0.002])
@pytest.mark.parametrize("name", HELD)
async def test_what_comes_while_two_others_wait_is_answered_after_both(
    name: str, pause_s: float, http: aiohttp.ClientSession, server: str, start: Start
) -> None:
    parts = urlsplit(server)
    for _ in range(10):
        links = await start(**NEVER)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        first, second = (
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n" for path in ("/healthz", urlsplit(links[name]).path)
        )
        writer.write((first + second).encode())
        await asyncio.sleep(pause_s)
        writer.write(first.encode())
        await reader.readuntil(b'"text":""')
        await http.delete(links["self"])
        await reader.readuntil(ENDS)
        assert await asyncio.wait_for(reader.readline(), 10) == b"HTTP/1.1 200 OK\r\n"
        writer.close()


@pytest.mark.parametrize("record", [False, True])
async def test_a_stream_is_held_on_a_connection_on_which_all_has_come_in_turn(
    record: bool, http: aiohttp.ClientSession, server: str, start: Start
) -> None:
    links = await start(**NEVER, record=record)
    assert await readers(http) == 0
    before = len(asyncio.all_tasks())
    line = await ask(f"{server}/healthz")
    body = b'{"text":"a"}'
    fields = f"Host: {urlsplit(server).netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    await line[0].readuntil(b"}")
    line[1].write(f"POST /answers HTTP/1.1\r\n{fields}".encode() + body)
    await line[0].readuntil(b"}}")
    await ask(links["polling"], line)
    await line[0].readuntil(b"}")
    await ask(links["sse"], line)
    await begun(line)
    assert await readers(http) == 1
    assert len(asyncio.all_tasks()) == before
    line[1].close()


BODY = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (f"Content-Length: {len(BODY)}", BODY),
        ("Transfer-Encoding: chunked", f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"),
    ],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("name", HELD)
async def test_the_body_of_a_request_is_never_taken_for_the_next_request(
    name: str, framing: str, body: str, http: aiohttp.ClientSession, server: str, start: Start
) -> None:
    links = await start(**NEVER)
    line = await ask(links[name], head=f"{framing}\r\nExpect: 100-continue\r\n")
    await begun(line)
    line[1].write(body.encode())
    await http.delete(links["self"])
    await line[0].readuntil(ENDS)
    await ask(f"{server}/healthz", line)
    assert await line[0].readline() == b"HTTP/1.1 200 OK\r\n"
    line[1].close()


@pytest.mark.parametrize("name", HELD)
async def test_who_sends_and_sends_during_a_stream_is_dropped(
    name: str, http: aiohttp.ClientSession, start: Start
) -> None:
    links = await start(**NEVER)
    line = await ask(links[name])
    await begun(line)
    line[1].write(b"x" * 2 * MOST_HEARD)
    with suppress(ConnectionError):
        await line[0].read(-1)
    line[1].close()
    while await readers(http):
        pass


@pytest.mark.parametrize(("version", "head"), [("1.0", ""), ("1.1", "Connection: close\r\n")])
@pytest.mark.parametrize("name", HELD)
async def test_who_wants_the_connection_closed_finds_it_closed_at_the_end(
    name: str, version: str, head: str, start: Start
) -> None:
    links = await start(text="all of it")
    line = await ask(links[name], version=version, head=head)
    async with asyncio.timeout(10):
        assert b'"done":"finished"' in await line[0].read(-1)
    line[1].close()


@pytest.mark.parametrize("settings", [Settings(port=0, first_token_ms=0, token_ms=0, access_log=True)])
@pytest.mark.parametrize("name", HELD)
async def test_the_access_log_tells_of_a_stream_when_it_has_ended_and_of_a_cut(
    name: str, capsys: pytest.CaptureFixture[str], http: aiohttp.ClientSession, start: Start
) -> None:
    links = await start(text="short")
    line = await ask(links[name])
    said = await line[0].readuntil(ENDS)
    never = await start(text="never", **NEVER)
    cut = await ask(never[name])
    await begun(cut)
    assert await readers(http) == 1
    cut[1].transport.abort()
    while await readers(http):
        pass
    line[1].close()
    lines = [each for each in capsys.readouterr().err.splitlines() if f"/{name} HTTP" in each or f'/{name}"' in each]
    assert [each.split('" ')[1].split()[:2] for each in lines] == [["200", str(len(said))], ["cut", "-"]]
