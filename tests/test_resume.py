"""Readers that are cut and go on. The one thing to notice: a fake client shows every cut there can be, in no time."""

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import resume
from clients.chunk import CUT, Chunk, Client, Refused, StreamError
from clients.resume import ATTEMPTS, FIRST_PAUSE, LONGEST_PAUSE, pause, resuming
from server.sources.presets import EDGE
from server.sources.typewriter import split
from tests.conftest import Start

TOKENS = split("够钟下班啦, done! 👨‍👩‍👧", "grapheme")
URL = "http://127.0.0.1/answers/0/fake"
SOONER_OR_LATER = 10 * ATTEMPTS
"""Requests after which a reader that does not give up never will."""


@pytest.fixture(autouse=True)
def failures(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The failures in a row at each pause; the pauses themselves are left out."""
    counted: list[int] = []

    def no_pause(failures: int) -> float:
        counted.append(failures)
        return 0

    monkeypatch.setattr(resume, "pause", no_pause)
    return counted


class Fake:
    """A client of an imaginary server; its n-th request gets `ends[n]` chunks before it is cut, later ones all.

    With `back`, each request is served from that many tokens before the cursor, as a careless server might.
    """

    def __init__(self, ends: Iterable[int], back: int = 0) -> None:
        self.ends, self.back = list(ends), back
        self.cursors: list[int] = []

    async def __call__(self, url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        assert url == URL
        self.cursors.append(cursor)
        assert len(self.cursors) < SOONER_OR_LATER, "it does not give up"
        start = max(0, cursor - self.back)
        chunks = [Chunk(at + 1, TOKENS[at]) for at in range(start, len(TOKENS))]
        chunks.append(Chunk(len(TOKENS) + 1, "", "finished", "digest"))
        cut = self.ends[len(self.cursors) - 1] if len(self.cursors) <= len(self.ends) else len(chunks)
        for chunk in chunks[:cut]:
            yield chunk
        if cut < len(chunks):
            raise StreamError(CUT)


async def read(client: Client, url: str = URL, cursor: int = 0) -> list[Chunk]:
    """Every chunk."""
    async with aclosing(client(url, cursor)) as chunks:
        return [chunk async for chunk in chunks]


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def always(*chunks: Chunk) -> Client:
    """A client that gets `chunks` and is cut, again and again."""
    requests = 0

    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        nonlocal requests
        requests += 1
        assert requests < SOONER_OR_LATER, "it does not give up"
        for chunk in chunks:
            yield chunk
        raise StreamError(f"request {requests} broke")

    return client


async def test_a_client_that_is_never_cut_is_read_as_it_is(failures: list[int]) -> None:
    fake = Fake([])
    assert await read(resuming(fake)) == await read(Fake([]))
    assert (fake.cursors, failures) == ([0], [])


@pytest.mark.parametrize("cut", range(len(TOKENS) + 1))
async def test_a_cut_after_any_chunk_loses_and_repeats_nothing(cut: int) -> None:
    fake = Fake([cut])
    chunks = await read(resuming(fake))
    assert [chunk.text for chunk in chunks] == [*TOKENS, ""]
    assert [chunk.done for chunk in chunks] == [None] * len(TOKENS) + ["finished"]
    assert fake.cursors == [0, cut]


async def test_a_cut_after_every_chunk_loses_and_repeats_nothing() -> None:
    fake = Fake([1] * len(TOKENS))
    assert [chunk.text for chunk in await read(resuming(fake))] == [*TOKENS, ""]
    assert fake.cursors == list(range(len(TOKENS) + 1))


@given(st.lists(st.integers(1, 5), max_size=20), st.integers(0, len(TOKENS)))
async def test_cuts_anywhere_from_any_cursor_lose_and_repeat_nothing(cuts: list[int], cursor: int) -> None:
    assert text(await read(resuming(Fake(cuts)), cursor=cursor)) == "".join(TOKENS[cursor:])


@pytest.mark.parametrize("back", [1, 3, 100])
async def test_what_arrives_twice_is_dropped(back: int) -> None:
    fake = Fake([2, back + 2, back + 3], back=back)
    chunks = await read(resuming(fake))
    assert text(chunks) == "".join(TOKENS)
    assert [chunk.cursor for chunk in chunks] == list(range(1, len(TOKENS) + 2))


async def test_a_heartbeat_from_behind_does_not_move_the_cursor_back() -> None:
    asked = []

    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        asked.append(cursor)
        if len(asked) == 1:
            yield Chunk(2, "够钟")
            yield Chunk(1, "")
            raise StreamError(CUT)
        yield Chunk(3, "", "finished")

    assert text(await read(resuming(client))) == "够钟"
    assert asked == [0, 2]


async def test_heartbeats_are_passed_on() -> None:
    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        yield Chunk(cursor, "")
        yield Chunk(cursor, "")
        yield Chunk(cursor + 1, "", "finished")

    assert [chunk.cursor for chunk in await read(resuming(client))] == [0, 0, 1]


async def test_a_refusal_is_final(failures: list[int]) -> None:
    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        if cursor:
            raise Refused(404, "There is no answer of this id.")
        yield Chunk(1, "够")
        raise StreamError(CUT)

    with pytest.raises(Refused, match="no answer of this id") as refusal:
        await read(resuming(client))
    assert refusal.value.status == 404
    assert len(failures) == 1


async def test_an_error_of_our_own_is_not_taken_for_a_cut(failures: list[int]) -> None:
    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        yield Chunk(1, "够")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read(resuming(client))
    assert failures == []


async def test_it_gives_up_with_the_last_error_after_so_many_cuts_without_any_chunk(failures: list[int]) -> None:
    with pytest.raises(StreamError, match=f"request {ATTEMPTS} broke"):
        await read(resuming(always()))
    assert len(failures) == ATTEMPTS - 1


async def test_a_chunk_without_text_is_no_progress() -> None:
    with pytest.raises(StreamError, match=f"request {ATTEMPTS} broke"):
        await read(resuming(always(Chunk(0, ""))))


async def test_a_chunk_that_was_seen_before_is_no_progress() -> None:
    with pytest.raises(StreamError, match=f"request {ATTEMPTS} broke"):
        await read(resuming(always(Chunk(1, "够"))))


async def test_progress_starts_the_count_again() -> None:
    first, later = [0] * (ATTEMPTS - 1), [0] * (ATTEMPTS - 2)  # the cut after a chunk counts, too
    fake = Fake([*first, 1, *later, 1, *later])
    assert text(await read(resuming(fake))) == "".join(TOKENS)


async def test_each_failure_in_a_row_is_counted_into_the_pause(failures: list[int]) -> None:
    await read(resuming(Fake([0, 0, 1, 0, 1, 1])))
    assert failures == [1, 2, 1, 2, 1, 1]


@given(st.integers(1, ATTEMPTS))
def test_a_pause_is_anywhere_from_nothing_to_a_bound_that_doubles(failures: int) -> None:
    bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1))
    pauses = [pause(failures) for _ in range(200)]
    assert all(0 <= seconds <= bound for seconds in pauses)
    assert min(pauses) < bound / 4  # "full" jitter: a share of the bound as low as any other
    assert max(pauses) > bound * 3 / 4


def test_the_bound_doubles_up_to_the_longest_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)
    assert [pause(failures) for failures in range(1, 8)] == [0.5, 1, 2, 4, 8, 15, 15]


async def test_requests_are_counted_over_reconnects_of_a_stream() -> None:
    chunks = await read(resuming(Fake([2, 1, 0, 0, 3])))
    assert [chunk.request for chunk in chunks[:7]] == [1, 1, 2, 5, 5, 5, 6]


async def test_requests_are_counted_over_reconnects_of_a_client_that_polls() -> None:
    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        yield Chunk(cursor + 1, "a", request=1)
        yield Chunk(cursor + 2, "b", request=2)
        if cursor == 0:
            raise StreamError(CUT)
        yield Chunk(cursor + 3, "", "finished", request=3)

    assert [chunk.request for chunk in await read(resuming(client))] == [1, 2, 3, 4, 5]


async def test_leaving_early_closes_the_client_within() -> None:
    closed = asyncio.Event()

    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        try:
            while True:
                cursor += 1
                yield Chunk(cursor, "够")
        finally:
            closed.set()

    async with aclosing(resuming(client)(URL)) as chunks:
        assert (await anext(chunks)).text == "够"
    assert closed.is_set()


async def test_a_real_reader_that_is_cut_after_every_chunk_loses_nothing(
    name: str, client: Client, start: Start
) -> None:
    async def cut(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        async with aclosing(client(url, cursor)) as chunks:
            async for chunk in chunks:
                yield chunk
                if chunk.text and not chunk.done:
                    raise StreamError(CUT)

    url = (await start(text=EDGE, token_ms=1))[name]
    chunks = await read(resuming(cut), url)
    assert text(chunks) == EDGE
    assert chunks[-1].done == "finished"
    assert chunks[-1].sha256 == hashlib.sha256(EDGE.encode()).hexdigest()
