"""Replies that are put together by hand, held against those that aiohttp puts together."""

import asyncio
import re
from urllib.parse import urlsplit

import pytest

from server import reply
from tests.conftest import Start

REPLIES = ("polling", "long_polling", "whole")


async def raw(url: str, head: str = "") -> bytes:
    """All that comes back for a request, with the date left out."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{head}\r\n".encode())
    response = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", response)
    assert length
    response += await reader.readexactly(int(length[1]))
    writer.close()
    return re.sub(rb"\r\nDate: [^\r]*", b"", response)


@pytest.mark.parametrize("name", REPLIES)
async def test_a_reply_by_hand_is_to_the_byte_the_one_that_aiohttp_makes(
    name: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = await start(text="够钟下班啦", first_token_ms=0, token_ms=0)
    await raw(links["whole"])
    by_hand = await raw(links[name])
    monkeypatch.setattr(reply, "_is_usual", lambda _request: False)
    assert await raw(links[name]) == by_hand


@pytest.mark.parametrize("name", REPLIES)
async def test_a_reply_has_the_date_of_its_second(name: str, start: Start) -> None:
    links = await start(text="x")
    parts = urlsplit(links[name])
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert re.search(rb"\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n", head)


@pytest.mark.parametrize("name", REPLIES)
async def test_who_wants_the_connection_closed_is_told_that_it_is(name: str, start: Start) -> None:
    links = await start(text="x")
    assert b"\r\nConnection: close\r\n" in await raw(links[name], "Connection: close\r\n")


@pytest.mark.parametrize("name", REPLIES)
async def test_who_starts_an_answer_by_reading_it_is_told_where_it_is(name: str, server: str) -> None:
    assert b"\r\nContent-Location: /answers/" in await raw(f"{server}/{name}?text=x&token_ms=0&first_token_ms=0")


@pytest.mark.parametrize("name", REPLIES)
async def test_a_browser_whose_session_has_ended_gets_a_new_one(name: str, server: str, start: Start) -> None:
    links = await start(text="x")
    cookie = f"Cookie: pushlab-{urlsplit(server).port}=old.cookie\r\n"
    assert f"\r\nSet-Cookie: pushlab-{urlsplit(server).port}=".encode() in await raw(links[name], cookie)
