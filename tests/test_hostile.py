"""Clients and servers that mean harm, or nonsense: a clear sentence each time, and no more memory than was promised.

The one thing to notice: a client knows the other side only by its bytes. Whatever has no end is given up at LARGEST,
and whatever is endless but small is read without being kept.
"""

import asyncio
import gzip
import hashlib
import re
import sys
import tracemalloc
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from types import SimpleNamespace

import pytest

from clients import CLIENTS, attention, resume
from clients.answers import answering
from clients.chunk import CUT, LARGEST, LARGEST_CURSOR, Chunk, Client, Malformed, Refused, StreamError
from clients.course import ATTEMPTS, PATIENCE_S
from clients.lane import Lane, verdict
from clients.polling import polling
from clients.resume import resuming
from clients.websocket import websocket
from tests.hostile import BLOCK, CLOSE, CONTINUATION, FIN, RSV1, STREAMS, TEXT, Peer, Script, frame, hostile

WEBSOCKET = sys.modules[websocket.__module__]
KEPT = 3 * LARGEST
"""What reading may use at most: a chunk that grows, its larger copy, and buffers."""
HUGE = 100 * 1024 * 1024
SENTENCE = re.compile(r"[A-Z].* .*\.", re.DOTALL)
POLLS = [name for name in CLIENTS if name not in STREAMS]
HEARING = [name for name in CLIENTS if name != "whole"]
"""The transports that are never silent for long."""


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "pause", lambda _cuts: 0)
    monkeypatch.setattr(WEBSOCKET, "PING_S", 0.5)


@pytest.fixture
def short_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only end of a handshake that the other side never ends."""
    monkeypatch.setattr(WEBSOCKET, "OPEN_S", 0.5)


@contextmanager
def little_memory(most: int = KEPT) -> Iterator[None]:
    """The block may not use more bytes at any moment."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < most


async def read(client: Client, url: str, cursor: int = 0) -> list[Chunk]:
    """Every chunk."""
    async with aclosing(client(url, cursor)) as chunks:
        return [chunk async for chunk in chunks]


async def failure(name: str, script: Script, client: Client | None = None) -> tuple[StreamError | Refused, int]:
    """What a client says of a server with this script, in little memory, and how many requests it sent."""
    async with hostile(name, script) as server:
        with little_memory(), pytest.raises((StreamError, Refused)) as error:
            await read(client or CLIENTS[name], server.url)
    said = error.value
    assert isinstance(said, StreamError | Refused)
    assert SENTENCE.fullmatch(str(said)), str(said)
    assert len(str(said)) < 700
    return said, server.requests


# Without an end.


async def endless(peer: Peer) -> None:
    """A chunk that begins and never ends."""
    await peer.head()
    if peer.name == "websocket":
        await peer.send(frame(TEXT, BLOCK, flags=0))
    begin = {"sse": b"data: ", "iframe": b'<script nonce="n">push('}
    await peer.send(begin.get(peer.name, b""))
    while True:
        await peer.send(frame(CONTINUATION, BLOCK, flags=0) if peer.name == "websocket" else BLOCK)


async def lines(peer: Peer) -> None:
    """An event of lines that never ends, a page without a script, messages of other kinds."""
    await peer.head()
    while True:
        if peer.name == "websocket":
            await peer.send(frame(TEXT, b"", flags=0))
            while True:
                await peer.send(frame(CONTINUATION, b"", flags=0) * 1000)
        await peer.send(b"data: %b\n" % (b"x" * 100) * 600)


async def huge(peer: Peer) -> None:
    """All at once, and its length is told before."""
    if peer.name == "websocket":
        await peer.head()
        await peer.send(frame(TEXT, b"x", length=HUGE))
    else:
        await peer.head(Content_Length=str(HUGE))
    for _ in range(HUGE // len(BLOCK)):
        await peer.send(BLOCK)


@pytest.mark.parametrize("script", [endless, lines, huge])
async def test_what_has_no_end_is_given_up_and_is_not_asked_for_again(
    name: str, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, requests = await failure(name, script, resuming(CLIENTS[name]))
    assert isinstance(error, Malformed)
    assert "4 MiB without an end" in str(error)
    assert requests == 1


@pytest.mark.parametrize("status", ["404 Not Found", "500 Internal Server Error", "302 Found"])
@pytest.mark.usefixtures("short_handshake")
async def test_a_refusal_without_an_end_is_one_too(name: str, status: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.head(status, Location=peer.fields.get("host", ""))
        while True:
            await peer.send(BLOCK)

    await failure(name, script)


@pytest.mark.parametrize("field", [b"X: ", b"X: y\r\n"], ids=["one", "many"])
@pytest.mark.usefixtures("short_handshake")
async def test_a_head_without_an_end_is_no_http(name: str, field: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(field + (BLOCK if len(field) < 4 else field * 8192))

    error, _ = await failure(name, script)
    assert isinstance(error, Malformed) or "did not respond in time" in str(error)


@pytest.mark.parametrize("name", STREAMS)
async def test_text_without_an_end_is_read_on_and_not_kept(name: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.open()
        at = 0
        while True:
            at += 1
            await peer.chunk(at, "够" * 10_000)

    async with hostile(name, script) as server, aclosing(resuming(CLIENTS[name])(server.url)) as chunks:
        lane = Lane(name, 0)
        with little_memory(LARGEST):
            async for chunk in chunks:
                lane.take(chunk)
                if lane.characters > LARGEST:
                    break
    assert verdict([lane]) is not None


@pytest.mark.parametrize("name", HEARING)
async def test_chunks_without_news_at_full_speed_are_counted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "MOST_IDLE", 300)
    monkeypatch.setattr(sys.modules[polling.__module__], "INTERVAL", 0)

    async def script(peer: Peer) -> None:
        await peer.open()
        await peer.chunk(0)
        while peer.name in STREAMS:
            await peer.chunk(0)

    client = partial(polling, interval=0) if name == "polling" else CLIENTS[name]
    error, requests = await failure(name, script, resuming(client))
    assert isinstance(error, Malformed)
    assert "300 chunks in a row that bring nothing new" in str(error)
    assert requests == (1 if name in STREAMS else 301)


async def test_whole_takes_no_parts() -> None:
    error, requests = await failure("whole", in_turn(Chunk(1, "够")), resuming(CLIENTS["whole"]))
    assert isinstance(error, Malformed)
    assert requests == 1


async def test_a_long_poll_that_is_not_held_asks_no_more_often_than_polling() -> None:
    asked = {"polling": 0, "long_polling": 0}

    def counting(name: str) -> Script:
        async def script(peer: Peer) -> None:
            asked[name] += 1
            await peer.chunk(0)

        return script

    async def ask(name: str, times: int) -> None:
        async with hostile(name, counting(name)) as server, aclosing(CLIENTS[name](server.url)) as chunks:
            async for _ in chunks:
                if asked[name] == times:
                    return

    rival = asyncio.create_task(ask("long_polling", 10**9))
    await ask("polling", 6)
    rival.cancel()
    await asyncio.wait([rival])
    assert 1 <= asked["long_polling"] <= 2 * asked["polling"]


# Not what was asked for.


@pytest.mark.parametrize("kind", ["text/plain", "image/png", "x" * 5000, ""])
@pytest.mark.parametrize("name", [name for name in CLIENTS if name != "websocket"])
async def test_a_wrong_media_type_is_named(name: str, kind: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.reply("200 OK", b'{"cursor":1,"text":"a"}', Content_Type=kind)

    error, requests = await failure(name, script, resuming(CLIENTS[name]))
    assert isinstance(error, Malformed)
    assert "was to come" in str(error)
    assert requests == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"cursor":"1","text":"a"}',
        b'{"cursor":1.5,"text":"a"}',
        b'{"cursor":-1,"text":"a"}',
        b'{"cursor":1e999,"text":"a"}',
        b'{"cursor":%d,"text":"a"}' % (LARGEST_CURSOR + 1),
        b'{"cursor":1%b,"text":"a"}' % (b"0" * 5000),
        b'{"cursor":1,"text":["a"]}',
        b'{"cursor":1,"text":"\\ud83d"}',
        b'{"cursor":1,"text":"a","done":"maybe","sha256":""}',
        b'{"cursor":1,"text":"a","done":"finished","sha256":7}',
        b'{"cursor":1,"text":"","error":{}}',
        b"[" * 100_000,
        b"\xff\xfe\xfd",
    ],
    ids=lambda data: repr(data[:50]),
)
async def test_what_is_no_chunk_is_said_to_be_none(name: str, data: bytes) -> None:
    async def script(peer: Peer) -> None:
        body = {
            "sse": b"data: %b\n\n" % data,
            "iframe": b'<script nonce="n">push(%b)</script>' % data,
            "websocket": frame(TEXT, data),
        }
        if peer.name in STREAMS:
            await peer.head()
            await peer.send(body[peer.name])
        else:
            await peer.reply("200 OK", data)

    error, requests = await failure(name, script, resuming(CLIENTS[name]))
    assert isinstance(error, Malformed)
    assert requests == 1


async def test_a_redirect_is_not_followed(name: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.reply("307 Temporary Redirect", Location=f"/answers/1/{peer.name}?again")

    error, requests = await failure(name, script, resuming(CLIENTS[name]))
    assert isinstance(error, Refused)
    assert "307" in str(error)
    assert requests == 1


async def test_what_is_compressed_is_not_inflated(name: str) -> None:
    bomb = gzip.compress(b"x" * HUGE, compresslevel=1)

    async def script(peer: Peer) -> None:
        if peer.name == "websocket":
            await peer.head()
            await peer.send(frame(TEXT, bomb, flags=FIN | RSV1))
        else:
            assert peer.fields["accept-encoding"] == "identity"
            await peer.reply("200 OK", bomb, Content_Encoding="gzip")

    error, _ = await failure(name, script)
    assert isinstance(error, Malformed)
    assert name == "websocket" or "compressed its response, though it was asked not to" in str(error)


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x16\x03\x01", b"\x00" * 1000])
async def test_what_is_no_http_is_said_to_be_none(name: str, data: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(data)
        peer.writer.close()

    await failure(name, script)


async def test_an_ordinary_response_is_no_websocket() -> None:
    async def script(peer: Peer) -> None:
        await peer.reply("202 Accepted", b"{}")

    error, _ = await failure("websocket", script)
    assert str(error) == "The server answered, but not as a WebSocket."


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (frame(3, b"x"), "does not keep to the WebSocket protocol"),
        (frame(CONTINUATION, b"x"), "does not keep to the WebSocket protocol"),
        (frame(TEXT, b"\xff"), "not JSON"),
    ],
)
async def test_frames_that_are_none(data: bytes, part: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(data)
        await asyncio.Event().wait()

    error, _ = await failure("websocket", script)
    assert isinstance(error, Malformed)
    assert part in str(error)


# Chunks that lie.


def in_turn(*chunks: Chunk) -> Script:
    """One chunk after the other: in one response, or one each. Of a poll that asks too far, the last one."""

    async def script(peer: Peer) -> None:
        await peer.open()
        for chunk in chunks if peer.name in STREAMS else chunks[peer.number - 1 : peer.number]:
            more = {"done": chunk.done, "sha256": chunk.sha256} if chunk.done else {}
            await peer.chunk(chunk.cursor, chunk.text, **more)

    return script


async def raced(name: str, script: Script) -> Lane:
    """A lane that has read all there is."""
    lane = Lane(name, 0)
    async with hostile(name, script) as server, aclosing(resuming(CLIENTS[name])(server.url)) as chunks:
        async for chunk in chunks:
            lane.take(chunk)
    return lane


def end(cursor: int, text: str) -> Chunk:
    return Chunk(cursor, "", "finished", hashlib.sha256(text.encode()).hexdigest())


@pytest.mark.parametrize("name", HEARING)
async def test_a_cursor_that_goes_back_or_stands_repeats_nothing(name: str) -> None:
    chunks = Chunk(2, "够钟"), Chunk(1, "够"), Chunk(2, "钟"), Chunk(0, ""), Chunk(3, "下"), end(4, "够钟下")
    lane = await raced(name, in_turn(*chunks))
    assert (lane.shown, verdict([lane])) == ("够钟下", None)


@pytest.mark.parametrize("name", HEARING)
async def test_a_gap_is_found_by_the_digest(name: str) -> None:
    lane = await raced(name, in_turn(Chunk(1, "够"), Chunk(LARGEST_CURSOR - 1, "下"), end(LARGEST_CURSOR, "够钟下")))
    assert verdict([lane]) == f"Not the text that the server wrote: {name}."


async def test_a_wrong_digest_is_found(name: str) -> None:
    lane = await raced(name, in_turn(Chunk(1, "够", "finished", "0" * 64)))
    assert verdict([lane]) == f"Not the text that the server wrote: {name}."


async def test_no_end_is_no_end(name: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.open()
        if peer.number == 1 and name != "whole":
            await peer.chunk(1, "够")
        if name in STREAMS or peer.number > 1 or name == "whole":
            peer.writer.close()

    error, requests = await failure(name, script, resuming(CLIENTS[name]))
    assert requests == ATTEMPTS + (name in POLLS and name != "whole")
    if name in ("sse", "iframe"):
        assert str(error) == CUT


@pytest.mark.parametrize("name", HEARING)
async def test_nothing_left_is_no_end_either(name: str) -> None:
    async def script(peer: Peer) -> None:
        if peer.number == 1:
            await peer.open()
            await peer.chunk(1, "够")
        elif name == "websocket":
            await peer.head()
            await peer.send(frame(CLOSE, b"\x03\xe8"))
        else:
            await peer.reply("204 No Content")

    error, requests = await failure(name, script, resuming(CLIENTS[name]))
    assert (str(error), requests) == (CUT, 2)


# Silence, and "not now".


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed soon."""
    monkeypatch.setattr(attention, "SILENCE_S", 0.1)


async def mute(peer: Peer) -> None:
    await asyncio.Event().wait()


async def mute_after_its_head(peer: Peer) -> None:
    await peer.open()
    await asyncio.Event().wait()


async def babbling(peer: Peer) -> None:
    """Bytes all the time, and never a chunk: comments, line ends, pings."""
    await peer.open()
    while True:
        await peer.send(
            {"sse": b":\n\n", "websocket": frame(9, b"")}.get(peer.name, b"\n" if peer.name in STREAMS else b"")
        )
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("script", [mute, mute_after_its_head, babbling])
@pytest.mark.parametrize("name", HEARING)
async def test_silence_is_noticed(name: str, script: Script) -> None:
    error, _ = await failure(name, script)
    assert "has sent nothing for 0.1 seconds" in str(error)
    assert not isinstance(error, Malformed)


@pytest.mark.usefixtures("impatient")
async def test_how_long_the_reader_takes_is_not_the_servers_silence() -> None:
    async def prompt() -> AsyncGenerator[Chunk, None]:
        for cursor, text in enumerate("够钟", 1):
            yield Chunk(cursor, text)  # there as soon as it is asked for, however busy the machine

    read = []
    async for chunk in attention.attentive(prompt(), 0):
        read.append(chunk.text)
        await asyncio.sleep(2 * attention.SILENCE_S)
    assert read == ["够", "钟"]


@pytest.mark.usefixtures("impatient")
async def test_whole_is_silent_by_nature() -> None:
    async def script(peer: Peer) -> None:
        await asyncio.sleep(0.3)
        await peer.chunk(1, "够", done="finished", sha256="")

    async with hostile("whole", script) as server:
        assert [chunk.text for chunk in await read(CLIENTS["whole"], server.url)] == ["够"]


async def test_a_busy_server_is_no_refusal_and_is_asked_again_when_it_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(peer: Peer) -> None:
        if peer.number > 1:
            await peer.open()
            await peer.chunk(1, "够", done="finished", sha256=hashlib.sha256("够".encode()).hexdigest())
        elif name == "sse":
            await peer.reply("200 OK", b"retry: 1000\n\n")
        elif name == "iframe":
            await peer.open()
            await peer.chunk(0, "", error="All readers are here.", retry_ms=1000)
        elif name == "websocket":
            await peer.head()
            await peer.send(frame(CLOSE, b"\x03\xf5All readers are here."))
        else:
            await peer.reply("429 Too Many Requests", b'{"detail":"All readers are here."}', Retry_After="1")

    error, _ = await failure(name, script)
    assert isinstance(error, StreamError)
    assert not isinstance(error, Malformed)
    assert error.retry_s == 1
    assert name == "sse" or str(error) == "All readers are here."
    waits = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(resume, "asyncio", SimpleNamespace(sleep=note))
    async with hostile(name, script) as server:
        chunks = await read(resuming(CLIENTS[name]), server.url)
    assert ([chunk.text for chunk in chunks], server.requests) == (["够"], 2)
    assert waits == [1]


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        ("7", 7, 7),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Fri, 31 Dec 2999 23:59:59 GMT", 10**9, 10**12),
        ("9" * 400, 10**14, 10**15),
        ("soon", None, None),
        ("-1", None, None),
        ("٧", None, None),
        ("1.5", None, None),
    ],
)
@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_when_to_come_back_is_read_from_the_header(
    status: str, retry_after: str, least: float | None, most: float | None
) -> None:
    async def script(peer: Peer) -> None:
        await peer.reply(status, Retry_After=retry_after)

    error, _ = await failure("polling", script)
    assert isinstance(error, StreamError)
    if least is None or most is None:
        assert error.retry_s is None
    else:
        assert error.retry_s is not None
        assert least <= error.retry_s <= most


async def test_who_is_to_come_back_in_a_year_does_not_wait_for_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.reply("503 Service Unavailable", Retry_After=str(365 * 86400))

    error, requests = await failure("polling", script, resuming(CLIENTS["polling"]))
    assert isinstance(error, StreamError)
    assert error.retry_s is not None
    assert error.retry_s > PATIENCE_S
    assert requests == 1


@pytest.mark.parametrize(
    ("code", "part"), [(1001, "going away"), (1012, "restarts"), (1013, "no place"), (4000, "4000")]
)
async def test_a_websocket_says_with_a_number_why_it_closes(code: int, part: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(frame(CLOSE, code.to_bytes(2)))

    error, _ = await failure("websocket", script)
    assert isinstance(error, StreamError)
    assert part in str(error)
    assert error.retry_s == (1 if code == 1013 else None)


# Starting an answer.


async def started(script: Script) -> str:
    async with hostile("whole", script) as server:
        with little_memory(), pytest.raises((StreamError, Refused)) as error:
            async with answering(server.url.partition("/answers")[0]):
                pytest.fail("it took that for an answer")
    assert SENTENCE.fullmatch(str(error.value))
    return str(error.value)


async def nested(peer: Peer) -> None:
    await peer.reply("201 Created", b"[" * 100_000)


@pytest.mark.parametrize("script", [endless, huge, nested])
async def test_what_is_no_pushlab_server_starts_no_answer(script: Script) -> None:
    assert await started(script)


async def test_who_answers_late_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.answers.SILENCE_S", 0.1)
    assert "did not respond in time" in await started(mute)
