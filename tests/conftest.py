"""Fixtures that all tests share: a server on the production runner, and each transport in turn."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from clients import CLIENTS
from clients.chunk import Client
from server import order, readers
from server.answer import Answer
from server.app import serving
from server.settings import Settings
from server.tls import certificate
from server.transports import TRANSPORTS

# What is started in the background, as `make test &` is, ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

Links = dict[str, str]
Start = Callable[..., Awaitable[Links]]


@pytest.fixture(params=TRANSPORTS)
def name(request: pytest.FixtureRequest) -> str:
    """The name of a transport; a test that asks for it runs on every one."""
    return str(request.param)


@pytest.fixture
def client(name: str) -> Client:
    """The Python client of that transport."""
    return CLIENTS[name]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """What clients should trust, and the server's certificate and key, as files."""
    return certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def settings() -> Settings:
    """Settings of a server that types as fast as it can."""
    return Settings(port=0, first_token_ms=0, token_ms=0)


@pytest.fixture
async def server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The URL of a running server, which waits for no poller once a test is over."""
    async with serving(settings) as url:
        yield url
        monkeypatch.setattr(readers, "BETWEEN_S", 0)


@pytest.fixture
async def http(server: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with that server."""
    async with aiohttp.ClientSession(server) as session:
        yield session


@pytest.fixture
def start(http: aiohttp.ClientSession, server: str) -> Start:
    """Starts an answer; gives the URL for each transport, and the answer's own as "self"."""

    async def start_answer(**fields: Any) -> Links:
        async with http.post("/answers", json=fields) as response:
            document = await response.json()
            assert response.status == 201, document
            paths = document["links"] | {"self": response.headers["Location"]}
            return {name: server + path for name, path in paths.items()}

    return start_answer


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """The answers that are started; nobody but the test writes them."""
    answers: list[Answer] = []

    def scripted(_schedule: object) -> Any:
        async def source(answer: Answer) -> None:
            answers.append(answer)
            await asyncio.get_running_loop().create_future()

        return source

    monkeypatch.setattr(order, "scripted", scripted)
    return answers
