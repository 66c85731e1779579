"""Servers and a browser that all tests of attacks share: to start them takes longer than most attacks."""

from collections.abc import AsyncIterator

import pytest_asyncio

from lab.security.chromium import Chromium
from lab.security.experiment import arena
from lab.security.servers import Servers
from tests.system import require

Place = tuple[Servers, Chromium]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def place() -> AsyncIterator[Place]:
    """Where attacks take place."""
    require("chromium")
    async with arena() as place:
        yield place
