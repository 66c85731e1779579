"""Padding. The one thing to notice: what arrives is the same, and what crosses the wire tells no lengths."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.session import read, variants
from server.answer import Chunk
from server.app import serving
from server.padding import padded
from server.settings import Settings
from server.transports import TRANSPORTS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
VARIANTS = {variant.transport: variant for variant in variants()}


def frame_of(name: str) -> Callable[[Chunk], bytes]:
    frame: Callable[[Chunk], bytes] = import_module(f"server.transports.{name}").frame
    return frame


@given(text=TEXTS, cursor=st.integers(0, 10**9), bucket=st.sampled_from([1, 7, 64, 512]))
@pytest.mark.parametrize("name", TRANSPORTS)
def test_a_padded_frame_fills_its_bucket_and_loses_nothing(name: str, text: str, cursor: int, bucket: int) -> None:
    frame = frame_of(name)(Chunk(cursor, text))
    filled = padded(frame, bucket)
    assert len(filled) % bucket == 0
    assert len(frame) <= len(filled) < len(frame) + bucket
    added = len(filled) - len(frame)
    end = frame.rindex(b"}") + 1
    assert filled == frame[:end] + b" " * added + frame[end:]


def test_without_a_bucket_nothing_is_added(name: str) -> None:
    frame = frame_of(name)(Chunk(1, "够"))
    assert padded(frame, 0) is frame


@pytest.mark.parametrize("bucket", [64, 512])
async def test_the_exact_text_arrives_padded(settings: Settings, name: str, bucket: int) -> None:
    async with serving(replace(settings, pad_bytes=bucket)) as url, aiohttp.ClientSession(url) as http:
        async with http.post("/answers", json={"preset": "edge"}) as response:
            links = (await response.json())["links"]
        reading = await read(VARIANTS[name], url + links[name])
    assert reading.whole


async def test_the_bodies_of_polls_are_of_one_length_with_news_and_without(settings: Settings) -> None:
    lengths = set()
    async with serving(replace(settings, pad_bytes=128)) as url, aiohttp.ClientSession(url) as http:
        async with http.post(
            "/answers", json={"text": "a bb ccc dddd", "unit": "word", "token_ms": 60_000}
        ) as response:
            link = (await response.json())["links"]["polling"]
        for _ in range(3):
            async with http.get(link) as response:
                lengths.add(len(await response.read()))
    assert lengths == {128}


async def test_bare_text_has_no_place_for_padding_and_says_so(settings: Settings) -> None:
    async with (
        serving(replace(settings, pad_bytes=64)) as url,
        aiohttp.ClientSession(url) as http,
        http.get("/sse?format=plain") as response,
    ):
        assert response.status == 400
        assert "--pad-bytes" in (await response.json(content_type=None))["detail"]
