"""The end of a server process: every reader is told, nobody is waited for without a bound, and the exit code is true.

The one thing to notice: these are processes and signals. Whatever the event loop thinks of itself, what counts is
what a reader got, and what the shell sees.
"""

import asyncio
import json
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest

from clients import CLIENTS
from clients.chunk import Client
from lab import subject
from lab.subject import Subject
from server.readers import BETWEEN_S
from server.settings import Settings
from server.store import STOPPED
from server.transports import TRANSPORTS
from tests.test_cli import begin, finish, get, run
from tests.test_cli import serving as served
from tests.test_contract import NEVER, TEXT, read, text
from tests.test_http import HANDSHAKE, PARAGRAPH, deaf_reader, refused

LONG = {"text": PARAGRAPH, "unit": "sentence", "repeat": 100, "first_token_ms": 0, "token_ms": 0}
"""More than the kernel takes for a reader that does not read."""


@asynccontextmanager
async def serving(log: Path, **settings: Any) -> AsyncIterator[tuple[Subject, aiohttp.ClientSession]]:
    """A server process, and a session with it; what it writes to standard error goes to the file."""
    async with (
        subject.serving(Settings(**settings), log=log) as server,
        aiohttp.ClientSession(server.url) as http,
    ):
        yield server, http
    assert b"Traceback" not in await asyncio.to_thread(log.read_bytes)


async def started(http: aiohttp.ClientSession, **fields: Any) -> dict[str, str]:
    async with http.post("/answers", json=fields) as response:
        assert response.status == 201, await response.text()
        links: dict[str, str] = (await response.json())["links"]
    return {name: str(http._base_url).rstrip("/") + path for name, path in links.items()}


async def typed(http: aiohttp.ClientSession) -> dict[str, str]:
    """The links to a long answer that has been typed to its end."""
    links = await started(http, **LONG)
    async with http.get(links["whole"]) as response:
        await response.read()
    return links


async def test_sigterm_tells_every_reader_in_the_middle_of_its_answer(
    name: str, client: Client, tmp_path: Path
) -> None:
    async with serving(tmp_path / "log") as (server, http):
        links = await started(http, text=TEXT, first_token_ms=0, token_ms=60_000)
        reading = asyncio.create_task(read(client, links[name]))
        await anext(CLIENTS["long_polling"](links["long_polling"]))
        server.process.terminate()
        last = (await asyncio.wait_for(reading, 20))[-1]
        assert (last.done, last.error) == ("failed", STOPPED)
        assert TEXT.startswith(text(await reading))
        assert await asyncio.wait_for(server.process.wait(), 20) == 0


async def test_a_websocket_is_closed_as_going_away_and_otherwise_as_normal(tmp_path: Path) -> None:
    async with serving(tmp_path / "log") as (server, http):
        over, under_way = await started(http, text="够", first_token_ms=0), await started(http, **NEVER)
        codes = []
        async with http.ws_connect(over["websocket"]) as one, http.ws_connect(under_way["websocket"]) as other:
            for socket_, stop in ((one, False), (other, True)):
                if stop:
                    server.process.terminate()
                while (message := await socket_.receive(20)).type is aiohttp.WSMsgType.TEXT:
                    last = json.loads(message.data)
                codes.append((message.data, last["done"]))
        assert codes == [(1000, "finished"), (1001, "failed")]
        assert await asyncio.wait_for(server.process.wait(), 20) == 0


async def test_a_poller_between_two_requests_comes_back_for_its_last_chunk(tmp_path: Path) -> None:
    async with serving(tmp_path / "log", shutdown_s=2 * BETWEEN_S) as (server, http):
        links = await started(http, **NEVER)
        async with http.get(links["polling"]) as response:
            assert "done" not in await response.json()
        server.process.terminate()
        await asyncio.sleep(BETWEEN_S / 4)  # the pause of a poller
        async with aiohttp.ClientSession() as later, later.get(links["polling"]) as response:
            assert (await response.json())["error"] == STOPPED


async def test_from_that_moment_no_answer_is_started_and_the_server_is_not_healthy(tmp_path: Path) -> None:
    async with serving(tmp_path / "log", shutdown_s=10, write_s=120, max_answer=10_000_000) as (server, http):
        long, typing = await typed(http), await started(http, **NEVER)
        async with deaf_reader(long["sse"]):
            assert (await healthz(http))[0] == 200
            server.process.terminate()
            while (await healthz(http))[0] == 200:
                pass
            status, health = await healthz(http)
            assert (status, health) == (503, {"typing": 0, "readers": 1, "stopping": True})
            for method, path in (("POST", "/answers"), ("GET", "/sse"), ("GET", "/polling")):
                async with http.request(method, path, json={} if method == "POST" else None) as response:
                    assert "being stopped" in await refused(response, 503)
                    assert int(response.headers["Retry-After"]) > 0
            async with http.get(typing["polling"]) as response:
                assert (await response.json())["error"] == STOPPED
            assert text(await read(CLIENTS["sse"], long["sse"])) == PARAGRAPH * 100
        assert await asyncio.wait_for(server.process.wait(), 20) == 0


async def healthz(http: aiohttp.ClientSession) -> tuple[int, dict[str, Any]]:
    async with http.get("/healthz") as response:
        return response.status, await response.json()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("stream", ["iframe", "sse"])
async def test_a_reader_that_takes_nothing_is_waited_for_with_a_bound_and_then_reset(
    stream: str, tls: bool, tmp_path: Path
) -> None:
    settings, log = Settings(shutdown_s=0.5, write_s=120, max_answer=10_000_000), tmp_path / "log"
    async with subject.serving(settings, tls=tls, log=log) as server:
        trust = ssl.create_default_context(cafile=str(server.cafile)) if tls else None
        connector = aiohttp.TCPConnector(ssl=trust or True)
        async with aiohttp.ClientSession(server.url, connector=connector) as http:
            links = await typed(http)
            async with deaf(links[stream], trust) as reader:
                assert (await healthz(http))[1]["readers"] == 1
                server.process.terminate()
                assert await asyncio.wait_for(server.process.wait(), 20) == 0
                with pytest.raises(ConnectionResetError):
                    await reader.read(-1)
    assert b"Traceback" not in await asyncio.to_thread(log.read_bytes)


@asynccontextmanager
async def deaf(url: str, trust: ssl.SSLContext | None) -> AsyncIterator[asyncio.StreamReader]:
    """A reader of `url` that sees the first byte and takes no more, in small buffers, until it is asked to."""
    address, loop = urlsplit(url), asyncio.get_running_loop()
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await loop.sock_connect(connection, (address.hostname, address.port))
    name = address.hostname if trust else None
    reader, writer = await asyncio.open_connection(sock=connection, limit=1, ssl=trust, server_hostname=name)
    try:
        writer.write(f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        assert await asyncio.wait_for(reader.readexactly(1), 10) == b"H"
        yield reader
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_exit_code_says_how_it_was_ended_also_with_readers_that_take_nothing(
    sent: signal.Signals, code: int
) -> None:
    with (
        served("--first-token-ms", "0", "--token-ms", "0", "--shutdown-s", "0.3") as (process, url),
        socket.socket() as reader,
    ):
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((urlsplit(url).hostname, urlsplit(url).port))
        reader.sendall(b"GET /sse?preset=english&repeat=100 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert reader.recv(1) == b"H"
        process.send_signal(sent)
        assert finish(process)[0] == code


def test_a_second_sigterm_changes_nothing_however_late_it_comes() -> None:
    with served("--tls") as (process, _):
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.returncode == 0


def test_two_servers_on_one_port_are_one_server_and_a_sentence() -> None:
    with served() as (_, url):
        port = str(urlsplit(url).port)
        code, out, err = run("-m", "server", "--port", port)
        assert (code, out) == (1, "")
        assert f"Port {port} is in use." in err
        assert get(url, "/healthz").status_code == 200


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_comes_back_on_its_port_says_that_its_answers_are_gone(sent: signal.Signals) -> None:
    with served("--first-token-ms", "0", "--token-ms", "20000") as (process, url):
        links = httpx.post(url + "/answers", json={}, trust_env=False).json()["links"]
        with httpx.stream("GET", url + links["sse"], trust_env=False) as response:  # a connection to be left behind
            next(response.iter_raw())
            process.send_signal(sent)
            process.wait(timeout=30)
    again = begin("-m", "server", "--port", str(urlsplit(url).port))
    try:
        assert again.stdout
        assert again.stdout.readline().rstrip("\n") == url
        for name in TRANSPORTS:
            gone = httpx.get(url + links[name], headers=HANDSHAKE, params={"cursor": 1}, trust_env=False)
            assert (gone.status_code, "no answer of this id" in gone.json()["detail"]) == (404, True)
    finally:
        again.terminate()
        assert finish(again)[0] == 0
