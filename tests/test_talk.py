"""WebSockets by hand, on bare sockets: what an ordinary client never does."""

import asyncio
import socket
from urllib.parse import urlsplit

import aiohttp
import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from server.settings import Settings
from tests.conftest import Start
from tests.test_contract import NEVER, eventually, readers
from tests.test_hold import HANDSHAKE

LONG = {"text": "word " * 3999, "repeat": 5, "unit": "word", "token_ms": 0}
SMALL = 4096
"""Bytes that a reader has room for."""


@pytest.fixture
def settings() -> Settings:
    """Deadlines that a test can wait for."""
    return Settings(port=0, first_token_ms=0, write_s=1, heartbeat_s=0.3)


class Line:
    """A connection, and what another library makes of what comes down it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def frames(self) -> list[Frame]:
        """All that come until the server closes the connection."""
        theirs, came = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN), list[Frame]()
        async with asyncio.timeout(30):
            while data := await self.reader.read(SMALL):
                theirs.receive_data(data)
                came += [event for event in theirs.events_received() if isinstance(event, Frame)]
        self.writer.close()
        return came

    def send(self, kind: Opcode, data: bytes = b"", mask: bool = True) -> None:
        """Send a frame."""
        self.writer.write(Frame(kind, data).serialize(mask=mask))


async def shake_hands(url: str) -> Line:
    """A WebSocket that is open, of a reader with little room."""
    parts, small = urlsplit(url), socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, (parts.hostname, parts.port))
    reader, writer = await asyncio.open_connection(sock=small, limit=SMALL)
    writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{HANDSHAKE}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    return Line(reader, writer)


async def stalled(http: aiohttp.ClientSession, start: Start) -> Line:
    """One that reads nothing, and for which the server has more than it takes."""
    links = await start(**LONG)
    line = await shake_hands(links["websocket"])

    async def waits() -> bool:
        before = (await (await http.get(links["self"] + "/ledger")).json())["rows"][0]["tokens"]
        await asyncio.sleep(0.05)
        after = (await (await http.get(links["self"] + "/ledger")).json())["rows"][0]["tokens"]
        return bool(0 < before == after)

    await eventually(waits)
    return line


@pytest.mark.parametrize(
    ("sent", "code"), [((Opcode.TEXT, b"unwelcome"), 1008), ((Opcode.CONT, b""), 1002), ((Opcode.CLOSE, b""), None)]
)
async def test_nothing_follows_our_close_frame_to_a_reader_that_had_stalled(
    sent: tuple[Opcode, bytes], code: int | None, http: aiohttp.ClientSession, start: Start
) -> None:
    line = await stalled(http, start)
    line.send(*sent)
    await asyncio.sleep(0.1)
    frames = await line.frames()
    assert [frame.opcode for frame in frames].index(Opcode.CLOSE) == len(frames) - 1
    assert frames[-1].data[:2] == (code.to_bytes(2) if code else b"")


@pytest.mark.parametrize(
    ("kind", "data", "masked"),
    [(Opcode.TEXT, b"not masked", False), (Opcode.TEXT, b"\xff", True), (Opcode.TEXT, b"x" * 2000, True)],
)
async def test_who_breaks_the_protocol_is_told_and_keeps_no_place(
    kind: Opcode, data: bytes, masked: bool, http: aiohttp.ClientSession, start: Start
) -> None:
    line = await shake_hands((await start(**NEVER))["websocket"])
    line.send(kind, data, masked)
    frames = await line.frames()  # until the server closes, without another word of ours
    assert [frame.opcode for frame in frames if frame.opcode is not Opcode.TEXT] == [Opcode.CLOSE]
    assert await readers(http) == 0


async def test_a_reader_that_says_no_more_and_takes_no_more_is_dropped_at_its_deadline(
    http: aiohttp.ClientSession, start: Start
) -> None:
    links = await start(text="word " * 3999, repeat=5, unit="sentence", token_ms=60_000)
    line = await shake_hands(links["websocket"])  # less waits for it than what would make us wait for it

    async def gone() -> bool:
        return await readers(http) == 0

    line.writer.write_eof()
    await eventually(gone)
    line.writer.close()
