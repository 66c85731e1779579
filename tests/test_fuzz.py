"""Whatever reaches the port: the server's log stays empty, no fault is admitted, and honest readers get the exact text.

The one thing to notice: most of it is nearly right. Pure noise dies in the first line of the parser; what is wrong in
one place only gets as far as the code behind it.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from clients import CLIENTS
from clients.resume import resuming
from lab import subject
from lab.subject import Subject
from server.cables import NO_GOODBYE
from server.settings import Settings
from server.transports import TRANSPORTS
from tests.test_contract import TEXT, read, text
from tests.test_permission import started

EXAMPLES = 200
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
HANDSHAKE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
FAULT = re.compile(rb"HTTP/1\.[01] 5\d\d")

noise = st.binary(max_size=300)
PATHS = [*(f"/{name}".encode() for name in TRANSPORTS), b"/", b"/answers", b"/answers/x/cuts", b"/tickets", b"/healthz"]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request in which anything may be wrong, or nothing."""
    method = draw(st.sampled_from([b"GET", b"POST", b"DELETE", b"HEAD", b"\xff", b"G T"]))
    path = draw(st.sampled_from(PATHS)) + draw(st.sampled_from([b"", b"?cursor=", b"?text=", b"?\xff=", b"%", b"#"]))
    version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"http/1.1", b""]))
    known = [
        HOST,
        JSON,
        HANDSHAKE,
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\n",
        b"Expect: 100-continue\r\n",
    ]
    fields = draw(st.lists(st.sampled_from(known) | noise.map(lambda value: b"X: %b\r\n" % value), max_size=5))
    body = draw(noise | st.sampled_from([b"{}", b'{"text":"', b'{"seconds":1e999}', b"[" * 300]))
    return b"%b %b %b\r\n%b\r\n%b" % (method, path, version, b"".join([HOST, *fields]), body)


@st.composite
def halves(draw: st.DrawFn) -> bytes:
    """A request that stops somewhere."""
    whole = draw(requests())
    return whole[: draw(st.integers(0, len(whole)))]


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    """A body in chunks whose sizes are not what they say (RFC 9112 §7.1)."""
    size = st.sampled_from([b"", b"0", b"5", b"-1", b"ffffffffffffffff", b"5;x=", b"0x5", b"5 ", b"g", b"\xff"])
    end = st.sampled_from([b"\r\n", b"\n", b"\r", b""])
    parts = draw(st.lists(st.tuples(size, end, noise | st.just(b"{}   "), end), max_size=6))
    head = b"POST /answers HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"".join(part) for part in parts)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A WebSocket handshake, and frames whose bits, lengths and masks mean nothing (RFC 6455 §5.2)."""
    heads = st.tuples(st.integers(0, 255), st.integers(0, 255)).map(bytes)
    sizes = st.sampled_from([b"", b"\x00\x05", b"\xff" * 8, b"\x7f" + b"\xff" * 7])
    sent = draw(st.lists(st.tuples(heads, sizes, noise), max_size=6))
    return b"GET /websocket HTTP/1.1\r\n" + HOST + HANDSHAKE + b"\r\n" + b"".join(b"".join(part) for part in sent)


KINDS = {
    "noise": noise,
    "requests": requests(),
    "several requests": st.lists(requests(), max_size=4).map(b"".join),
    "half requests": halves(),
    "chunks": chunked(),
    "frames": frames(),
}


def send(address: tuple[str, int], data: bytes, pieces: int, closes: bool) -> bytes:
    """Send it in so many pieces, close the sending side or not; gives what came back in a short while."""
    assert address[0] == "127.0.0.1"
    got = b""
    with socket.create_connection(address) as connection, suppress(OSError):  # it is closed at once
        step = max(1, len(data) // pieces)
        for at in range(0, len(data), step):
            connection.sendall(data[at : at + step])
        if closes:
            connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0.02)
        while len(got) < 1 << 16 and (more := connection.recv(1 << 16)):
            got += more
    return got


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[Subject]:
    """A server process whose log has to be empty in the end."""
    settings = Settings(first_token_ms=5, token_ms=5, keepalive_s=2, body_s=2, max_answers=1000)
    log = tmp_path / "log"
    async with subject.serving(settings, log=log) as server:
        yield server
        server.check()
    assert await asyncio.to_thread(log.read_text) == ""


# The readers draw their pauses in another thread meanwhile, which is not of the strategy's making.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_that_is_sent_harms_the_server_or_its_readers(kind: str, target: Subject) -> None:
    address = urlsplit(target.url)
    over = asyncio.Event()

    @examples(max_examples=EXAMPLES, deadline=None)
    @given(data=KINDS[kind], pieces=st.integers(1, 5), closes=st.booleans())
    def attack(data: bytes, pieces: int, closes: bool) -> None:
        got = send((str(address.hostname), int(address.port or 0)), data, pieces, closes)
        assert not FAULT.match(got), got[:500]

    async with aiohttp.ClientSession(target.url) as http:
        honest = asyncio.create_task(_read_on(http, target.url, over))
        try:
            await asyncio.to_thread(attack)
        finally:
            over.set()
        read_texts = await honest
    assert read_texts == [TEXT] * len(read_texts)
    assert len(read_texts) >= len(TRANSPORTS)


async def test_somebody_who_is_gone_before_the_response_is_nobodys_fault(target: Subject) -> None:
    address = urlsplit(target.url)
    for name in TRANSPORTS:
        for more in (b"", HANDSHAKE, b"Expect: 100-continue\r\n"):
            request = b"GET /%b HTTP/1.1\r\n%b%b\r\n" % (name.encode(), HOST, more)
            for _ in range(5):
                with socket.create_connection((address.hostname, address.port)) as connection:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_GOODBYE)
                    connection.sendall(request + b"\x81\xff")
    over = asyncio.Event()
    over.set()
    async with aiohttp.ClientSession(target.url) as http:
        assert await _read_on(http, target.url, over) == [TEXT] * len(TRANSPORTS)


async def _read_on(http: aiohttp.ClientSession, server: str, over: asyncio.Event) -> list[str]:
    """The texts that honest readers got, one over each transport at a time, for as long as the attack goes on.

    They come back: on a busy machine a poller may be away for longer than an idle connection is kept here.
    """
    got: list[str] = []
    while not got or not over.is_set():
        links = await started(http, text=TEXT)
        each = (partial(read, resuming(CLIENTS[name]), server + links[name]) for name in TRANSPORTS)
        got += map(text, await asyncio.gather(*(reader() for reader in each)))
    return got
