"""Readers that vanish without a word: a network of its own, whose cable is pulled.

The one thing to notice: nothing tells the server, no FIN and no RST. To it they look like readers who have nothing to
say, and it has to ask: by a chunk without text, or by the kernel's probe where the transport is silent.
"""

import asyncio
import ctypes
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from clients import CLIENTS
from server.app import serving
from server.settings import Settings
from tests.conftest import Start
from tests.system import skip
from tests.test_contract import TEXT, eventually, read, readers, text
from tests.test_slow import HANDSHAKE, connections

CLONE_NEWNET = 0x40000000  # linux/sched.h
OURS, THEIRS = "198.18.77.1", "198.18.77.2"  # RFC 2544: never routed anywhere

READER = """
import socket, sys, time
host, port, path, more = sys.argv[1:]
with socket.create_connection((host, int(port))) as reader:
    if path:
        reader.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n{more}\\r\\n".encode())
    print("asked", flush=True)
    time.sleep(600)
"""


class Network:
    """Two network namespaces, connected by a cable. The machine's own network never changes: Chromium would notice,
    and break off whatever it is loading in other tests.
    """

    def __init__(self) -> None:
        word = secrets.token_hex(3)
        self.near, self.name = f"pushlab-near-{word}", f"pushlab-far-{word}"

    def lay(self) -> None:
        """Make it. Raises CalledProcessError where that is not allowed."""
        for name in (self.near, self.name):
            self._ip("netns", "add", name)
        self._ip("-n", self.near, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.name)
        for name, address in ((self.near, OURS), (self.name, THEIRS)):
            self._ip("-n", name, "address", "add", f"{address}/30", "dev", "cable")
            self._ip("-n", name, "link", "set", "cable", "up")
        self._ip("-n", self.near, "link", "set", "lo", "up")  # over it we talk to ourselves

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be at the near end of the cable while the block runs: sockets that are made then belong there (setns(2))."""
        with Path("/proc/self/ns/net").open("rb") as home, Path("/run/netns", self.near).open("rb") as near:
            _enter(near.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def pull(self) -> None:
        """Pull the cable out at the other end."""
        self._ip("-n", self.name, "link", "set", "cable", "down")

    def remove(self) -> None:
        """Take it all away, whatever there is of it."""
        for name in (self.near, self.name):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)  # noqa: S607

    def _ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)  # noqa: S607


def _enter(namespace: int) -> None:
    """Move this thread into a network namespace, given as a file descriptor. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@pytest.fixture
def network() -> Iterator[Network]:
    """A network to vanish in."""
    if sys.platform != "linux" or not shutil.which("ip") or os.geteuid() != 0:
        skip("Pulling a cable needs a network namespace: Linux, root, and ip (Debian: apt-get install iproute2).")
    made = Network()
    try:
        try:
            made.lay()
        except subprocess.CalledProcessError as error:
            skip(f"No network namespace can be made here: {error.stderr.decode().strip()}. Run the tests as real root.")
        with made.entered():
            yield made
    finally:
        made.remove()


@pytest.fixture
def settings(network: Network) -> Settings:
    """A server at the near end of the cable, which waits for nothing for long."""
    return Settings(host=OURS, port=0, first_token_ms=0, token_ms=60_000, hold_s=1, heartbeat_s=0.5, vanished_s=2)


@asynccontextmanager
async def far_reader(network: Network, url: str, name: str) -> AsyncIterator[None]:
    """Somebody in the network who has asked to read, or just called, where the URL has no path; and is silent."""
    address = urlsplit(url)
    more = HANDSHAKE if name == "websocket" else ""
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", network.name, sys.executable, "-c", READER),
        *(str(address.hostname), str(address.port), address.path, more),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"asked\n"
        yield
    finally:
        process.kill()
        await process.communicate()


async def test_a_reader_that_vanished_is_found_and_leaves_nothing_behind(
    name: str, network: Network, start: Start, http: aiohttp.ClientSession, server: str
) -> None:
    links = await start(text=TEXT)
    before = len(asyncio.all_tasks())

    async def connected() -> bool:
        return connections(server) == 2  # and that of `http`

    async def read_once() -> bool:
        async with http.get(links["self"] + "/ledger") as response:
            return bool((await response.json())["rows"])

    async def forgotten() -> bool:
        return await readers(http) == 0 and connections(server) <= 1 and len(asyncio.all_tasks()) <= before

    async with far_reader(network, links[name], name):
        await eventually(connected)
        await eventually(read_once)
        network.pull()
        await eventually(forgotten)
    async with http.get(links["self"]) as response:
        assert (await response.json())["state"] == "typing"
    async with http.delete(links["self"]):
        pass
    assert TEXT.startswith(text(await read(CLIENTS[name], links[name])))


async def test_a_peer_that_vanished_before_its_handshake_is_found_too(
    network: Network, certificates: tuple[Path, Path, Path], settings: Settings
) -> None:
    """It never gets as far as a request, so no limit of the transports can find it."""
    _, certfile, keyfile = map(str, certificates)
    encrypted = Settings(host=OURS, port=0, vanished_s=2, certfile=certfile, keyfile=keyfile)
    async with serving(encrypted) as url:

        async def connected() -> bool:
            return connections(url) == 1

        async def forgotten() -> bool:
            return connections(url) == 0

        async with far_reader(network, url, ""):
            await eventually(connected)
            network.pull()
            await eventually(forgotten)
