"""`/v1`: OpenAI's own SDK reads this server's models as it reads OpenAI's, streamed or not, and understands each no."""

import asyncio
import hashlib
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI

from server.answer import Chunk
from server.app import serving
from server.completion import Completion, Wrong, asked
from server.models import PACE
from server.settings import Settings
from server.sources.presets import PRESETS
from tests.system import require
from tests.test_contract import eventually
from tests.upstream import STREAM, refusing, replying, said, upstream

USER: Any = {"role": "user", "content": "How do you do?"}
BRIEF: Any = {"role": "system", "content": "Be brief."}
JSON = {"Content-Type": "application/json"}
FAST = {"first_token_ms": 0, "token_ms": 0}
ROOT = Path(__file__).parent.parent
COMPLETIONS = "/v1/chat/completions"


@pytest.fixture
async def sdk(server: str) -> AsyncIterator[AsyncOpenAI]:
    """The SDK, pointed at a server of ours."""
    async with AsyncOpenAI(api_key="any", base_url=f"{server}/v1", max_retries=0) as client:
        yield client


async def typing(http: aiohttp.ClientSession) -> int:
    """How many answers are being written."""
    async with http.get("/healthz") as response:
        return int((await response.json())["typing"])


@pytest.mark.parametrize("preset", PRESETS)
async def test_the_sdk_streams_every_scripted_answer_to_the_byte(sdk: AsyncOpenAI, preset: str) -> None:
    stream = await sdk.chat.completions.create(model=preset, messages=[USER], stream=True, extra_body=FAST)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == PRESETS[preset].text
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert {(chunk.model, chunk.object) for chunk in chunks} == {(preset, "chat.completion.chunk")}
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("preset", PRESETS)
async def test_the_sdk_gets_every_scripted_answer_whole(sdk: AsyncOpenAI, preset: str) -> None:
    reply = await sdk.chat.completions.create(model=preset, messages=[USER], extra_body=FAST)
    assert reply.choices[0].message.content == PRESETS[preset].text
    assert (reply.choices[0].finish_reason, reply.object) == ("stop", "chat.completion")
    assert reply.usage
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


async def test_usage_comes_last_and_only_when_it_is_asked_for(sdk: AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="off-work", messages=[USER], stream=True, stream_options={"include_usage": True}, extra_body=FAST
    )
    *chunks, last = [chunk async for chunk in stream]
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks)
    assert last.choices == []
    assert last.usage
    assert (last.usage.completion_tokens, last.usage.prompt_tokens) == (5, 4)


async def test_an_answer_is_cut_at_max_tokens(sdk: AsyncOpenAI) -> None:
    for limit in ({"max_tokens": 2}, {"max_completion_tokens": 2}):
        fields: dict[str, Any] = limit
        reply = await sdk.chat.completions.create(model="off-work", messages=[USER], extra_body=FAST, **fields)
        assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("够钟", "length")
        assert reply.usage
        assert reply.usage.completion_tokens == 2


async def test_the_models_are_listed_and_found(sdk: AsyncOpenAI) -> None:
    assert [model.id async for model in sdk.models.list()] == list(PRESETS)
    assert (await sdk.models.retrieve("english")).id == "english"
    with pytest.raises(openai.NotFoundError):
        await sdk.models.retrieve("gpt")


@pytest.mark.parametrize("settings", [Settings(port=0, model="english", first_token_ms=0, token_ms=0)])
async def test_the_servers_own_model_is_the_first(sdk: AsyncOpenAI) -> None:
    assert [model.id async for model in sdk.models.list()][0] == "english"


@pytest.mark.parametrize("settings", [Settings(port=0, token="0123456789abcdef")])  # noqa: S106
async def test_the_access_token_is_the_key(server: str) -> None:
    async with AsyncOpenAI(api_key="0123456789abcdef", base_url=f"{server}/v1", max_retries=0) as client:
        reply = await client.chat.completions.create(model="off-work", messages=[USER], extra_body=FAST)
        assert reply.choices[0].message.content == "够钟下班啦"
    async with AsyncOpenAI(api_key="another", base_url=f"{server}/v1", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model="off-work", messages=[USER])


# What is refused.

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown model": ({"model": "gpt"}, "model"),
    "no model": ({"model": None}, "model"),
    "no messages": ({"messages": []}, "messages"),
    "a message without a role": ({"messages": [{"content": "x"}]}, "messages[0]"),
    "a picture": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "messages[0].content",
    ),
    "half a character": ({"messages": [{"role": "user", "content": "\ud83d"}]}, "messages[0].content"),
    "too much": ({"messages": [{"role": "user", "content": "x" * 20_001}]}, "messages"),
    "two answers": ({"n": 2}, "n"),
    "probabilities": ({"logprobs": True}, "n"),
    "a stream that is none": ({"stream": "yes"}, "stream"),
    "options of no stream": ({"stream_options": {"include_usage": True}}, "stream_options"),
    "no tokens": ({"max_tokens": 0}, "max_tokens"),
    "true tokens": ({"max_completion_tokens": True}, "max_completion_tokens"),
    "tools": ({"tools": []}, "tools"),
    "what nobody knows": ({"colour": "red"}, "colour"),
    "a message with more in it": ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "messages[0]"),
}


@pytest.mark.parametrize(("fields", "param"), WRONG.values(), ids=WRONG)
async def test_a_wrong_field_is_refused_by_its_name_in_the_shape_of_the_api(
    fields: dict[str, Any], param: str, http: aiohttp.ClientSession
) -> None:
    body = {"model": "off-work", "messages": [USER]} | fields
    async with http.post(COMPLETIONS, json=body) as response:
        error = (await response.json())["error"]
        assert response.status == (404 if "gpt" in str(fields) else 400)
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert error["message"].endswith(".")
    assert await typing(http) == 0


@pytest.mark.parametrize(("fields", "status"), [({"token_ms": -1}, 400), ({"token_ms": "soon"}, 400)])
async def test_a_pace_that_is_none_is_refused(fields: dict[str, Any], status: int, http: aiohttp.ClientSession) -> None:
    async with http.post(COMPLETIONS, json={"model": "off-work", "messages": [USER], **fields}) as response:
        assert response.status == status
        assert "token_ms" in (await response.json())["error"]["message"]


async def test_every_other_refusal_below_v1_has_that_shape_too(http: aiohttp.ClientSession) -> None:
    for asking, status in [
        (http.post(COMPLETIONS, data=b"{", headers=JSON), 400),
        (http.post(COMPLETIONS, data=b"{}", headers={"Content-Type": "text/plain"}), 415),
        (http.get(COMPLETIONS), 405),
        (http.get("/v1/nothing"), 404),
        (http.post(COMPLETIONS, data=b'{"\\ud83d": 1}', headers=JSON), 400),
        (http.post(COMPLETIONS, data=b'{"temperature": NaN}', headers=JSON), 400),
        (http.post(COMPLETIONS, json={}, headers={"Origin": "http://evil.example"}), 403),
    ]:
        async with asking as response:
            assert response.status == status
            assert set((await response.json())["error"]) == {"message", "type", "param", "code"}


async def test_a_null_is_a_field_that_was_not_sent(http: aiohttp.ClientSession) -> None:
    fields = {"temperature": None, "stop": None, "stream": None, "n": None, "max_tokens": None, "tools": None}
    async with http.post(COMPLETIONS, json={"model": "off-work", "messages": [USER], **FAST, **fields}) as response:
        assert response.status == 200


# Whose answer it is.


@pytest.mark.parametrize("stream", [True, False])
async def test_who_hangs_up_stops_the_answer(stream: bool, http: aiohttp.ClientSession) -> None:
    fields = {"model": "typewriter", "messages": [USER], "stream": stream, "first_token_ms": 0, "token_ms": 10_000}
    asking = asyncio.create_task(http.post(COMPLETIONS, json=fields).__aenter__())

    async def begun() -> bool:
        return await typing(http) == 1

    await eventually(begun)
    if stream:
        (await asking).close()
    asking.cancel()

    async def over() -> bool:
        return await typing(http) == 0

    await eventually(over)


async def test_an_answer_that_somebody_stopped_is_not_taken_for_whole(
    sdk: AsyncOpenAI, http: aiohttp.ClientSession
) -> None:
    slow = {"first_token_ms": 0, "token_ms": 1000}
    stream = await sdk.chat.completions.create(model="english", messages=[USER], stream=True, extra_body=slow)
    first = await anext(stream)
    async with http.delete(f"/answers/{first.id.removeprefix('chatcmpl-')}") as response:
        assert response.status == 204

    async def hear() -> None:
        async for _ in stream:
            pass

    with pytest.raises(openai.APIError, match="was stopped"):
        await hear()


async def test_it_is_an_answer_like_all_others(sdk: AsyncOpenAI, http: aiohttp.ClientSession) -> None:
    reply = await sdk.chat.completions.create(model="off-work", messages=[USER], extra_body=FAST)
    path = f"/answers/{reply.id.removeprefix('chatcmpl-')}"
    async with http.get(path) as response:
        assert (await response.json())["text"] == "够钟下班啦"
    async with http.get(f"{path}/ledger") as response:
        (row,) = (await response.json())["rows"]
    assert (row["transport"], row["requests"], row["tokens"]) == ("completions", 1, 5)
    assert row["bytes_down"] > len(reply.model_dump_json()) / 2


async def test_a_full_server_says_so(settings: Settings) -> None:
    async with (
        serving(replace(settings, max_answers=1, token_ms=1000)) as url,
        AsyncOpenAI(api_key="any", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        held = await client.chat.completions.create(model="english", messages=[USER], stream=True)
        with pytest.raises(openai.RateLimitError, match="still being typed"):
            await client.chat.completions.create(model="english", messages=[USER])
        await held.close()


# A real model behind it.


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_a_models_answer_is_passed_on_with_its_own_count_and_with_what_was_asked(limit: str) -> None:
    requests = []
    usage = {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33}

    async def script(writer: asyncio.StreamWriter, request: bytes) -> None:
        requests.append(json.loads(request.partition(b"\r\n\r\n")[2]))
        await replying(STREAM, said("够"), said("钟", "length"), said(None, None, usage=usage))(writer, request)

    async with (
        upstream(script) as base_url,
        serving(Settings(port=0, model="m", base_url=base_url)) as url,
        AsyncOpenAI(api_key="any", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        fields: dict[str, Any] = {"model": "m", "messages": [BRIEF, USER], "temperature": 0.5, limit: 2}
        reply = await client.chat.completions.create(**fields)
        with pytest.raises(openai.BadRequestError, match="token_ms"):  # a script has a pace, and a model its own
            await client.chat.completions.create(**fields, extra_body={"token_ms": 5})
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("够钟", "length")
    assert reply.usage
    assert reply.usage.to_dict() == usage
    (request,) = requests
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert (request["temperature"], request[limit]) == (0.5, 2)


async def test_a_model_that_counts_nothing_has_no_usage() -> None:
    async with (
        upstream(replying(STREAM, said("够", "stop"))) as base_url,
        serving(Settings(port=0, model="m", base_url=base_url)) as url,
        AsyncOpenAI(api_key="any", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        assert (await client.chat.completions.create(model="m", messages=[USER])).usage is None


@pytest.mark.parametrize("stream", [True, False])
async def test_trouble_before_the_first_token_is_a_status(stream: bool) -> None:
    async with (
        upstream(refusing("401 Unauthorized")) as base_url,
        serving(Settings(port=0, model="m", base_url=base_url)) as url,
        AsyncOpenAI(api_key="any", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        with pytest.raises(openai.InternalServerError, match="Set OPENAI_API_KEY") as error:
            await client.chat.completions.create(model="m", messages=[USER], stream=stream)
        assert error.value.status_code == 502


async def test_trouble_amid_a_stream_is_an_event_that_the_sdk_raises() -> None:
    async with (
        upstream(replying(STREAM, said("够"))) as base_url,
        serving(Settings(port=0, model="m", base_url=base_url)) as url,
        AsyncOpenAI(api_key="any", base_url=f"{url}/v1", max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(model="m", messages=[USER], stream=True)
        texts: list[str | None] = []

        async def hear() -> None:
            async for chunk in stream:
                texts.append(chunk.choices[0].delta.content)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(openai.APIError, match="closed the connection before"):
            await hear()
        assert "".join(filter(None, texts)) == "够"


# Pure.

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["model", "messages", "stream", "stream_options", "n", "max_tokens", "stop", "x"])


@given(st.dictionaries(NAMES, VALUES))
def test_whatever_is_asked_is_understood_or_refused_by_name(fields: dict[str, Any]) -> None:
    try:
        found = asked(fields, PACE)
    except Wrong as refusal:
        wrong = refusal
    else:
        assert all(isinstance(message["content"], str) for message in found.messages)
        return
    assert wrong.param
    assert wrong.status == 400


@given(st.lists(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])), max_size=5))
def test_the_frames_of_an_answer_hold_its_text_whatever_is_in_it(tokens: list[str]) -> None:
    completion, frames = Completion("id", 0, "m"), b""
    for cursor, token in enumerate(tokens, 1):
        frames += completion.frame(Chunk(cursor, token), None, {})
    digest = hashlib.sha256("".join(tokens).encode()).hexdigest()
    frames += completion.frame(Chunk(len(tokens) + 1, "", "finished", digest), None, {})
    *events, done, rest = frames.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    texts = [json.loads(event[6:])["choices"][0]["delta"].get("content", "") for event in events]
    assert "".join(texts) == "".join(tokens)


# Others' SDKs, and the documentation's own script.


async def said_by(*command: str | Path) -> str:
    """What a program prints that succeeds."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_script_of_the_documentation_streams_the_answer(server: str) -> None:
    script = ROOT / "docs" / "stream.py"
    assert len(list(filter(None, script.read_text(encoding="utf-8").splitlines()))) <= 10
    assert (await said_by(sys.executable, script, f"{server}/v1")).strip() == PRESETS["typewriter"].text


async def test_the_sdk_for_node_streams_the_answer_too(server: str) -> None:
    require("npm")
    found = json.loads(await said_by("node", ROOT / "tests" / "node" / "stream.mjs", f"{server}/v1"))
    assert found == {"text": PRESETS["edge"].text, "usage": True, "code": "model_not_found"}
