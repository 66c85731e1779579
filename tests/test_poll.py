"""Polls that are asked again over their connection: the same replies and books, by a shorter way."""

import asyncio
import re
import socket
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from server.app import serving
from server.ledger import Meter
from server.poll import Again, Question
from server.settings import Settings
from tests.conftest import Start
from tests.test_contract import NEVER, eventually, readers

POLLS = ("polling", "long_polling")
PATH = "/answers/0123/polling"


@pytest.fixture
def settings() -> Settings:
    """A hold that a test can wait for."""
    return Settings(port=0, first_token_ms=0, token_ms=0, hold_s=0.3, keepalive_s=60)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request that may have been asked before went the short way."""
    ways, take = list[bool](), Again.take

    def watched(self: Again, meter: Meter) -> bool:
        ways.append(take(self, meter))
        return ways[-1]

    monkeypatch.setattr(Again, "take", watched)
    return ways


class Poller:
    """One connection, over which the same is asked again and again."""

    def __init__(self, link: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.parts, self.reader, self.writer = urlsplit(link), reader, writer

    def send(self, cursor: int, path: str = "", more: str = "") -> None:
        """Ask."""
        target = path or f"{self.parts.path}?cursor={cursor}&reader=r"
        self.writer.write(f"GET {target} HTTP/1.1\r\nHost: {self.parts.netloc}\r\n{more}\r\n".encode())

    async def reply(self) -> tuple[int, bytes, bytes]:
        """Status, head without its date, and body."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"Content-Length: (\d+)", head)
            body = await self.reader.readexactly(int(size[1]) if size else 0)
        return int(head.split()[1]), re.sub(rb"Date: [^\r]*", b"", head), body

    async def ask(self, cursor: int, **more: str) -> tuple[int, bytes, bytes]:
        """Ask, and read the reply."""
        self.send(cursor, **more)
        return await self.reply()


async def poller(link: str, room: int = 0) -> Poller:
    """A new connection. `room` is for how many bytes it has."""
    parts, ours = urlsplit(link), socket.socket()
    if room:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    ours.setblocking(False)
    await asyncio.get_running_loop().sock_connect(ours, (parts.hostname, parts.port))
    return Poller(link, *await asyncio.open_connection(sock=ours))


async def rows(http: aiohttp.ClientSession, link: str) -> list[dict[str, Any]]:
    """Of the answer's ledger."""
    return list((await (await http.get(f"{link}/ledger")).json())["rows"])


async def ended(http: aiohttp.ClientSession, start: Start, **fields: Any) -> dict[str, str]:
    """An answer that has been typed."""
    links = await start(**fields)

    async def typed() -> bool:
        return bool((await (await http.get(links["self"])).json())["reason"])

    await eventually(typed)
    return links


@pytest.mark.parametrize("name", POLLS)
async def test_the_short_way_gives_the_reply_and_books_of_the_long_way(
    name: str, http: aiohttp.ClientSession, start: Start, taken: list[bool]
) -> None:
    links = await ended(http, start, text="打字机 types", unit="word")
    same, other = await poller(links[name]), await poller(links[name])
    for cursor in (0, 2, 1, 3, 0):
        more = f"X-Padding: {cursor * 'x'}"  # no two alike, and each as long as its fellow
        assert await same.ask(cursor) == (await other.ask(cursor, more=f"{more}\r\n"))
    assert taken.count(True) == 4
    (row,) = await rows(http, links["self"])
    assert (row["requests"], row["connections"]) == (10, 2)
    same.writer.close()
    other.writer.close()


@pytest.mark.parametrize("name", POLLS)
async def test_both_ways_book_the_same(name: str, http: aiohttp.ClientSession, start: Start, taken: list[bool]) -> None:
    links = await ended(http, start, text="one two three four", unit="word")
    for way in ("short", "long"):
        one = await poller(links[name])
        for cursor in range(4):
            target = f"{one.parts.path}?cursor={cursor}&reader={way:>5}".replace(" ", "_")
            await one.ask(cursor, path=target, more="" if way == "short" else f"X-{cursor}: y\r\n")
        one.writer.close()
    books = ("requests", "connections", "tokens", "chunks", "bytes_down")
    booked = [{book: row[book] for book in books} for row in await rows(http, links["self"])]
    assert taken.count(True) == 3
    assert booked[0] == booked[1]


@pytest.mark.parametrize(
    ("more", "path", "status"),
    [
        ({"more": "Host: evil.example\r\n"}, "", 400),
        ({"more": "Origin: http://evil.example\r\n"}, "", 403),
        ({"more": "Sec-Fetch-Site: cross-site\r\n"}, "", 403),
        ({}, "/healthz", 200),
        ({}, "/answers/0123456789abcdef0123456789abcdef/polling?cursor=0", 404),
    ],
)
@pytest.mark.parametrize("name", POLLS)
async def test_what_is_not_the_same_goes_the_long_way(
    name: str,
    more: dict[str, str],
    path: str,
    status: int,
    http: aiohttp.ClientSession,
    start: Start,
    taken: list[bool],
) -> None:
    links = await ended(http, start, text="abc")
    one = await poller(links[name])
    assert (await one.ask(0))[0] == (await one.ask(1))[0] == 200
    assert (await one.ask(1, path=path, **more))[0] == status
    assert taken == [True, False]
    one.writer.close()


@pytest.mark.parametrize("name", POLLS)
async def test_what_has_changed_since_is_noticed(
    name: str, http: aiohttp.ClientSession, start: Start, taken: list[bool]
) -> None:
    links = await ended(http, start, text="abc")
    one = await poller(links[name])
    assert (await one.ask(0))[0] == (await one.ask(1))[0] == 200
    assert (await one.ask(9))[0] == 400  # ahead of the log
    assert (await one.ask(0))[0] == (await one.ask(0))[0] == 200
    assert (await one.ask(4))[0] == 204  # past the end
    assert (await one.ask(0))[0] == (await one.ask(0))[0] == 200
    await http.post(f"{links['self']}/cuts", json={"transport": name, "seconds": 5})
    one.send(0)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await one.reply()
    assert taken == [True, False, True, False, True, False]
    one.writer.close()


@pytest.mark.parametrize("name", POLLS)
async def test_limits_hold_on_the_short_way(name: str) -> None:
    few = Settings(port=0, first_token_ms=0, token_ms=0, address_requests_per_s=5, max_readers=2)
    async with serving(few) as server, aiohttp.ClientSession(server) as http:
        async with http.post("/answers", json={"text": "abc"}) as response:
            link = server + (await response.json())["links"][name]
        one = await poller(link)
        statuses = [(await one.ask(0))[0] for _ in range(20)]
        one.writer.close()
    assert statuses.count(200) < 15
    assert statuses[-1] == 429


async def test_a_held_question_is_answered_by_news_and_after_its_time(
    http: aiohttp.ClientSession, start: Start, taken: list[bool]
) -> None:
    links = await start(text="ab", first_token_ms=0, token_ms=700)
    one = await poller(links["long_polling"])
    assert (await one.ask(0))[2] == b'{"cursor":1,"text":"a"}'
    assert (await one.ask(1))[2] == b'{"cursor":1,"text":""}'  # after 0.3 s without news
    while (last := (await one.ask(1))[2]) == b'{"cursor":1,"text":""}':
        pass
    assert b'{"cursor":3,"text":"b","done":"finished"' in last
    assert all(taken)
    assert await readers(http) == 0
    one.writer.close()


async def is_held(taken: list[bool]) -> bool:
    """Whether a question went the short way."""
    return bool(taken)


async def test_what_comes_behind_a_held_question_is_answered_after_it(
    http: aiohttp.ClientSession, start: Start, taken: list[bool]
) -> None:
    links = await start(**NEVER)
    one = await poller(links["long_polling"])
    await one.ask(0)
    one.send(0)
    await eventually(lambda: is_held(taken))
    one.send(0, path="/healthz")
    assert b'"text":""' in (await one.reply())[2]
    assert b'"readers"' in (await one.reply())[2]
    one.send(0)
    await http.delete(links["self"])
    assert b"stopped" in (await one.reply())[2]
    one.writer.close()


async def test_a_reader_that_goes_while_its_question_is_held_frees_its_place(
    http: aiohttp.ClientSession, start: Start, settings: Settings
) -> None:
    async with serving(replace(settings, hold_s=20)) as server, aiohttp.ClientSession(server) as patient:
        async with patient.post("/answers", json={"text": "ab", "token_ms": 20_000}) as response:
            links = (await response.json())["links"]
        one = await poller(server + links["long_polling"])
        await one.ask(0)
        one.send(1)

        async def here(count: int) -> bool:
            return await readers(patient) == count

        await eventually(lambda: here(1))
        one.writer.transport.abort()
        await eventually(lambda: here(0))


TARGETS = st.text(alphabet="abcursoe=&?#%/;0123456789+", max_size=40)


@given(TARGETS, st.integers(0, 10**16))
def test_a_question_has_the_cursor_that_a_library_reads_and_only_its_digits_may_differ(
    target: str, cursor: int
) -> None:
    head = f"GET /answers/0?{target}&cursor=7&z=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    question = Question.of(head)
    if question is None:
        return
    assert URL(head.split()[1].decode(), encoded=True).query.get("cursor") == "7"
    assert question.cursor(head) == 7
    assert question.cursor(question.before + str(cursor).encode() + question.after) in (cursor, None)
    assert (question.cursor(question.before + str(cursor).encode() + question.after) is None) == (cursor >= 10**15)
    for other in (head + b"x", b"x" + head, head[:-1], head[1:], question.before + b"-1" + question.after):
        assert question.cursor(other) is None


@pytest.mark.parametrize(
    "head",
    [
        b"POST /answers/0?cursor=1 HTTP/1.1\r\n\r\n",
        b"GET /answers/0?reader=cursor=1 HTTP/1.1\r\n\r\n",
        b"GET /answers/0?a#&cursor=1 HTTP/1.1\r\n\r\n",
        b"GET /answers/0?cursor=1&cursor=2 HTTP/1.1\r\n\r\n",
        b"GET /answers/0?cursor=1 HTTP/1.1\r\nLast-Event-ID: 3\r\n\r\n",
        b"GET /answers/0 HTTP/1.1\r\nX: ?cursor=1\r\n\r\n",
        b"GET /answers/0?cursor=%31 HTTP/1.1\r\n\r\n",
        b"GET /answers/0?c%75rsor=1&cursor=2 HTTP/1.1\r\n\r\n",
        b"",
    ],
)
def test_a_head_whose_cursor_is_not_plain_to_see_is_no_question(head: bytes) -> None:
    assert Question.of(head) is None


async def test_a_body_that_looks_like_the_same_poll_is_not_answered(
    http: aiohttp.ClientSession, start: Start, taken: list[bool]
) -> None:
    links = await ended(http, start, text="abc")
    one = await poller(links["polling"])
    head = f"GET {one.parts.path}?cursor=0 HTTP/1.1\r\nHost: {one.parts.netloc}\r\nContent-Length: %d\r\n\r\n"
    size = len(head % 100)
    one.writer.write((head % size).encode())
    assert (await one.reply())[0] == 200
    one.writer.write((head % size).encode())  # the body
    one.send(0, path="/healthz")
    assert b'"readers"' in (await one.reply())[2]
    assert not any(taken)
    one.writer.close()


async def test_half_a_head_behind_a_held_poll_is_not_forgotten(start: Start, settings: Settings) -> None:
    async with serving(replace(settings, token="secret")) as server, aiohttp.ClientSession(server) as http:  # noqa: S106
        signed = {"Authorization": "Bearer secret"}
        async with http.post("/answers", json={"text": "a", **NEVER}, headers=signed) as response:
            links = (await response.json())["links"]
        one = await poller(server + links["long_polling"])
        for _ in range(2):
            one.send(0, more="Authorization: Bearer secret\r\n")
            one.writer.write(f"GET {links['polling']}?cursor=0 HTTP/1.1\r\nAuthorization: Bearer secret\r\n".encode())
            assert (await one.reply())[0] == 200
            one.writer.write(f"Host: {one.parts.netloc}\r\n\r\n".encode())
            assert (await one.reply())[0] == 200
        assert (await one.ask(0, path=f"{links['polling']}?cursor=0"))[0] == 401
        one.writer.close()


async def test_a_large_request_waits_behind_a_held_poll(http: aiohttp.ClientSession, start: Start) -> None:
    one = await poller((await start(**NEVER))["long_polling"])
    body = b'{"text":"a"%b}' % (b" " * 40_000)
    fields = f"Host: {one.parts.netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    one.send(0)
    one.writer.write(f"POST /answers HTTP/1.1\r\n{fields}".encode() + body)
    assert (await one.reply())[0] == 200
    assert (await one.reply())[0] == 201
    one.writer.close()


async def test_a_reply_is_booked_and_over_only_when_all_of_it_is_sent(
    http: aiohttp.ClientSession, start: Start
) -> None:
    links = await ended(http, start, text="x" * 1000, repeat=15, unit="sentence")
    for way in ("short", "long"):
        one = await poller(links["polling"], room=2048)
        for cursor in range(3):
            target = f"{one.parts.path}?cursor=0&reader={way:_>5}"
            one.send(0, path=target, more="" if way == "short" else f"X-{cursor}: y\r\n")
            assert len((await one.reply())[2]) > 15_000
        one.writer.close()
    books = ("requests", "connections", "tokens", "chunks", "bytes_down")

    async def alike() -> bool:  # once the kernel has sent what it was given, and the connections are closed
        short, long = await rows(http, links["self"])
        return [short[book] for book in books] == [long[book] for book in books]

    await eventually(alike)


async def test_a_connection_rests_its_whole_time_after_a_held_poll(settings: Settings) -> None:
    async with serving(replace(settings, hold_s=0.4, keepalive_s=0.8)) as server, aiohttp.ClientSession(server) as http:
        async with http.post("/answers", json={"text": "a", **NEVER}) as response:
            one = await poller(server + (await response.json())["links"]["long_polling"])
        for _ in range(4):  # twice as long as it may rest
            assert (await one.ask(0))[0] == 200
        assert await asyncio.wait_for(one.reader.read(-1), 10) == b""
        one.writer.close()
