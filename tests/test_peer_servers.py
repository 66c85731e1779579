"""The peers: each delivers the same answers as this server, when they are due, and ends when it is to.

The one thing to notice: they are read by pushlab's own clients, so what is compared with this server speaks its format.
"""

import asyncio
import hashlib
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
import psutil
import pytest

from clients import CLIENTS
from clients.chunk import Chunk
from lab.peers import catalogue
from lab.peers.catalogue import PEERS
from lab.subject import ROOT
from tests.system import skip

TEXT = 'Twelve words, of them 一些 中文, and 🙂 👨‍👩‍👧 with </script> <!-- & "quotes" \\ to\nthe end.'
TOKENS = len(TEXT.split())
FIRST_MS, TOKEN_MS = 60, 20
EARLY_S = 0.004
"""Timers of libuv count in whole milliseconds."""

CASES = [pytest.param(peer, name, id=f"{peer}-{name}") for peer in PEERS for name in PEERS[peer].transports]
STREAMS = [
    pytest.param(peer, name, id=f"{peer}-{name}")
    for peer in PEERS
    for name in PEERS[peer].transports
    if name not in ("polling", "long_polling") and peer != "pushlab"  # which sends late tokens in one chunk
]

Process = asyncio.subprocess.Process


@asynccontextmanager
async def running(peer: str) -> AsyncIterator[tuple[Process, str]]:
    """The peer's process and its URL; it is ended, whatever becomes of the test."""
    if reason := PEERS[peer].missing():
        skip(reason)
    process = await asyncio.create_subprocess_exec(
        *PEERS[peer].command(10),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def told_to_end(process: Process) -> None:
    process.terminate()


def left_alone(process: Process) -> None:
    assert process.stdin
    process.stdin.close()


async def started(url: str, token_ms: float = TOKEN_MS) -> dict[str, str]:
    """Where an answer is read that has just been started, for each transport."""
    fields = {"text": TEXT, "unit": "word", "first_token_ms": FIRST_MS, "token_ms": token_ms}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/answers", json=fields) as response:
        document = await response.json()
        assert response.status == 201, document
        return {name: urljoin(url, link) for name, link in document["links"].items()}


async def read(link: str, name: str) -> list[tuple[float, Chunk]]:
    """Every chunk, with when it came (monotonic seconds)."""
    async with aclosing(CLIENTS[name](link)) as chunks:
        return [(time.monotonic(), chunk) async for chunk in chunks]


@pytest.mark.parametrize(("peer", "name"), CASES)
async def test_a_peer_delivers_the_exact_text_and_nothing_before_it_is_due(peer: str, name: str) -> None:
    async with running(peer) as (_, url):
        began = time.monotonic()
        heard = await read((await started(url))[name], name)
    last = heard[-1][1]
    assert "".join(chunk.text for _, chunk in heard) == TEXT
    assert (last.done, last.sha256) == ("finished", hashlib.sha256(TEXT.encode()).hexdigest())
    for at, chunk in heard:
        entries = min(chunk.cursor, TOKENS)
        due_s = (FIRST_MS + (entries - 1) * TOKEN_MS) / 1000
        assert entries == 0 or at >= began + due_s - EARLY_S


@pytest.mark.parametrize(("peer", "name"), STREAMS)
async def test_a_stream_of_a_peer_has_a_chunk_for_each_token_and_one_for_the_end(peer: str, name: str) -> None:
    async with running(peer) as (_, url):
        chunks = [chunk for _, chunk in await read((await started(url))[name], name) if chunk.cursor]
    assert [chunk.cursor for chunk in chunks] == list(range(1, TOKENS + 2))
    assert [chunk.text.strip() for chunk in chunks] == [*TEXT.split(), ""]


@pytest.mark.parametrize("peer", PEERS)
async def test_a_peer_has_the_transports_that_it_says(peer: str) -> None:
    async with running(peer) as (_, url):
        assert set(PEERS[peer].transports) <= (await started(url)).keys()


@pytest.mark.parametrize("peer", PEERS)
async def test_the_process_that_is_measured_is_the_one_that_delivers(peer: str) -> None:
    async with running(peer) as (process, url):
        links = await started(url)
        measured = psutil.Process(PEERS[peer].measured(process.pid))
        listens = {each.laddr.port for each in measured.net_connections() if each.status == psutil.CONN_LISTEN}
        assert {urlsplit(links[name]).port for name in PEERS[peer].transports} <= listens


@pytest.mark.parametrize("end", [told_to_end, left_alone])
@pytest.mark.parametrize("peer", PEERS)
async def test_a_peer_ends_in_the_middle_of_an_answer_and_leaves_no_process(
    peer: str, end: Callable[[Process], None]
) -> None:
    name = PEERS[peer].transports[0]
    async with running(peer) as (process, url), aclosing(CLIENTS[name]((await started(url, 60_000))[name])) as chunks:
        await anext(chunks)
        children = psutil.Process(process.pid).children(recursive=True)
        end(process)
        await process.wait()
        assert not any(child.is_running() for child in children)


@pytest.mark.parametrize("peer", PEERS)
async def test_a_peer_prints_its_url_and_nothing_else(peer: str) -> None:
    name = PEERS[peer].transports[0]
    async with running(peer) as (process, url):
        await read((await started(url))[name], name)
        process.terminate()
        assert await process.communicate() == (b"", b"")


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_knows_the_version_of_what_it_stands_on(peer: str) -> None:
    if reason := PEERS[peer].missing():
        skip(reason)
    assert re.fullmatch(r"[\w-]+ \d+\.\d[\w.+~-]*(, [\w-]+ \d+\.\d[\w.+~-]*)*", PEERS[peer].version())


def test_what_a_peer_lacks_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda _package: None)
    monkeypatch.setattr(catalogue, "NODE", tmp_path)
    monkeypatch.setattr(catalogue, "NCHAN", ())
    monkeypatch.setattr(shutil, "which", lambda program, path=None: None if program == "nginx" else program)
    assert {peer: reason for peer in PEERS if (reason := PEERS[peer].missing())} == {
        "starlette": "There is no uvicorn and no uvloop and no httptools and no starlette and no sse_starlette here: "
        'type: python -m pip install --editable ".[peers]"',
        "express": "There is no express here: type: npm ci --prefix lab/peers/servers/node",
        "ws": "There is no ws here: type: npm ci --prefix lab/peers/servers/node",
        "nchan": "There is no nginx and no nchan here: on Debian, type: sudo apt-get install nginx libnginx-mod-nchan",
    }


def test_without_node_its_peers_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _program, path=None: None)
    for peer in ("node", "express", "ws"):
        assert PEERS[peer].missing() == "There is no Node.js here: install version 18 or newer."
