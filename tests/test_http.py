"""The HTTP API, its limits, and what is particular to each transport's bytes.

The one thing to notice: every test here also fails when the server logs an error. A refusal is never a crash.
"""

import asyncio
import json
import logging
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from clients import CLIENTS
from clients.chunk import Chunk, Client
from clients.sse import EventDecoder
from server import answer as log
from server.defences import DEFENCES
from server.settings import Settings
from server.sources.presets import EDGE, PRESETS
from server.transports import TRANSPORTS
from server.transports.sse import plain_frame
from tests.conftest import Start
from tests.test_contract import NEVER, eventually, read, readers, text

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
JSON = {"Content-Type": "application/json"}
STREAMS = ("iframe", "sse")
POLLS = ("polling", "long_polling", "whole")


def server_with(**changes: Any) -> pytest.MarkDecorator:
    """Run the test on a server with these settings."""
    settings = Settings(**({"port": 0, "first_token_ms": 0, "token_ms": 0} | changes))
    name = " ".join(f"{field}={value}" for field, value in changes.items())
    return pytest.mark.parametrize("settings", [settings], ids=[name])


@pytest.fixture(autouse=True)
def _nothing_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


async def refused(response: aiohttp.ClientResponse, status: int) -> str:
    """The sentence of a problem document (RFC 9457)."""
    assert response.status == status, await response.text()
    document = await response.json(content_type="application/problem+json")
    assert document.keys() - {"defence"} == {"title", "status", "detail"}
    assert document.get("defence", "host") in DEFENCES
    assert (document["title"], document["status"]) == (HTTPStatus(status).phrase, status)
    assert document["detail"].endswith((".", ")"))
    assert response.headers["Cache-Control"] == "no-store"
    return str(document["detail"])


async def state_of(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with http.get(url) as response:
        assert response.status == 200
        document: dict[str, Any] = await response.json()
    return document


async def typing(http: aiohttp.ClientSession) -> int:
    count: int = (await state_of(http, "/healthz"))["typing"]
    return count


@asynccontextmanager
async def connected(server: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare TCP connection."""
    address = urlsplit(server)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


# Starting an answer.


async def test_an_order_is_answered_with_an_id_and_a_link_for_every_transport(http: aiohttp.ClientSession) -> None:
    async with http.post("/answers", json={"text": "够"}) as response:
        assert response.status == 201
        assert response.content_type == "application/json"
        document = await response.json()
        answer = document["id"]
        assert re.fullmatch("[0-9a-f]{32}", answer)
        assert response.headers["Location"] == f"/answers/{answer}"
        assert document == {"id": answer, "links": {name: f"/answers/{answer}/{name}" for name in TRANSPORTS}}


async def test_no_two_answers_have_the_same_id(http: aiohttp.ClientSession) -> None:
    ids = set()
    for _ in range(20):
        async with http.post("/answers", json={"text": ""}) as response:
            ids.add((await response.json())["id"])
    assert len(ids) == 20


@pytest.mark.parametrize("body", [b"", b"{}", b" {\n} "])
async def test_an_empty_order_is_one_for_the_default(http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.post("/answers", data=body, headers=JSON) as response:
        assert response.status == 201
        links = (await response.json())["links"]
    async with http.get(links["whole"]) as response:
        assert (await response.json())["text"] == PRESETS["typewriter"].text


async def test_the_content_type_may_name_a_charset(http: aiohttp.ClientSession) -> None:
    content_type = {"Content-Type": "Application/JSON; charset=utf-8"}
    async with http.post("/answers", data='{"text":"够"}'.encode(), headers=content_type) as response:
        assert response.status == 201


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json", "nonsense"]
)
async def test_an_order_in_another_content_type_is_refused(http: aiohttp.ClientSession, content_type: str) -> None:
    async with http.post("/answers", data=b"{}", headers={"Content-Type": content_type}) as response:
        assert "Content-Type: application/json" in await refused(response, 415)
    assert await typing(http) == 0


async def test_an_order_without_a_content_type_is_refused(http: aiohttp.ClientSession) -> None:
    async with http.post("/answers", data=b"{}", skip_auto_headers=["Content-Type"]) as response:
        assert "Content-Type: application/json" in await refused(response, 415)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b"{'text':1}",
        b'{"text":}',
        b"\xff\xfe{",
        b'{"text":"\xff"}',
        b"[" * 100_000,
        b'{"a":' * 20_000,
    ],
    ids=lambda body: ascii(body)[:30],
)
async def test_a_body_that_is_no_json_is_refused(http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.post("/answers", data=body, headers=JSON) as response:
        assert "not JSON" in await refused(response, 400)


async def test_a_number_of_five_thousand_digits_is_refused(http: aiohttp.ClientSession) -> None:
    async with http.post("/answers", data=b'{"seed":' + b"9" * 5000 + b"}", headers=JSON) as response:
        await refused(response, 400)


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null", b"true", b'[{"text":"a"}]'])
async def test_json_that_is_no_object_is_refused(http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.post("/answers", data=body, headers=JSON) as response:
        assert "must be a JSON object" in await refused(response, 400)


@server_with(max_body_bytes=1000)
async def test_a_body_that_is_too_large_is_refused_and_one_that_is_not_is_read(http: aiohttp.ClientSession) -> None:
    for size, status in ((1000, 201), (1001, 413), (500_000, 413)):
        body = b'{"text":"a"' + b" " * (size - 12) + b"}"
        async with http.post("/answers", data=body, headers=JSON) as response:
            assert response.status == status
            if status == 413:
                assert "1000 bytes" in await refused(response, 413)


@server_with(max_body_bytes=1000)
async def test_a_body_without_a_length_that_is_too_large_is_refused(http: aiohttp.ClientSession) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    async with http.post("/answers", data=body(), headers=JSON) as response:
        await refused(response, 413)


@server_with(body_s=0.2)
async def test_a_body_that_does_not_arrive_is_not_waited_for(server: str, http: aiohttp.ClientSession) -> None:
    async with connected(server) as (reader, writer):
        writer.write(
            b"POST /answers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b"Content-Type: application/problem+json" in head
        assert b"Connection: close" in head
    assert await typing(http) == 0


# Looking at an answer, and stopping it.


async def test_the_state_before_and_after_the_end(http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(text="够钟下班啦", token_ms=60_000)
    await CLIENTS["long_polling"](links["long_polling"]).__anext__()
    before = await state_of(http, links["self"])
    answer = links["self"].rpartition("/")[2]
    assert before == {"id": answer, "state": "typing", "cursor": 1, "reason": None, "text": "够"}
    async with http.delete(links["self"]):
        pass
    after = await state_of(http, links["self"])
    assert after == {"id": answer, "state": "ended", "cursor": 2, "reason": "stopped", "text": "够"}


async def test_the_state_of_an_answer_that_was_typed_to_its_end(http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(preset="edge")
    await read(CLIENTS["whole"], links["whole"])
    state = await state_of(http, links["self"])
    assert (state["state"], state["reason"], state["text"]) == ("ended", "finished", EDGE)


async def test_the_timeline_has_an_entry_for_each_token_and_the_end(http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(text="够钟👨‍👩‍👧")
    await read(CLIENTS["whole"], links["whole"])
    timeline = await state_of(http, links["self"] + "/timeline")
    assert timeline.keys() == {"clock", "started_ms", "entries", "more"}
    assert (timeline["clock"], timeline["more"]) == ("monotonic", False)
    assert [entry["text"] for entry in timeline["entries"]] == ["够", "钟", "👨‍👩‍👧", ""]
    assert [entry["cursor"] for entry in timeline["entries"]] == [1, 2, 3, 4]
    for entry in timeline["entries"]:
        assert timeline["started_ms"] <= entry["due_ms"] <= entry["appended_ms"]


async def test_a_long_timeline_comes_in_parts(http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(text="x" * 10_000, repeat=2)
    await read(CLIENTS["whole"], links["whole"])
    first = await state_of(http, links["self"] + "/timeline")
    assert (len(first["entries"]), first["more"]) == (10_000, True)
    rest = await state_of(http, links["self"] + "/timeline?cursor=10000")
    assert [entry["cursor"] for entry in rest["entries"]] == [*range(10_001, 20_002)][: len(rest["entries"])]
    assert rest["more"] is True
    last = await state_of(http, links["self"] + "/timeline?cursor=20000")
    assert ([entry["text"] for entry in last["entries"]], last["more"]) == ([""], False)


async def test_stopping_twice_is_fine_and_changes_nothing(http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(**NEVER)
    states = []
    for _ in range(2):
        async with http.delete(links["self"]) as response:
            assert (response.status, await response.read()) == (204, b"")
        states.append(await state_of(http, links["self"]))
    assert states[0] == states[1]
    assert await typing(http) == 0


async def test_stopping_an_answer_that_has_ended_changes_nothing(http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(text="够")
    await read(CLIENTS["whole"], links["whole"])
    async with http.delete(links["self"]) as response:
        assert response.status == 204
    assert (await state_of(http, links["self"]))["reason"] == "finished"


@pytest.mark.parametrize("answer", ["0" * 32, "x", "%00", "..%2f..", "够"])
@pytest.mark.parametrize(
    ("method", "rest"),
    [("GET", ""), ("DELETE", ""), ("GET", "/timeline"), *(("GET", f"/{name}") for name in TRANSPORTS)],
)
async def test_an_unknown_answer_is_not_found(http: aiohttp.ClientSession, method: str, rest: str, answer: str) -> None:
    async with http.request(method, f"/answers/{answer}{rest}") as response:
        assert "no answer of this id" in await refused(response, 404)


# Starting and reading in one go.


@pytest.mark.parametrize("name", ["iframe", "sse", "websocket", "whole"])
async def test_one_request_says_where_its_answer_can_be_read_again(
    name: str, client: Client, server: str, http: aiohttp.ClientSession
) -> None:
    headers = HANDSHAKE if name == "websocket" else {}
    async with http.get(f"/{name}", params={"preset": "edge"}, headers=headers) as response:
        path = response.headers["Content-Location"]
    assert re.fullmatch(f"/answers/[0-9a-f]{{32}}/{name}", path)
    assert text(await read(client, server + path)) == EDGE


async def test_a_cursor_is_refused_where_every_request_starts_a_new_answer(
    name: str, http: aiohttp.ClientSession
) -> None:
    for params, headers in (({"cursor": "1"}, {}), ({}, {"Last-Event-ID": "1"})):
        async with http.get(f"/{name}", params=params, headers=headers) as response:
            assert "no cursor yet" in await refused(response, 400)
    assert await typing(http) == 0


@pytest.mark.parametrize("path", ["/nonsense", "/SSE", "/sse.html", "/answer", "/server", "/%20"])
async def test_an_unknown_transport_is_not_found_and_the_refusal_lists_those_there_are(
    http: aiohttp.ClientSession, path: str
) -> None:
    async with http.get(path) as response:
        assert f"There are {', '.join(TRANSPORTS)}." in await refused(response, 404)


async def test_an_answer_is_not_read_over_an_unknown_transport(http: aiohttp.ClientSession, start: Start) -> None:
    async with http.get((await start(text="够"))["self"] + "/nonsense") as response:
        assert f"There are {', '.join(TRANSPORTS)}." in await refused(response, 404)


@pytest.mark.parametrize("path", ["/sse/again", "/answers/", "/a/b/c/d", "/js/nonsense.js"])
async def test_where_nothing_is_the_refusal_says_where_to_look(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as response:
        assert await refused(response, 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/sse", "GET"),
        ("POST", "/", "GET,HEAD"),
        ("PUT", "/answers", "POST"),
        ("PUT", "/answers/0", "DELETE,GET,HEAD"),
        ("PATCH", "/answers/0/sse", "GET"),
        ("OPTIONS", "/answers", "POST"),
        ("DELETE", "/healthz", "GET,HEAD"),
        ("PROPFIND", "/transports", "GET,HEAD"),
        *(("HEAD", f"/{name}", "GET") for name in TRANSPORTS),
        *(("HEAD", f"/answers/0/{name}", "GET") for name in TRANSPORTS),
    ],
)
async def test_another_method_is_refused_with_those_that_are_taken(
    http: aiohttp.ClientSession, method: str, path: str, allowed: str
) -> None:
    async with http.request(method, path) as response:
        assert response.status == 405
        assert response.content_type == "application/problem+json"
        assert sorted(response.headers["Allow"].split(",")) == allowed.split(",")
    assert await typing(http) == 0


async def test_the_transports_are_listed_with_their_limits(http: aiohttp.ClientSession, settings: Settings) -> None:
    document = await state_of(http, "/transports")
    assert list(document["transports"]) == list(TRANSPORTS)
    for name, row in document["transports"].items():
        assert row["path"] == f"/answers/{{id}}/{name}"
        assert row["summary"].endswith(".")
    limits = document["limits"]
    assert limits["hold_s"] == settings.hold_s
    assert limits["heartbeat_s"] == settings.heartbeat_s
    assert limits["text_characters"] == settings.max_text
    assert limits["message_bytes"] == settings.max_message_bytes


async def test_health_counts_answers_and_readers(http: aiohttp.ClientSession, start: Start) -> None:
    assert await state_of(http, "/healthz") == {"typing": 0, "readers": 0}
    links = await start(**NEVER)
    async with http.get(links["sse"]):
        assert await state_of(http, "/healthz") == {"typing": 1, "readers": 1}


# Counts.


@server_with(max_answers=2)
async def test_when_all_answers_are_being_typed_another_is_refused_until_one_has_ended(
    http: aiohttp.ClientSession, start: Start
) -> None:
    one, two = await start(**NEVER), await start(**NEVER)
    async with http.post("/answers", json={}) as response:
        assert "still being typed" in await refused(response, 429)
        assert int(response.headers["Retry-After"]) > 0
    async with http.get("/sse") as response:
        await refused(response, 429)
    async with http.delete(one["self"]):
        pass
    three = await start(**NEVER)
    assert [(await http.get(links["self"])).status for links in (one, two, three)] == [404, 200, 200]


@server_with(max_answers=3)
async def test_the_oldest_answer_that_has_ended_makes_room(http: aiohttp.ClientSession, start: Start) -> None:
    typed = await start(**NEVER)
    older, newer = await start(text="够"), await start(text="钟")
    for links in (older, newer):
        await read(CLIENTS["whole"], links["whole"])

    async def ended() -> bool:
        return await typing(http) == 1

    await eventually(ended)
    await start(**NEVER)
    assert [(await http.get(links["self"])).status for links in (typed, older, newer)] == [200, 404, 200]


@server_with(keep_s=0.1)
async def test_an_answer_is_forgotten_some_time_after_its_end_and_not_before(
    http: aiohttp.ClientSession, start: Start
) -> None:
    typed, ended = await start(**NEVER), await start(text="够")

    async def forgotten() -> bool:
        async with http.get(ended["self"]) as response:
            return response.status == 404

    await eventually(forgotten)
    assert (await state_of(http, typed["self"]))["state"] == "typing"


# Headers.

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def secure(headers: Any) -> bool:
    policy = headers["Content-Security-Policy"]
    directives = dict(directive.strip().partition(" ")[::2] for directive in policy.split(";"))
    assert directives["frame-ancestors"] == "'self'"
    assert directives["default-src"] in ("'self'", "'none'")
    assert "unsafe" not in policy
    return {name: headers[name] for name in SECURITY} == SECURITY


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/demo/sse", 200),
        ("GET", "/style.css", 200),
        ("GET", "/favicon.svg", 200),
        ("GET", "/js/index.js", 200),
        ("GET", "/healthz", 200),
        ("GET", "/transports", 200),
        ("GET", "/nonsense", 404),
        ("GET", "/a/b/c", 404),
        ("PUT", "/", 405),
        ("POST", "/answers", 415),
        ("GET", "/sse?cursor=x", 400),
        ("GET", "/websocket", 426),
        ("GET", "/polling", 200),
        ("GET", "/whole", 200),
    ],
)
async def test_every_response_carries_the_security_headers(
    http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with http.request(method, path) as response:
        assert response.status == status
        assert secure(response.headers)


async def test_responses_about_an_answer_carry_the_security_headers(
    name: str, http: aiohttp.ClientSession, start: Start
) -> None:
    links = await start(text="够")
    async with http.get(links[name], headers=HANDSHAKE if name == "websocket" else {}) as response:
        assert response.status == (101 if name == "websocket" else 200)
        assert secure(response.headers)
    async with http.get(links["self"]) as response:
        assert secure(response.headers)
    async with http.delete(links["self"]) as response:
        assert response.status == 204
        assert secure(response.headers)
    async with http.get(links[name], params={"cursor": "2"}) as response:
        assert response.status == 204
        assert secure(response.headers)


async def test_a_file_that_has_not_changed_carries_the_security_headers_too(http: aiohttp.ClientSession) -> None:
    async with http.get("/style.css") as response:
        tag = response.headers["ETag"]
    async with http.get("/style.css", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
        assert secure(response.headers)


@pytest.mark.parametrize("stream", STREAMS)
async def test_streams_ask_everyone_on_the_way_not_to_hold_them_back(
    http: aiohttp.ClientSession, start: Start, stream: str
) -> None:
    async with http.get((await start(text="够"))[stream]) as response:
        assert response.headers["Cache-Control"] == "no-cache, no-transform"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["Incremental"] == "?1"
        assert "Content-Length" not in response.headers
        assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("poll", POLLS)
async def test_polls_are_not_kept_by_anyone(http: aiohttp.ClientSession, start: Start, poll: str) -> None:
    async with http.get((await start(text="够"))[poll]) as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Type"] == "application/json"


# Silence, and readers that do not read.


@server_with(heartbeat_s=0.05)
@pytest.mark.parametrize("stream", [*STREAMS, "websocket"])
async def test_a_stream_without_news_sends_empty_chunks_with_its_cursor(start: Start, stream: str) -> None:
    links = await start(text="够钟", token_ms=60_000)
    async with aclosing(CLIENTS[stream](links[stream])) as chunks:
        async for chunk in chunks:
            if chunk.text:
                break
        assert [await anext(chunks) for _ in range(3)] == [Chunk(1, "")] * 3


@server_with(hold_s=0.05)
async def test_a_long_poll_without_news_is_answered_with_an_empty_chunk(
    http: aiohttp.ClientSession, start: Start
) -> None:
    async with http.get((await start(**NEVER))["long_polling"]) as response:
        assert await response.json() == {"cursor": 0, "text": ""}


async def test_a_poll_without_news_is_answered_at_once(http: aiohttp.ClientSession, start: Start) -> None:
    async with http.get((await start(**NEVER))["polling"]) as response:
        assert await response.json() == {"cursor": 0, "text": ""}


PARAGRAPH = ("够" * 99 + "。") * 200
"""60 KB in UTF-8."""


@asynccontextmanager
async def deaf_reader(url: str) -> AsyncIterator[socket.socket]:
    """A connection that asks for `url`, sees its first byte, and reads no more."""
    address, loop = urlsplit(url), asyncio.get_running_loop()
    with socket.socket() as deaf:
        deaf.setblocking(False)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the kernel would take megabytes for us
        await loop.sock_connect(deaf, (address.hostname, address.port))
        await loop.sock_sendall(deaf, f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        assert await asyncio.wait_for(loop.sock_recv(deaf, 1), 10) == b"H"
        yield deaf


@server_with(write_s=0.3, max_answer=10_000_000)
@pytest.mark.parametrize("repeat", [1, 2, 3, 5, 10, 100])
@pytest.mark.parametrize("stream", STREAMS)
async def test_a_reader_that_never_reads_frees_its_place_however_long_the_answer_is(
    http: aiohttp.ClientSession, start: Start, stream: str, repeat: int
) -> None:
    links = await start(text=PARAGRAPH, unit="sentence", repeat=repeat)

    async def free() -> bool:
        return await readers(http) == 0

    async with deaf_reader(links[stream]):
        await eventually(free)


@server_with(write_s=0.3, max_answer=10_000_000)
async def test_a_reader_that_never_reads_is_dropped_and_the_answer_is_still_there_for_others(
    http: aiohttp.ClientSession, start: Start
) -> None:
    links = await start(text=PARAGRAPH, unit="sentence", repeat=100)

    async def free() -> bool:
        return await readers(http) == 0

    got = b""
    async with deaf_reader(links["sse"]) as deaf:
        await eventually(free)
        with suppress(ConnectionResetError):
            while data := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(deaf, 1 << 20), 10):
                got += data
    assert b"event: end" not in got
    assert text(await read(CLIENTS["sse"], links["sse"])) == PARAGRAPH * 100


# SSE.


async def sse_events(response: aiohttp.ClientResponse) -> list[tuple[str, str]]:
    return [(event.name, event.data) for event in EventDecoder().feed(await response.read())]


async def test_a_browser_can_resume_an_event_stream_before_its_first_token(
    http: aiohttp.ClientSession, start: Start, settings: Settings
) -> None:
    async with http.get((await start(**NEVER))["sse"]) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        first = await asyncio.wait_for(response.content.readuntil(b"\n\n"), 10)
    retry, rest = first.split(b"\n", 1)
    assert settings.retry_ms <= int(retry.removeprefix(b"retry: ")) <= 2 * settings.retry_ms
    assert rest == b'id: 0\ndata: {"cursor":0,"text":""}\n\n'


async def test_the_last_event_is_named_end(http: aiohttp.ClientSession, start: Start) -> None:
    async with http.get((await start(text=EDGE))["sse"]) as response:
        events = await sse_events(response)
    assert [name for name, _ in events] == ["message"] * (len(events) - 1) + ["end"]
    assert json.loads(events[-1][1])["done"] == "finished"


async def test_every_event_has_its_cursor_as_id(http: aiohttp.ClientSession, start: Start) -> None:
    async with http.get((await start(text="够钟下班啦", token_ms=3))["sse"]) as response:
        blocks = (await response.read()).decode().removesuffix("\n\n").split("\n\n")
    for block in blocks:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert int(fields["id"]) == json.loads(fields["data"])["cursor"]


async def test_the_last_event_id_wins_over_the_cursor_in_the_address(http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(text="够钟下班啦")
    await read(CLIENTS["whole"], links["whole"])
    for header, rest in (("3", "班啦"), ("0", "够钟下班啦"), ("", "钟下班啦")):
        headers = {"Last-Event-ID": header}
        async with http.get(links["sse"], params={"cursor": "1"}, headers=headers) as response:
            events = await sse_events(response)
        assert "".join(json.loads(data)["text"] for _, data in events) == rest


def test_the_plain_form_is_the_articles() -> None:
    frames = [plain_frame(log.Chunk(cursor, token)) for cursor, token in enumerate("够钟下班啦", 1)]
    assert b"".join([*frames, plain_frame(log.Chunk(6, "", "finished"))]).decode() == (
        "event:message\ndata:够\n\n"
        "event:message\ndata:钟\n\n"
        "event:message\ndata:下\n\n"
        "event:message\ndata:班\n\n"
        "event:message\ndata:啦\n\n"
        "event:end\ndata:finished\n\n"
    )


async def test_a_plain_stream_is_in_the_articles_form(http: aiohttp.ClientSession) -> None:
    async with http.get("/sse", params={"preset": "off-work", "format": "plain", "token_ms": "5"}) as response:
        body = (await response.read()).decode()
    assert re.fullmatch(r"(:\n\n)+(event:message\ndata:[够钟下班啦]+\n\n)+event:end\ndata:finished\n\n", body)
    assert "".join(re.findall(r"data:([够钟下班啦]+)", body)) == "够钟下班啦"


@server_with(heartbeat_s=0.05)
async def test_silence_in_a_plain_stream_is_a_comment(http: aiohttp.ClientSession, start: Start) -> None:
    async with http.get((await start(**NEVER))["sse"], params={"format": "plain"}) as response:
        assert await response.content.readexactly(9) == b":\n\n" * 3


FORGERIES = [
    "a\nevent:end\ndata:finished\n\nb",
    "a\revent:end\rdata:finished\r\rb",
    "a\r\nevent:end\r\ndata:finished\r\n\r\nb",
    "\n\nevent:end\n\n",
    "data:x\nid:9\nretry:1\n:comment\n\n\n",
    "\r\r\n\n\r",
    "line\u2028separator\u2029and\u0085next",
]


@pytest.mark.parametrize("forgery", FORGERIES, ids=ascii)
@pytest.mark.parametrize("unit", ["grapheme", "sentence"])
async def test_no_text_can_forge_an_event_in_a_plain_stream(
    http: aiohttp.ClientSession, start: Start, forgery: str, unit: str
) -> None:
    links = await start(text=forgery, unit=unit)
    async with http.get(links["sse"], params={"format": "plain"}) as response:
        *messages, end = await sse_events(response)
    assert end == ("end", "finished")
    assert {name for name, _ in messages} == {"message"}
    assert "".join(data for _, data in messages) == forgery.replace("\r\n", "\n").replace("\r", "\n")


# Hidden iframe.


async def test_an_iframe_gets_enough_bytes_to_be_shown_before_the_first_token(
    http: aiohttp.ClientSession, start: Start
) -> None:
    async with http.get((await start(**NEVER))["iframe"]) as response:
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        head = await asyncio.wait_for(response.content.readexactly(1024), 10)
        assert head.startswith(b"<!doctype html>")
        rest = await asyncio.wait_for(response.content.readuntil(b"</script>\n"), 10)
    assert b'push({"cursor":0,"text":""})' in rest


async def test_the_scripts_of_an_iframe_run_by_a_nonce_that_no_other_response_has(
    http: aiohttp.ClientSession, start: Start
) -> None:
    nonces = []
    url = (await start(text=EDGE))["iframe"]
    for _ in range(3):
        async with http.get(url) as response:
            allowed = re.findall(r"script-src 'nonce-([\w-]{20,})';", response.headers["Content-Security-Policy"])
            body = (await response.read()).decode()
        tags = re.findall(r"<script[^>]*>", body)
        assert len(allowed) == 1
        assert set(tags) == {f'<script nonce="{allowed[0]}">'}
        nonces += allowed
    assert len(set(nonces)) == 3


async def test_nothing_in_the_text_ends_a_script_of_an_iframe(http: aiohttp.ClientSession, start: Start) -> None:
    async with http.get((await start(text=EDGE + "</SCRIPT ><!--<script>]]>", unit="sentence"))["iframe"]) as response:
        page = (await response.read()).decode()
    _, *calls = page.split("<script nonce=")[1:]
    for call in calls:
        assert re.fullmatch(r'"[\w-]+">push\(\{[^<>&\u2028\u2029]*\}\)</script>\n', call)


# WebSocket.


async def test_a_request_that_is_no_handshake_is_told_to_upgrade(http: aiohttp.ClientSession, start: Start) -> None:
    async with http.get((await start(**NEVER))["websocket"]) as response:
        assert "WebSocket" in await refused(response, 426)
        assert response.headers["Upgrade"] == "websocket"
        assert response.headers["Connection"] == "Upgrade"


async def test_a_request_that_is_no_handshake_starts_no_answer(http: aiohttp.ClientSession) -> None:
    async with http.get("/websocket", params=NEVER) as response:
        await refused(response, 426)
        assert "Content-Location" not in response.headers
    assert await typing(http) == 0


@pytest.mark.parametrize(
    ("header", "value"),
    [("Upgrade", "h2c"), ("Connection", "keep-alive"), ("Sec-WebSocket-Version", "12"), ("Sec-WebSocket-Key", "short")],
)
async def test_a_wrong_handshake_is_refused_with_the_version_that_is_spoken(
    http: aiohttp.ClientSession, start: Start, header: str, value: str
) -> None:
    async with http.get((await start(**NEVER))["websocket"], headers=HANDSHAKE | {header: value}) as response:
        await refused(response, 426)
        assert response.headers["Sec-WebSocket-Version"] == "13"  # RFC 6455 §4.2.2


async def test_a_reader_can_stop_the_answer_over_its_websocket(http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(text="够钟", token_ms=60_000)
    async with http.ws_connect(links["websocket"]) as ws:
        assert await ws.receive_json() == {"cursor": 1, "text": "够"}
        await ws.send_str('{"stop":true}')
        chunk = await ws.receive_json()
        assert (chunk["cursor"], chunk["done"]) == (2, "stopped")
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1000
    assert (await state_of(http, links["self"]))["reason"] == "stopped"


OTHER_MESSAGES = [
    "hello",
    "",
    "{}",
    "[]",
    "null",
    "true",
    '{"stop":false}',
    '{"stop":1}',
    '{"stop":"true"}',
    '{"stop":true,"more":1}',
    "[" * 1000,
    b'{"stop":true}',
    b"\xff",
]


@pytest.mark.parametrize("message", OTHER_MESSAGES, ids=lambda message: ascii(message)[:20])
async def test_any_other_message_closes_the_websocket_and_leaves_the_answer(
    http: aiohttp.ClientSession, start: Start, message: str | bytes
) -> None:
    links = await start(**NEVER)

    async def free() -> bool:
        return await readers(http) == 0

    async with http.ws_connect(links["websocket"]) as ws:
        await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
        closing = await ws.receive()
        assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1008)
        assert closing.extra == 'the only message is {"stop":true}'
    await eventually(free)
    assert (await state_of(http, links["self"]))["state"] == "typing"


async def test_a_message_that_is_too_large_closes_the_websocket(
    http: aiohttp.ClientSession, start: Start, settings: Settings
) -> None:
    links = await start(**NEVER)

    async def free() -> bool:
        return await readers(http) == 0

    async with http.ws_connect(links["websocket"]) as ws:
        await ws.send_str("x" * (settings.max_message_bytes + 1))
        closing = await ws.receive()
        assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1009)
    await eventually(free)
    assert (await state_of(http, links["self"]))["state"] == "typing"


async def test_compression_is_not_negotiated_even_when_it_is_offered(http: aiohttp.ClientSession, start: Start) -> None:
    links = await start(text="够")
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    async with http.get(links["websocket"], headers=HANDSHAKE | offer) as response:
        assert response.status == 101
        assert "Sec-WebSocket-Extensions" not in response.headers
    async with http.ws_connect(links["websocket"], compress=15) as ws:
        assert ws.compress == 0


async def test_a_reader_that_closes_its_websocket_is_answered_and_frees_its_place(
    http: aiohttp.ClientSession, start: Start
) -> None:
    links = await start(**NEVER)

    async def free() -> bool:
        return await readers(http) == 0

    async with http.ws_connect(links["websocket"]) as ws:
        assert await readers(http) == 1
        await ws.close()
        assert ws.close_code == 1000  # 1006, had the server's close frame not come in time
    await eventually(free)


async def test_a_websocket_answers_pings(http: aiohttp.ClientSession, start: Start) -> None:
    async with http.ws_connect((await start(**NEVER))["websocket"], autoping=False) as ws:
        await ws.ping(b"are you there")
        pong = await ws.receive(10)
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"are you there")


@pytest.mark.parametrize("path", ["/sse", "/iframe"])
async def test_a_stream_to_a_reader_of_http_1_0_ends_by_closing_even_if_it_asks_to_keep_it_open(
    server: str, path: str
) -> None:
    reader, writer = await asyncio.open_connection(urlsplit(server).hostname, urlsplit(server).port)
    writer.write(f"GET {path}?text=a HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n".encode())
    body = await asyncio.wait_for(reader.read(), 10)
    assert b'"done":"finished"' in body
    writer.close()
    await writer.wait_closed()
