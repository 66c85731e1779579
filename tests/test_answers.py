"""The clients against what is no pushlab server: a sentence, never a traceback, and nothing the terminal would obey."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from clients import CLIENTS
from server.app import serving
from server.settings import Settings

ESCAPE = "\x1b]0;pwned\x07\x1b[31m"
GOOD = {"id": "1", "links": {name: f"/{name}" for name in CLIENTS}}


async def run(*arguments: str) -> tuple[int | None, str, str]:
    """Exit code, standard output and standard error of `python -m clients`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "clients", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def odd_server(status: int, body: str, chunk: str = "") -> AsyncIterator[str]:
    """A server that starts every answer with `body`, and answers every reader with `chunk`."""

    async def start(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers={"Location": "/answers"})

    async def read(_request: web.Request) -> web.Response:
        return web.Response(text=chunk, content_type="application/json")

    app = web.Application()
    app.router.add_post("/answers", start)
    app.router.add_get("/{name}", read)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "[]"),
        (200, "{}"),
        (201, "no JSON"),
        (201, '{"id":1,"links":{}}'),
        (201, '{"id":"1","links":{}}'),
        (201, '{"id":"1","links":{"whole":5}}'),
        (201, '{"id":"1","links":[]}'),
        (307, ""),
        (404, "no problem document"),
        (500, ""),
        (400, json.dumps({"detail": ESCAPE})),
    ],
)
@pytest.mark.parametrize("command", ["whole", "race"])
async def test_what_is_no_pushlab_server_is_told_in_a_sentence(command: str, status: int, body: str) -> None:
    async with odd_server(status, body) as url:
        code, out, err = await run(command, "--server", url)
    assert code == 1
    assert out == ""
    assert err.endswith(".\n") or "pwned" in err
    assert "Traceback" not in err
    assert "\x1b" not in err


CHUNKS: list[Any] = [
    {"cursor": 1, "text": "", "done": "weird", "sha256": ""},
    {"cursor": 1, "text": "", "done": 5},
    {"cursor": 1, "text": "", "done": "finished"},
    {"cursor": True, "text": ""},
    {"cursor": 1, "text": "\ud83d"},
    {"cursor": 1, "text": "", "error": 5},
    [],
]


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("command", ["whole", "race"])
async def test_what_is_no_chunk_is_told_in_a_sentence(command: str, chunk: Any) -> None:
    async with odd_server(201, json.dumps(GOOD), json.dumps(chunk)) as url:
        code, _, err = await run(command, "--server", url)
    assert code == 1
    assert "what is not a chunk" in err
    assert "Traceback" not in err


async def test_a_failed_answer_is_told_without_what_a_terminal_would_obey() -> None:
    chunk = {"cursor": 1, "text": "", "done": "failed", "sha256": "", "error": ESCAPE}
    async with odd_server(201, json.dumps(GOOD), json.dumps(chunk)) as url:
        code, _, err = await run("whole", "--server", url)
    assert code == 1
    assert r"\x1b]0;pwned" in err
    assert "\x1b" not in err


async def test_the_figures_go_to_standard_error() -> None:
    async with serving(Settings(port=0)) as url:
        code, out, err = await run("sse", "--server", url, "--text", "够", "--token-ms", "1")
    assert (code, out) == (0, "够\n")
    assert "sse: finished, first text after" in err
    assert "1 chunks with text in 1 requests" in err
