"""Records what crosses the wire, for docs/wire.md: `make transcripts`.

The one thing to notice: it speaks over a bare socket and knows no transport by name. What to do next follows from the
response alone: a length means one poll of many, chunked means a stream, 101 means frames, 426 means to try a handshake.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from server.app import serving
from server.settings import Settings
from server.transports import TRANSPORTS

WIRE = Path(__file__).parent.parent / "docs" / "wire.md"
BLOCK = r"(<!-- transcript: {name} -->\n).*?(<!-- end -->)"
HANDSHAKE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455 §1.3
POLL_PAUSE = 0.25
ANSWER = {"preset": "off-work", "first_token_ms": 200, "token_ms": 200}


async def transcript(url: str, name: str) -> str:
    """A whole session over the transport `name`, requests marked `>`, responses `<`."""
    async with aiohttp.ClientSession(url) as http, http.post("/answers", json=ANSWER) as response:
        path = (await response.json())["links"][name]
    host = url.removeprefix("http://")
    address, _, port = host.rpartition(":")
    reader, writer = await asyncio.open_connection(address, int(port))
    try:
        return "\n".join([line async for line in _session(reader, writer, host, path)])
    finally:
        writer.close()
        await writer.wait_closed()


async def main() -> None:
    """Record every transport and write the transcripts into docs/wire.md."""
    page = WIRE.read_text(encoding="utf-8")
    async with serving(Settings(port=0)) as url:
        for name in TRANSPORTS:
            print(f"recording {name} ...", flush=True)
            text = f"```text\n{await transcript(url, name)}\n```\n"
            block = re.compile(BLOCK.format(name=name), re.DOTALL)
            page = block.sub(lambda match, text=text: match[1] + text + match[2], page)  # type: ignore[misc]
    WIRE.write_text(page, encoding="utf-8")


async def _session(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str
) -> AsyncIterator[str]:
    cursor, more, asked = 0, "", False
    while True:
        request = f"GET {path}?cursor={cursor} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if head.startswith("HTTP/1.1 426"):
            await reader.readexactly(_length(head))
            more = HANDSHAKE.format(key=KEY)
            continue
        if asked:
            yield ""
        asked = True
        for line in request.splitlines()[:-1]:
            yield f"> {line}"
        for line in head.splitlines()[:-1]:
            yield f"< {line}"
        if head.startswith("HTTP/1.1 101"):
            async for line in _frames(reader):
                yield f"< {line}"
            return
        if "chunked" in head:
            async for line in _chunks(reader):
                yield f"< {line}" if line else "<"
            return
        body = (await reader.readexactly(_length(head))).decode()
        yield "<"
        yield f"< {body}"
        if "done" in body:
            return
        cursor = json.loads(body)["cursor"]
        await asyncio.sleep(POLL_PAUSE if not json.loads(body)["text"] else 0)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """The body with its chunk sizes (RFC 9112 §7.1), as it crosses the wire."""
    yield ""
    size = -1
    while size:
        line = (await reader.readline()).decode().rstrip("\r\n")
        size = int(line, 16)
        yield f"[{size} bytes]"
        data = (await reader.readexactly(size + 2)).decode()
        for text in data.removesuffix("\r\n").split("\n") if size else ():
            yield text


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """The frames from the server, which are not masked (RFC 6455 §5.2)."""
    opcode = 0
    while opcode != 0x8:
        head = await reader.readexactly(2)
        opcode, size = head[0] & 0xF, head[1]
        if size == 126:
            more = await reader.readexactly(2)
            head, size = head + more, int.from_bytes(more)
        payload = await reader.readexactly(size)
        shown = f"close {int.from_bytes(payload)}" if opcode == 0x8 else payload.decode()
        yield f"[{head.hex(' ')}] {shown}"


def _length(head: str) -> int:
    match = re.search(r"Content-Length: (\d+)", head)
    assert match, head
    return int(match[1])


if __name__ == "__main__":
    asyncio.run(main())
