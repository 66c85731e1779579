"""What comes from a model's API: tokens are passed on as they are, and every trouble ends in a sentence to act on."""

import asyncio
import gzip
import logging
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._models import construct_type
from openai.types.chat import ChatCompletionChunk

from clients import CLIENTS
from clients.chunk import Client
from server.app import serving
from server.settings import Settings
from server.sources import openai
from server.sources.openai import Nonsense, again, part, place
from server.sources.presets import PRESETS
from server.wire import to_json
from tests.test_contract import read, text
from tests.upstream import (
    STREAM,
    Script,
    endless,
    event,
    mute,
    refusing,
    replying,
    said,
    telling_the_key,
    then_mute,
    upstream,
)

KEY = "sk-very-secret-1234567890"
SENTENCE = re.compile(r"[A-Z].*[.?]", re.DOTALL)
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


@asynccontextmanager
async def asking(base_url: str, **settings: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with a server whose model is behind that address."""
    async with (
        serving(replace(Settings(port=0, model="m", base_url=base_url, model_s=30), **settings)) as url,
        aiohttp.ClientSession(url) as http,
    ):
        yield http


async def asked(http: aiohttp.ClientSession, prompt: str = "Hello?") -> dict[str, Any]:
    """The state of an answer to a prompt, once it has ended."""
    async with http.post("/answers", json={"prompt": prompt}) as response:
        assert response.status == 201, await response.text()
        document = await response.json()
    async with http.get(document["links"]["whole"]) as response:
        chunk = await response.json()
    async with http.get(f"/answers/{document['id']}") as response:
        return dict(await response.json()) | {"error": chunk.get("error")}


async def outcome(script: Script, **settings: Any) -> dict[str, Any]:
    """What became of an answer whose API does that."""
    async with upstream(script) as base_url, asking(base_url, **settings) as http:
        return await asked(http)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


# What is passed on.


@pytest.mark.parametrize("preset", ["edge", "count-to-100"])
async def test_a_model_that_is_another_server_of_ours_is_read_to_the_byte(
    name: str, client: Client, preset: str
) -> None:
    settings = Settings(port=0, first_token_ms=0, token_ms=0, model=preset)
    async with serving(settings) as first, asking(f"{first}/v1", model=preset) as http:
        async with http.post("/answers", json={"prompt": "Hello?"}) as response:
            links = (await response.json())["links"]
        chunks = await read(client, f"{str(http._base_url).rstrip('/')}{links[name]}")
    assert text(chunks) == PRESETS[preset].text
    assert chunks[-1].done == "finished"


async def test_roles_empty_deltas_and_usage_are_no_text_and_are_not_lost() -> None:
    role = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
    empty, null = said(""), said(None)
    usage = event({"choices": [], "usage": USAGE})
    answer = await outcome(replying(STREAM, role, empty, said("够"), null, said("钟"), said(None, "stop"), usage))
    assert (answer["text"], answer["reason"], answer["cursor"]) == ("够钟", "finished", 3)
    source = answer["source"]
    assert (source["model"], source["finish_reason"], source["usage"]) == ("m", "stop", USAGE)
    assert source["ttft_ms"] >= 0
    assert source["gap_ms"]["max"] >= source["gap_ms"]["p50"] >= 0


async def test_the_models_own_times_are_told_apart_from_those_of_a_transport() -> None:
    async def script(writer: asyncio.StreamWriter, _request: bytes) -> None:
        writer.write(STREAM + said(""))
        await asyncio.sleep(0.5)
        writer.write(said("够"))
        await writer.drain()
        await asyncio.sleep(0.5)
        writer.write(said("钟", "stop"))

    source = (await outcome(script))["source"]
    assert source["ttft_ms"] >= 400
    assert source["gap_ms"]["max"] >= 100


async def test_an_answer_that_was_cut_at_its_longest_is_finished_and_says_so() -> None:
    answer = await outcome(replying(STREAM, said("够", "length")))
    assert (answer["reason"], answer["source"]["finish_reason"]) == ("finished", "length")


async def test_the_question_arrives_as_it_was_asked_with_the_key_and_once() -> None:
    requests = []

    async def script(writer: asyncio.StreamWriter, request: bytes) -> None:
        requests.append(request)
        await refusing("500 Internal Server Error")(writer, request)

    await outcome(script)
    (request,) = requests
    assert f"authorization: bearer {KEY}".encode() in request.lower()
    assert b"accept-encoding: identity" in request.lower()
    assert b'"content":"Hello?"' in request
    assert b'"stream":true' in request


async def test_stopping_hangs_up_at_once() -> None:
    gone = asyncio.Event()

    async def script(writer: asyncio.StreamWriter, _request: bytes) -> None:
        writer.write(STREAM + said("够"))
        await writer.drain()
        try:
            while True:
                await asyncio.sleep(0.01)
                writer.write(b":\n\n")
                await writer.drain()
        except ConnectionError:
            gone.set()

    async with upstream(script) as base_url, asking(base_url) as http:
        async with http.post("/answers", json={"prompt": "Hello?"}) as response:
            links = await response.json()
        async with http.get(links["links"]["long_polling"]) as response:
            await response.read()
        async with http.delete(f"/answers/{links['id']}") as response:
            assert response.status == 204
        async with asyncio.timeout(10):
            await gone.wait()
        async with http.get(f"/answers/{links['id']}") as response:
            assert (await response.json())["reason"] == "stopped"


# Trouble.

BEFORE = {
    "a wrong request": (refusing("400 Bad Request"), "(400)"),
    "no key, or a wrong one": (refusing("401 Unauthorized"), "Set OPENAI_API_KEY"),
    "a key that may not": (refusing("403 Forbidden"), "(403)"),
    "another address, or no such model": (refusing("404 Not Found"), "--base-url"),
    "too many": (refusing("429 Too Many Requests", Retry_After="7"), "Try again in 7 seconds."),
    "too many, until some time": (refusing("429 Too Many Requests"), "Try again in a moment."),
    "no credit": (
        refusing("429 Too Many Requests", b'{"error":{"message":"no","code":"insufficient_quota"}}'),
        "no credit left",
    ),
    "a fault of its own": (refusing("500 Internal Server Error"), "out of order (500)"),
    "nobody behind its proxy": (refusing("503 Service Unavailable", Retry_After="1.5"), "Try again in 2 seconds."),
    "a teapot": (refusing("418 I'm a teapot"), "status 418"),
    "a redirect to itself": (refusing("307 Temporary Redirect", Location="/v1/chat/completions"), "status 307"),
    "a page": (replying(STREAM, b"<!doctype html><p>Welcome!"), "closed the connection before"),
    "what is no HTTP": (replying(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "or hung up"),
    "nothing at all": (replying(), "or hung up"),
    "what was compressed": (
        replying(STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), gzip.compress(said("x"))),
        "no model's answer",
    ),
    "an error that never ends": (
        endless(b"HTTP/1.1 400 No\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n", b"x" * 65536),
        "no model's answer",
    ),
}
AMID = {
    "a cut": (replying(STREAM.replace(b"Connection: close", b"Content-Length: 1000000"), said("够钟")), "hung up"),
    "an end without an end": (replying(STREAM, said("够钟")), "closed the connection before"),
    "silence": (then_mute(STREAM, said("够钟")), "has said nothing for 3 seconds"),
    "an error": (replying(STREAM, said("够钟"), event({"error": {"message": "oh", "code": None}})), "in the middle"),
    "text withheld": (replying(STREAM, said("够钟"), said(None, "content_filter")), "content_filter"),
    "what is no JSON": (replying(STREAM, said("够钟"), b"data: {oops\n\n"), "no model's answer"),
    "what is no UTF-8": (replying(STREAM, said("够钟"), b"data: \xff\xfe\n\n"), "no model's answer"),
    "a list": (replying(STREAM, said("够钟"), event([1, 2])), "no model's answer"),
    "no choices": (replying(STREAM, said("够钟"), event({"choices": None})), "no model's answer"),
    "a number for a text": (replying(STREAM, said("够钟"), said(7)), "no model's answer"),
    "half a character": (replying(STREAM, said("够钟"), said("\ud83d")), "no model's answer"),
    "JSON without a bottom": (
        replying(STREAM, said("够钟"), b"data: " + b"[" * 100_000 + b"\n\n"),
        "no model's answer",
    ),
    "a line without an end": (endless(STREAM + said("够钟") + b"data: ", b"x" * 65536), "no model's answer"),
}


@pytest.mark.parametrize(("script", "words"), BEFORE.values(), ids=BEFORE)
async def test_an_api_that_refuses_ends_the_answer_with_what_to_do(script: Script, words: str) -> None:
    answer = await outcome(script)
    assert (answer["reason"], answer["text"]) == ("failed", "")
    assert words in answer["error"]
    assert SENTENCE.fullmatch(answer["error"])


@pytest.mark.parametrize(("script", "words"), AMID.values(), ids=AMID)
async def test_what_was_typed_stays_when_an_api_breaks_off(script: Script, words: str) -> None:
    answer = await outcome(script, model_s=3 if "nothing for" in words else 30)
    assert (answer["reason"], answer["text"]) == ("failed", "够钟")
    assert words in answer["error"]
    assert SENTENCE.fullmatch(answer["error"])


async def test_nobody_at_the_address_is_told_with_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with asking(f"http://127.0.0.1:{port}/v1") as http:
            answer = await asked(http)
    assert answer["reason"] == "failed"
    assert f"http://127.0.0.1:{port}/v1 cannot be reached" in answer["error"]


async def test_an_api_that_says_nothing_is_given_up() -> None:
    answer = await outcome(mute, model_s=0.3)
    assert answer["reason"] == "failed"
    assert re.search(r"nothing for 0\.3 seconds|could not be reached in time", answer["error"])


async def test_an_answer_without_an_end_is_given_up_at_the_length_and_the_time_that_a_server_types_for() -> None:
    answer = await outcome(endless(STREAM, said("够" * 10)), max_answer=25)
    assert (answer["text"], answer["reason"]) == ("够" * 20, "failed")
    assert "longer than 25 characters" in answer["error"]
    answer = await outcome(endless(STREAM, said("")), max_answer_s=0.3)
    assert (answer["text"], answer["reason"]) == ("", "failed")
    assert "longer than 0.3 seconds" in answer["error"]


TELLING = {
    "a refusal": telling_the_key,
    "an error amid": replying(STREAM, said("x"), event({"error": {"message": KEY, "code": KEY, "type": KEY}})),
    "a reason": replying(STREAM, said("x", KEY), said(None, None, usage={f"{KEY}_tokens": 1, "total_tokens": KEY})),
}


@pytest.mark.parametrize("script", TELLING.values(), ids=TELLING)
async def test_no_reader_and_no_log_is_shown_the_key(
    script: Script, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    async with upstream(script) as base_url, asking(base_url, access_log=True) as http:
        answer = await asked(http)
        async with http.post("/v1/chat/completions", json={"model": "m", "messages": [USER]}) as response:
            told = await response.text()
        async with http.get("/") as response:
            told += await response.text()
    out, err = capfd.readouterr()
    assert "POST /v1/chat/completions" in err
    assert KEY not in f"{answer} {told} {caplog.text} {out} {err}"
    assert KEY not in repr(Settings(model="m"))


async def test_a_reason_or_a_count_that_is_none_hurts_nobody() -> None:
    odd = event({"choices": [], "usage": {"\ud83d_tokens": 1, "total_tokens": True, "prompt_tokens": 3}})
    answer = await outcome(replying(STREAM, said("够", "\ud83d"), odd))
    assert (answer["text"], answer["reason"]) == ("够", "finished")
    assert (answer["source"]["finish_reason"], answer["source"]["usage"]) == ("stop", {"prompt_tokens": 3})


async def test_a_proxy_is_not_asked_for_what_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await outcome(replying(STREAM, said("够", "stop"))))["text"] == "够"


async def test_a_redirect_takes_no_question_elsewhere() -> None:
    asked_elsewhere = []

    async def elsewhere(writer: asyncio.StreamWriter, request: bytes) -> None:
        asked_elsewhere.append(request)

    async with upstream(elsewhere) as other:
        answer = await outcome(refusing("307 Temporary Redirect", Location=f"{other}/chat/completions"))
    assert "status 307" in answer["error"]
    assert asked_elsewhere == []


USER = {"role": "user", "content": "Hello?"}


async def test_the_pages_of_an_answer_that_failed_say_it_on_every_transport(name: str) -> None:
    async with upstream(replying(STREAM, said("够"))) as base_url, asking(base_url) as http:
        async with http.post("/answers", json={"prompt": "Hello?"}) as response:
            links = (await response.json())["links"]
        chunks = await read(CLIENTS[name], f"{str(http._base_url).rstrip('/')}{links[name]}")
    assert chunks[-1].done == "failed"
    assert "closed the connection" in str(chunks[-1].error)
    assert text(chunks) == "够"


# The pure parts.

KEYS = ["choices", "delta", "content", "finish_reason", "usage", "prompt_tokens", "role", "id"]

ANY_TEXT = st.text(st.characters(codec=None, categories=["L", "N", "P", "Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(
    JSON | st.fixed_dictionaries({"choices": st.lists(st.fixed_dictionaries({"delta": JSON, "finish_reason": JSON}))})
)
def test_whatever_json_comes_is_a_text_or_nonsense(document: Any) -> None:
    chunk = construct_type(type_=ChatCompletionChunk, value=document)
    try:
        found, more = part(chunk)
    except (Nonsense, UnicodeEncodeError):
        return
    assert isinstance(found, str)
    assert more.keys() <= {"finish_reason", "usage"}
    to_json(more)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [("3", "in 3 seconds"), ("0", "in 0 seconds"), ("2.5", "in 3 seconds"), ("", "in a moment"), ("-1", "in a moment")]
    + [("Fri, 31 Dec 1999 23:59:59 GMT", "in a moment"), ("9" * 20, "in a moment"), ("nan", "in a moment")],
)
def test_when_to_try_again_is_told_in_seconds(header: str, sentence: str) -> None:
    assert sentence in again(header)


def test_the_address_of_an_api_is_told_without_what_is_nobodys_business() -> None:
    assert (
        place("https://me:secret@api.example.com:8443/v1/?key=secret")
        == "The model's API at https://api.example.com:8443/v1"
    )


def test_nothing_that_an_api_says_is_in_any_sentence_about_it() -> None:
    for sentence in (*openai.REFUSED.values(), *openai.CODES.values(), openai.BROKEN, openai.STRANGE):
        assert set(re.findall(r"\{(\w+)\}", sentence)) <= {"place", "model", "status", "when"}
