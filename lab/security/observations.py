"""What is no attack, but was tried all the same: facts about transports and libraries that the article's claims need.

The one thing to notice: each is seen on the server that ships, in this very run.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import aiohttp
from yarl import URL

from clients import CLIENTS
from clients.answers import answering
from lab.limits import CouldNotRun
from lab.security.chromium import Chromium
from lab.security.floods.observations import observe as library_findings
from lab.security.origins.observations import observe as browser_findings
from lab.security.scene import Target
from lab.security.servers import Change, Servers

Observation = dict[str, Any]

HEARD_S = 1.0
"""How long the server may take to hear."""


async def observe(servers: Servers, chromium: Chromium) -> AsyncIterator[Observation]:
    """Everything that there is to be seen, one after the other."""
    async with servers.target(Change()) as target:
        yield await two_way(target, "sse")
        yield await two_way(target, "websocket")
        yield await same_port(target)
        for finding in await library_findings(target):
            yield finding
        with suppress(CouldNotRun):
            for finding in await browser_findings(target, chromium):
                yield finding
            version = await chromium.version()
            yield {"id": "browser", "says": "The browser of this run.", "library": "Chromium", "version": version}


async def two_way(target: Target, transport: str) -> Observation:
    """Whether a reader can stop its answer over the very connection that brings it."""
    async with answering(target.url, text="够钟下班啦", token_ms=60_000, first_token_ms=0) as links:
        if transport == "websocket":
            async with aiohttp.ClientSession() as http, http.ws_connect(links[transport]) as socket:
                await socket.send_str('{"stop":true}')
                ended = await _ends(links["polling"])
        else:
            url = URL(links[transport])
            reader, writer = await asyncio.open_connection(url.host, url.port)
            stop = f"DELETE {url.parent.path} HTTP/1.1\r\nHost: {url.authority}\r\n\r\n"
            writer.write(f"GET {url.path} HTTP/1.1\r\nHost: {url.authority}\r\n\r\n{stop}".encode())
            await reader.readuntil(b"\r\n\r\n")
            ended = await _ends(links["polling"])
            writer.close()
    heard = "stopped the answer at once" if ended else "was not heard while the stream was open"
    return {
        "id": f"two-way-{transport}",
        "holds": ended,
        "says": f"A request to stop, sent up the connection that {transport} was reading, {heard}.",
    }


async def _ends(url: str) -> bool:
    """Whether the answer ends within HEARD_S."""
    try:
        async with asyncio.timeout(HEARD_S), aclosing(CLIENTS["polling"](url)) as chunks:
            return bool([chunk async for chunk in chunks][-1].done)
    except TimeoutError:
        return False


async def same_port(target: Target) -> Observation:
    """Whether HTTP and WebSocket are served on one port."""
    async with aiohttp.ClientSession(target.url) as http:
        async with http.get("/healthz") as response:
            status = response.status
        async with http.ws_connect("/websocket") as socket:
            opened = not socket.closed
    return {
        "id": "same-port",
        "holds": status == 200 and opened,
        "says": f"Port {target.port} answered HTTP with {status} and a WebSocket handshake with 101.",
    }
