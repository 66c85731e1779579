"""The ledger, held against two independent instruments: a relay that counts every byte it passes on, and tcpdump."""

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from clients import CLIENTS
from clients.chunk import Client
from clients.connection import connecting
from clients.request import session
from server.app import serving
from server.ledger import MOST_ROWS, TCP_INFO, Counters, counters
from server.settings import Settings
from tests.capture import capturing
from tests.conftest import Start
from tests.test_contract import NEVER, TEXT, TOKENS, eventually, read, readers, text

SOURCES = ("TCP_INFO", "asyncio") if sys.platform == "linux" else ("asyncio",)


@pytest.fixture(params=SOURCES, autouse=True)
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who counts: every test runs with the kernel's figures, and with our own as on systems without."""
    monkeypatch.setattr("server.ledger.KERNEL_COUNTS", request.param == "TCP_INFO")
    return str(request.param)


@dataclass
class Relay:
    """A TCP relay before the server; it counts what it passes on."""

    url: str = ""
    up: int = 0
    down: int = 0
    connections: int = 0


@asynccontextmanager
async def relay_to(server: str) -> AsyncIterator[Relay]:
    """Relay to `server`, under the name of the server itself."""
    relay = Relay()
    port = int(server.rpartition(":")[2])
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        try:
            while data := await reader.read(65536):
                setattr(relay, direction, getattr(relay, direction) + len(data))
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay.connections += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        for pumping in (pump(reader, far_writer, "up"), pump(far_reader, writer, "down")):
            task = asyncio.create_task(pumping)
            tasks.add(task)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        relay.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield relay
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def rows(http: aiohttp.ClientSession, answer: str) -> list[dict[str, Any]]:
    """The ledger of an answer."""
    found: list[dict[str, Any]] = (await (await http.get(f"{answer}/ledger")).json())["rows"]
    return found


async def settled(http: aiohttp.ClientSession) -> None:
    """Return when the server serves no reader any more."""

    async def free() -> bool:
        return await readers(http) == 0

    await eventually(free)


async def test_it_counts_every_byte_that_crossed_and_no_other(
    name: str, client: Client, start: Start, server: str, http: aiohttp.ClientSession, source: str
) -> None:
    links = await start(text=TEXT, first_token_ms=30, token_ms=10)
    async with relay_to(server) as relay:
        chunks = await read(client, links[name].replace(server, relay.url) + "?reader=me")
        await settled(http)
        (row,) = await rows(http, links["self"])
    assert text(chunks) == TEXT
    assert (row["transport"], row["reader"], row["source"]) == (name, "me", source)
    assert (row["bytes_up"], row["bytes_down"]) == (relay.up, relay.down)
    assert row["connections"] == relay.connections
    assert row["requests"] == chunks[-1].request
    assert row["tokens"] == len(TOKENS)
    assert row["chunks"] == len([chunk for chunk in chunks if chunk.text])
    if source == "TCP_INFO":
        assert row["retransmits"] == 0
        assert row["segments_up"] > 0
        assert row["segments_down"] > 0
    else:
        assert row["retransmits"] is row["segments_up"] is row["segments_down"] is None
    assert 0 < row["first_ms"] <= row["last_ms"]


async def test_readers_that_share_a_connection_are_told_apart(start: Start, server: str) -> None:
    async with relay_to(server) as relay, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as one:
        links = {name: url.replace(server, relay.url) for name, url in (await start(text=TEXT)).items()}
        await (await one.get(links["whole"])).read()  # the first bytes of the connection, and the end of the answer
        booked = relay.up, relay.down
        spent: dict[str, tuple[int, ...]] = {}
        for reader in ("a", "b", "a"):
            await (await one.get(f"{relay.url}/transports")).read()  # in between, requests that are nobody's
            before = relay.up, relay.down
            await (await one.get(links["polling"], params={"reader": reader})).read()
            used = relay.up - before[0], relay.down - before[1]
            spent[reader] = tuple(map(sum, zip(spent.get(reader, (0, 0)), used, strict=True)))
        found = {(row["transport"], row["reader"]): row for row in await rows(one, links["self"])}
        assert relay.connections == 1
    assert (found[("whole", "")]["bytes_up"], found[("whole", "")]["bytes_down"]) == booked
    for reader, requests in (("a", 2), ("b", 1)):
        row = found[("polling", reader)]
        assert (row["bytes_up"], row["bytes_down"]) == spent[reader]
        assert (row["requests"], row["connections"]) == (requests, 1)


async def test_a_request_that_comes_the_moment_the_last_was_answered_is_booked_to_its_own_reader(
    start: Start, server: str, http: aiohttp.ClientSession
) -> None:
    links = await start(text=TEXT)
    await read(CLIENTS["whole"], links["whole"])
    path = links["polling"].removeprefix(server)
    requests = {
        reader: f"GET {path}?reader={reader} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for reader in ("a", "bbb")
    }

    def alternate() -> None:
        """From a thread of its own, so that it is as quick as another program."""
        with socket.create_connection(("127.0.0.1", int(server.rpartition(":")[2]))) as one:
            for request in [*requests.values()] * 150:
                one.sendall(request)
                response = b""
                while not response.endswith(b"}"):
                    response += one.recv(65536)

    await asyncio.to_thread(alternate)
    found = {row["reader"]: row for row in await rows(http, links["self"]) if row["transport"] == "polling"}
    assert {reader: row["bytes_up"] for reader, row in found.items()} == {
        reader: 150 * len(request) for reader, request in requests.items()
    }


@pytest.mark.parametrize("linger", [None, 0], ids=["fin", "fin and rst"])
async def test_the_end_of_a_connection_is_no_byte(
    start: Start, server: str, http: aiohttp.ClientSession, linger: int | None
) -> None:
    links = await start(**NEVER)
    request = f"GET {links['sse'].removeprefix(server)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def leave() -> None:
        with socket.create_connection(("127.0.0.1", int(server.rpartition(":")[2]))) as one:
            one.sendall(request)
            one.recv(65536)
            one.shutdown(socket.SHUT_WR)
            if linger is not None:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, linger))

    await asyncio.to_thread(leave)
    await settled(http)
    (row,) = await rows(http, links["self"])
    assert row["bytes_up"] == len(request)


async def test_the_row_of_a_stream_is_live(start: Start, http: aiohttp.ClientSession, server: str) -> None:
    links = await start(**NEVER)
    async with relay_to(server) as relay, aiohttp.ClientSession() as other:
        url = links["sse"].replace(server, relay.url)
        async with other.get(url) as response:
            await response.content.readuntil(b"\n\n")
            (row,) = await rows(http, links["self"])
            assert (row["bytes_up"], row["bytes_down"]) == (relay.up, relay.down)
            assert row["bytes_down"] > 0


async def test_a_reader_that_leaves_has_paid_for_what_it_got(
    name: str, client: Client, start: Start, http: aiohttp.ClientSession, server: str
) -> None:
    links = await start(**NEVER)
    async with relay_to(server) as relay:
        stream = client(links[name].replace(server, relay.url))
        first = asyncio.ensure_future(anext(stream))

        async def known() -> bool:
            return bool(await rows(http, links["self"]))

        await eventually(known)
        await asyncio.wait([first], timeout=0.1)
        first.cancel()
        await asyncio.wait([first])
        async with aclosing(stream):
            pass
        await settled(http)
        (row,) = await rows(http, links["self"])
        assert row["bytes_up"] == relay.up
        assert row["bytes_down"] == relay.down


async def test_made_up_readers_do_not_fill_the_memory(start: Start, http: aiohttp.ClientSession) -> None:
    links = await start(text=TEXT)
    for reader in range(MOST_ROWS + 5):
        await (await http.get(links["polling"], params={"reader": f"{reader}{'x' * 100}"})).read()
    found = await rows(http, links["self"])
    assert len(found) == MOST_ROWS + 1
    assert max(len(row["reader"]) for row in found) == 64
    assert found[-1]["reader"] == "(others)"
    assert found[-1]["requests"] == 5


def test_the_kernels_structure_is_read_at_its_offsets() -> None:
    info = bytearray(TCP_INFO.size)
    for offset, size, value in (
        (0, 1, 8),
        (100, 4, 5),
        (128, 8, 1001),
        (136, 4, 20),
        (140, 4, 30),
        (200, 8, 70),
        (208, 8, 9),
    ):
        info[offset : offset + size] = value.to_bytes(size, "little")

    class Socket(socket.socket):
        def getsockopt(self, *_: Any) -> bytes:  # type: ignore[override]
            return bytes(info)

    with Socket() as sock:
        assert counters(sock) == Counters(1000, 61, 30, 20, 5)  # in CLOSE_WAIT the FIN is taken off


def test_a_closed_socket_counts_nothing() -> None:
    sock = socket.socket()
    sock.close()
    assert counters(sock) is None


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
async def test_it_agrees_with_a_packet_capture_to_the_byte(
    name: str, client: Client, settings: Settings, certificates: tuple[Path, Path, Path], source: str, tls: bool
) -> None:
    cafile, certfile, keyfile = certificates
    if tls:
        settings = replace(settings, certfile=str(certfile), keyfile=str(keyfile))
    async with AsyncExitStack() as stack:
        stack.enter_context(connecting(cafile=cafile if tls else None))
        url = await stack.enter_async_context(serving(settings))
        http = await stack.enter_async_context(session())
        async with http.post(f"{url}/answers", json={"text": TEXT, "first_token_ms": 1000, "token_ms": 10}) as response:
            links = (await response.json())["links"]
        async with capturing(int(url.rpartition(":")[2])) as capture:
            assert text(await read(client, url + links[name])) == TEXT
        (row,) = (await (await http.get(f"{url}{links[name].rpartition('/')[0]}/ledger")).json())["rows"]
    counted, crossed = (row["bytes_up"], row["bytes_down"]), (capture.bytes_up, capture.bytes_down)
    if tls and source == "asyncio":  # without the kernel, what TLS carries is counted, and not what it makes of it
        assert len(TEXT.encode()) < counted[1] < crossed[1]
    else:
        assert counted == crossed
