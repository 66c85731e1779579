"""What the server tells of an answer: the ledger live, and the bytes that crossed for each token."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from clients import CLIENTS
from clients.chunk import Client
from server.answer import Answer, Chunk
from server.app import serving
from server.recording import MOST_NOTES, Recorder
from server.settings import Settings
from tests.capture import capturing
from tests.conftest import Start
from tests.test_contract import NEVER, TEXT, TOKENS, eventually, read, readers, text

SLOW = {"text": TEXT, "first_token_ms": 1000, "token_ms": 20, "record": True}
"""An answer that begins when a capture has."""


async def shown(http: aiohttp.ClientSession, answer: str, **query: Any) -> Any:
    """What crossed for a token, or the refusal's sentence."""
    async with http.get(f"{answer}/wire", params=query) as response:
        document = await response.json()
        return document if response.status == 200 else (response.status, document["detail"])


def data(document: Any, way: str, shared: bool = False) -> bytes:
    """The raw bytes of a token that went one way."""
    parts = [part for part in document["parts"] if part["way"] == way and part["shared"] is shared]
    return b"".join(base64.b64decode(part["data"]) for part in parts)


async def test_what_is_shown_of_each_token_is_what_a_capture_saw_in_its_order(
    name: str, client: Client, start: Start, http: aiohttp.ClientSession, server: str
) -> None:
    links = await start(**SLOW)
    async with capturing(int(server.rpartition(":")[2])) as capture:
        assert text(await read(client, links[name] + "?reader=me")) == TEXT
    up, down = (bytes(flow.data) for flow in capture.only)
    at_up = at_down = last = 0
    for token in range(1, len(TOKENS) + 1):
        document = await shown(http, links["self"], transport=name, reader="me", token=token)
        assert document["first"] <= token <= document["last"]
        assert document["text"] == "".join(TOKENS[document["first"] - 1 : document["last"]])
        assert (
            document["bytes"] == sum(document["by_kind"].values()) == len(data(document, "up") + data(document, "down"))
        )
        if document["first"] == 1:
            assert up.startswith(data(document, "up", shared=True))
            at_down = len(data(document, "down", shared=True))
            assert down.startswith(data(document, "down", shared=True))
            assert len(data(document, "up", shared=True)) + at_down == document["shared_bytes"]
        if document["first"] > last:  # the first token of its chunk
            at_up = up.index(data(document, "up"), at_up)
            at_down = down.index(data(document, "down"), at_down) + len(data(document, "down"))
            last = document["last"]
    assert last == len(TOKENS)


async def test_heads_are_paid_once_on_a_stream_and_with_every_chunk_by_polls(
    name: str, client: Client, start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(text=TEXT, token_ms=5, record=True)
    requests = (await read(client, links[name]))[-1].request
    for token in (1, len(TOKENS)):
        document = await shown(http, links["self"], transport=name, reader="", token=token)
        heads = document["by_kind"]["head"]
        assert (heads == 0) == (document["shared_bytes"] > 0)
        if requests > 1:
            assert heads > 0


async def test_polls_that_brought_nothing_are_counted_before_the_one_that_did(
    start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(**NEVER | {"record": True})
    sizes = [len(await (await http.get(links["polling"])).read()) for _ in range(3)]
    links = await start(text=TEXT, record=True, first_token_ms=300)
    for _ in range(3):
        await (await http.get(links["polling"])).read()
    await read(CLIENTS["whole"], links["whole"])
    await (await http.get(links["polling"])).read()
    document = await shown(http, links["self"], transport="polling", reader="", token=1)
    assert document["request"] == 4
    assert document["before"]["requests"] == 3
    assert document["before"]["bytes"] > sum(sizes) * 2


async def test_a_token_that_cannot_be_shown_is_refused_in_a_sentence(start: Start, http: aiohttp.ClientSession) -> None:
    plain = (await start(text=TEXT))["self"]
    status, sentence = await shown(http, plain, transport="sse", reader="", token=1)
    assert status == 404
    assert '{"record": true}' in sentence
    links = await start(text=TEXT, record=True)
    await read(CLIENTS["sse"], links["sse"])
    for query, status, part in (
        ({"transport": "sse", "reader": "", "token": 0}, 404, "Token 0"),
        ({"transport": "sse", "reader": "", "token": len(TOKENS) + 1}, 404, "not among"),
        ({"transport": "sse", "reader": "nobody", "token": 1}, 404, "'nobody'"),
        ({"transport": "carrier pigeon", "token": 1}, 404, "'carrier pigeon'"),
        ({"transport": "sse", "token": "first"}, 400, "'first'"),
        ({"transport": "sse", "token": "٣"}, 400, "whole number"),
        ({}, 400, "whole number"),
    ):
        found = await shown(http, links["self"], **query)
        assert found[0] == status, found
        assert part in found[1]


async def test_what_was_not_kept_for_want_of_room_is_not_shown_in_part(
    settings: Settings,
) -> None:
    async with serving(replace(settings, max_recorded_bytes=1000)) as url, aiohttp.ClientSession(url) as http:
        async with http.post("/answers", json={"text": TEXT, "token_ms": 5, "record": True}) as response:
            answer, links = response.headers["Location"], (await response.json())["links"]
        await read(CLIENTS["sse"], url + links["sse"])
        shown_tokens = []
        for token in range(1, len(TOKENS) + 1):
            document = await shown(http, answer, transport="sse", reader="", token=token)
            if isinstance(document, dict):
                assert document["by_kind"]["text"] > 0
                shown_tokens.append(token)
        assert shown_tokens == list(range(1, len(shown_tokens) + 1))
        assert 0 < len(shown_tokens) < len(TOKENS)


@pytest.mark.parametrize("kernel_counts", [True, False])
async def test_a_file_is_sent_over_a_connection_that_was_recorded(
    start: Start, server: str, monkeypatch: pytest.MonkeyPatch, kernel_counts: bool
) -> None:
    monkeypatch.setattr("server.ledger.KERNEL_COUNTS", kernel_counts)
    links = await start(text=TEXT, record=True)
    async with aiohttp.ClientSession(server, connector=aiohttp.TCPConnector(limit=1)) as one:
        await (await one.get(links["whole"])).read()
        async with one.get("/style.css") as response:
            assert (await response.read()).startswith(b"/* The look")


async def test_record_is_a_switch(http: aiohttp.ClientSession) -> None:
    async with http.post("/answers", json={"record": "yes"}) as response:
        assert response.status == 400
        assert "record" in (await response.json())["detail"]


async def test_only_the_newest_recordings_are_kept_and_none_grows_beyond_its_room() -> None:
    recorder = Recorder(most=2, room=2000)
    answers = [Answer(str(number)) for number in range(3)]
    for answer in answers:
        recorder.start(answer)
    assert [recorder.find(answer) is not None for answer in answers] == [False, True, True]
    recording = recorder.find(answers[2])
    assert recording
    exchange = recording.begin("sse", "")
    for cursor in range(100):
        exchange.add("down", b"x" * 100)
        exchange.deliver(cursor, Chunk(cursor + 1, "x"))
    assert exchange.tokens == 100
    assert [piece for _, piece in exchange.pieces] == [b"x" * 100] * len(exchange.deliveries)
    assert 10 < len(exchange.deliveries) < 20
    for _ in range(MOST_NOTES):
        recording.begin("polling", "")
    assert 0 < len(recording.exchanges["polling", ""]) < MOST_NOTES


@asynccontextmanager
async def watching(http: aiohttp.ClientSession, answer: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """The ledger, live."""
    async with http.ws_connect(f"{answer}/live") as socket:
        yield socket


async def test_the_live_ledger_ends_with_the_very_rows_of_the_ledger(
    name: str, client: Client, start: Start, http: aiohttp.ClientSession
) -> None:
    links = await start(text=TEXT, first_token_ms=100, token_ms=20, record=True)
    async with watching(http, links["self"]) as socket:
        reading = asyncio.create_task(read(client, links[name] + "?reader=me"))
        messages = [message.json() async for message in socket]
        assert socket.close_code == 1000
    chunks = await reading
    rows = (await (await http.get(f"{links['self']}/ledger")).json())["rows"]
    last = [{key: value for key, value in row.items() if key != "spans"} for row in messages[-1]["rows"]]
    assert last == rows
    assert [row["reader"] for row in rows] == ["me"], "the watcher itself is in no row"
    assert messages[-1]["done"] == "finished"
    spans = {span[0]: span for message in messages for row in message["rows"] for span in row["spans"]}
    assert sorted(spans) == list(range(1, chunks[-1].request + 1))
    assert all(began <= ended for _, began, ended, _ in spans.values())
    assert sum(tokens for *_, tokens in spans.values()) == len(TOKENS)


async def test_without_a_recording_there_are_rows_and_no_requests(start: Start, http: aiohttp.ClientSession) -> None:
    links = await start(text=TEXT)
    await read(CLIENTS["sse"], links["sse"])
    async with watching(http, links["self"]) as socket:
        (row,) = (await socket.receive_json())["rows"]
    assert row["spans"] == []
    assert row["tokens"] == len(TOKENS)


async def test_a_clock_is_answered_at_once_with_ours(start: Start, http: aiohttp.ClientSession) -> None:
    links = await start(**NEVER)
    async with watching(http, links["self"]) as socket:
        await socket.receive_json()
        before = time.monotonic() * 1000
        await socket.send_json({"clock": 12.5})
        reply = await socket.receive_json()
        assert reply["clock"] == 12.5
        assert before - 1 <= reply["now_ms"] <= time.monotonic() * 1000 + 1


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        '{"clock":"now"}',
        '{"clock":1,"stop":true}',
        '{"clock":NaN}',
        '{"clock":true}',
        f'{{"clock":{"9" * 900}}}',
    ],
)
async def test_a_watcher_has_nothing_else_to_say(start: Start, http: aiohttp.ClientSession, message: str) -> None:
    links = await start(**NEVER)
    async with watching(http, links["self"]) as socket:
        await socket.send_str(message)
        async for _ in socket:
            pass
        assert socket.close_code == 1008
    async with http.get(links["self"]) as response:
        assert (await response.json())["state"] == "typing"


async def test_a_watcher_that_leaves_frees_its_place(start: Start, http: aiohttp.ClientSession) -> None:
    links = await start(**NEVER)
    async with watching(http, links["self"]) as socket:
        await socket.receive_json()
        assert await readers(http) == 1

    async def gone() -> bool:
        return await readers(http) == 0

    await eventually(gone)


async def test_the_live_ledger_wants_a_websocket(start: Start, http: aiohttp.ClientSession) -> None:
    links = await start(text=TEXT)
    async with http.get(f"{links['self']}/live") as response:
        assert response.status == 426
        assert response.headers["Upgrade"] == "websocket"
        assert "/ledger" in (await response.json())["detail"]
