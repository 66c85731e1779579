"""The way of a token from the log to the sockets. The one thing to notice: here a test is the one who writes it."""

import asyncio
import socket
from collections.abc import Iterator
from importlib import import_module
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.answer import Answer, Chunk
from server.settings import Settings
from tests.conftest import Start

READERS = 20
STREAMS = ("sse", "iframe", "websocket")

HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Lines:
    """Sockets that read one answer each, as they are."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []

    async def open(self, url: str, room: int | None = None) -> socket.socket:
        """One that has asked, and heard that it is connected. `room` is for how many bytes it has."""
        parts = urlsplit(url)
        line = socket.socket()
        if room:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        line.setblocking(False)
        self.sockets.append(line)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(line, (parts.hostname, parts.port))
        more = HANDSHAKE if parts.path.endswith("websocket") else ""
        await loop.sock_sendall(line, f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{more}\r\n".encode())
        assert await loop.sock_recv(line, 65536)
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Closed in the end."""
    lines = Lines()
    yield lines
    for line in lines.sockets:
        line.close()


async def waiting(http: aiohttp.ClientSession, readers: int) -> None:
    """Return when so many are being served, and all of them have had time to hear all that there is."""
    while (await (await http.get("/healthz")).json())["readers"] != readers:
        pass


@pytest.mark.parametrize("name", STREAMS)
async def test_a_token_is_at_the_socket_in_the_turn_in_which_it_was_written(
    name: str, http: aiohttp.ClientSession, start: Start, written: list[Answer], lines: Lines
) -> None:
    links = await start()
    line = await lines.open(links[name])
    await waiting(http, 1)
    written[0].append("now")  # and nobody has had a turn since
    assert b"now" in line.recv(65536)


@pytest.mark.parametrize("name", STREAMS)
async def test_tokens_written_together_are_one_chunk(
    name: str, http: aiohttp.ClientSession, start: Start, written: list[Answer], lines: Lines
) -> None:
    links = await start()
    line = await lines.open(links[name])
    await waiting(http, 1)
    for word in ("one ", "two "):
        written[0].append(word, more=True)
    written[0].append("three")
    assert b'{"cursor":3,"text":"one two three"}' in line.recv(65536)


@pytest.mark.parametrize("name", ["sse", "websocket"])
async def test_readers_that_cannot_be_sent_a_chunk_are_dropped_and_all_others_get_it(
    name: str,
    http: aiohttp.ClientSession,
    start: Start,
    written: list[Answer],
    lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    links = await start()
    module = import_module(f"server.transports.{name}")
    frame = module.frame
    monkeypatch.setattr(module, "frame", lambda chunk: frame(chunk) if not chunk.text else 1 / 0)
    broken = [await lines.open(links[name]) for _ in range(2)]
    monkeypatch.setattr(module, "frame", frame)
    well = [await lines.open(links[other]) for other in STREAMS]
    await waiting(http, len(broken + well))
    written[0].append("for all")
    assert all(b"for all" in line.recv(65536) for line in well)
    await waiting(http, len(well))
    assert [line.recv(65536) for line in broken] == [b"", b""]
    assert caplog.text.count("ZeroDivisionError: ") == 2
    assert not written[0].done


@pytest.mark.parametrize("name", ["sse", "websocket"])
async def test_a_frame_is_made_once_for_all_readers_of_an_answer(
    name: str,
    http: aiohttp.ClientSession,
    start: Start,
    written: list[Answer],
    lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    links = await start()
    made: list[Chunk] = []
    module = import_module(f"server.transports.{name}")
    frame = module.frame

    def counted(chunk: Chunk) -> bytes:
        made.append(chunk)
        return bytes(frame(chunk))

    monkeypatch.setattr(module, "frame", counted)
    readers = [await lines.open(links[name]) for _ in range(READERS)]
    await waiting(http, READERS)
    made.clear()
    written[0].append("for all")
    await asyncio.sleep(0)
    assert all(b"for all" in line.recv(65536) for line in readers)
    assert len(made) == 1


@pytest.mark.parametrize("name", STREAMS)
async def test_a_reader_that_takes_nothing_is_left_alone_and_the_others_go_on(
    name: str, http: aiohttp.ClientSession, start: Start, written: list[Answer], lines: Lines
) -> None:
    links = await start()
    slow, quick = await lines.open(links[name], room=4096), await lines.open(links[name])
    await waiting(http, 2)
    loop, big, heard = asyncio.get_running_loop(), "%" * 10_000, b""
    for _ in range(200):
        written[0].append(big)
        while heard.count(b"%") < 10_000:
            heard += await loop.sock_recv(quick, 65536)
        heard = b""
    written[0].append("the end")
    written[0].end("finished")
    while b"the end" not in heard:
        heard = heard[-100:] + await loop.sock_recv(quick, 65536)
    got = heard = b""
    while b"the end" not in heard:  # and it missed nothing: it reads on from its own cursor
        heard = await loop.sock_recv(slow, 65536)
        got += heard
        heard = got[-400:]
    assert got.count(b"%") == 200 * 10_000


@pytest.mark.parametrize("settings", [Settings(port=0, heartbeat_s=0.05)])
@pytest.mark.parametrize("name", STREAMS)
async def test_a_heartbeat_comes_only_after_a_silence(
    name: str, http: aiohttp.ClientSession, start: Start, written: list[Answer], lines: Lines
) -> None:
    links = await start()
    line = await lines.open(links[name])
    await waiting(http, 1)
    heard = b""
    while b'"text":""' not in heard:
        heard += await asyncio.get_running_loop().sock_recv(line, 65536)
    written[0].append("news")
    await asyncio.sleep(0)
    assert line.recv(65536).count(b'"text"') >= 1
