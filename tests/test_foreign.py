"""Readers that are not ours: curl, httpx with httpx-sse, and aiohttp's own WebSocket client.

The one thing to notice: none of them knows our clients. What they read is the wire format as it stands in docs/wire.md.
"""

import asyncio
import json
import re
import shutil

import aiohttp
import httpx
import pytest
from httpx_sse import aconnect_sse

from server.sources.presets import EDGE
from tests.conftest import Start


@pytest.fixture
def curl() -> str:
    """The path of curl."""
    path = shutil.which("curl")
    if not path:
        pytest.skip("curl is not installed; on Debian: apt-get install -y curl")
    return path


async def run(*command: str) -> bytes:
    """What the command prints; it has to end well."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    return output


async def curled(curl: str, url: str) -> bytes:
    """What curl reads there, without anybody's configuration and unbuffered."""
    return await run(curl, "-q", "--noproxy", "*", "--silent", "--show-error", "--fail", "--no-buffer", url)


def joined(chunks: list[str]) -> str:
    """The text in chunks of JSON, of which the last and only the last is the end."""
    documents = [json.loads(chunk) for chunk in chunks]
    assert [document.get("done") for document in documents] == [None] * (len(documents) - 1) + ["finished"]
    return "".join(document["text"] for document in documents)


async def test_curl_reads_an_event_stream(curl: str, start: Start) -> None:
    body = await curled(curl, (await start(preset="edge", token_ms=1))["sse"])
    assert joined(re.findall(r"^data: (.*)$", body.decode(), re.MULTILINE)) == EDGE


async def test_curl_reads_the_default_stream_as_in_the_readme(curl: str, server: str) -> None:
    body = await curled(curl, f"{server}/sse?preset=edge")
    assert joined(re.findall(r"^data: (.*)$", body.decode(), re.MULTILINE)) == EDGE


async def test_curl_reads_a_plain_event_stream(curl: str, server: str) -> None:
    body = (await curled(curl, f"{server}/sse?preset=off-work&format=plain")).decode()
    assert "".join(re.findall(r"^data:(.*)$", body, re.MULTILINE)) == "够钟下班啦finished"


async def test_curl_reads_an_iframe(curl: str, start: Start) -> None:
    body = await curled(curl, (await start(preset="edge", token_ms=1))["iframe"])
    assert joined(re.findall(r"push\((\{.*\})\)</script>", body.decode())) == EDGE


async def test_curl_reads_the_whole(curl: str, start: Start) -> None:
    body = await curled(curl, (await start(preset="edge", token_ms=1))["whole"])
    assert joined([body.decode()]) == EDGE


@pytest.mark.parametrize("poll", ["polling", "long_polling"])
async def test_curl_polls(curl: str, start: Start, poll: str) -> None:
    url = (await start(preset="edge", token_ms=1))[poll]
    chunks: list[str] = []
    cursor = 0
    while not chunks or "done" not in json.loads(chunks[-1]):
        chunks.append((await curled(curl, f"{url}?cursor={cursor}")).decode())
        cursor = json.loads(chunks[-1])["cursor"]
    assert joined(chunks) == EDGE


async def test_httpx_sse_reads_an_event_stream(start: Start) -> None:
    url = (await start(preset="edge", token_ms=1))["sse"]
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client, aconnect_sse(client, "GET", url) as source:
        events = [event async for event in source.aiter_sse()]
    assert joined([event.data for event in events]) == EDGE
    assert [event.id for event in events] == [str(json.loads(event.data)["cursor"]) for event in events]
    assert [event.event for event in events] == ["message"] * (len(events) - 1) + ["end"]
    assert 1000 <= (events[0].retry or 0) <= 2000


async def test_httpx_sse_resumes_from_its_last_id(start: Start) -> None:
    url = (await start(preset="edge", token_ms=1))["sse"]
    got, last_id = [], ""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        async with aconnect_sse(client, "GET", url) as source:
            async for event in source.aiter_sse():
                got.append(event.data)
                last_id = event.id
                if len(got) == 10:
                    break
        async with aconnect_sse(client, "GET", url, headers={"Last-Event-ID": last_id}) as source:
            got += [event.data async for event in source.aiter_sse()]
    assert joined(got) == EDGE


async def test_httpx_reads_the_whole(start: Start) -> None:
    url = (await start(preset="edge", token_ms=1))["whole"]
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        assert joined([(await client.get(url)).text]) == EDGE


async def test_aiohttps_websocket_client_reads_an_answer_to_its_end(http: aiohttp.ClientSession, start: Start) -> None:
    async with http.ws_connect((await start(preset="edge", token_ms=1))["websocket"]) as ws:
        messages = [message.data async for message in ws]
        assert ws.close_code == 1000
    assert joined(messages) == EDGE


async def test_aiohttps_websocket_client_stops_an_answer_in_band(http: aiohttp.ClientSession, start: Start) -> None:
    async with http.ws_connect((await start(preset="edge", token_ms=5000))["websocket"]) as ws:
        first = await ws.receive_json()
        await ws.send_json({"stop": True})
        last = await ws.receive_json()
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
    assert EDGE.startswith(first["text"])
    assert (last["done"], last["text"]) == ("stopped", "")
