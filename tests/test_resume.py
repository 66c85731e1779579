"""Readers that are cut and go on. The one thing to notice: a fake client shows every cut there can be, in no time."""

import asyncio
import hashlib
import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import resume
from clients.chunk import CUT, Chunk, Client, Malformed, Refused, StreamError
from clients.course import ATTEMPTS, PATIENCE_S, STABLE_S, Course, Trouble
from clients.resume import FIRST_PAUSE, LONGEST_PAUSE, pause, resuming
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


async def test_each_cut_is_counted_into_the_pause_though_there_was_progress_in_between(failures: list[int]) -> None:
    await read(resuming(Fake([0, 0, 1, 0, 1, 1])))
    assert failures == [1, 2, 3, 4, 5, 6]


@given(st.integers(1, 3 * ATTEMPTS))
def test_a_pause_is_anywhere_up_to_a_bound_that_doubles(cuts: int) -> None:
    least, bound = (0 if cuts < 3 else FIRST_PAUSE), min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (cuts - 1))
    pauses = [pause(cuts) for _ in range(200)]
    assert all(least <= seconds <= bound for seconds in pauses)
    assert min(pauses) < least + (bound - least) / 4  # "full" jitter: a share of it as low as any other
    assert max(pauses) > least + (bound - least) * 3 / 4


def test_the_bound_doubles_up_to_the_longest_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)
    assert [pause(cuts) for cuts in range(1, 8)] == [0.5, 1, 2, 4, 8, 15, 15]
    assert pause(10**6) == LONGEST_PAUSE


# The same without a connection: only what is decided, and a clock that does not run.

CONNECTIONS = st.lists(
    st.tuples(
        st.integers(0, 3),  # chunks that it brings
        st.floats(0, 0.2) | st.floats(0, 3 * STABLE_S),  # how long it lasts
        st.none() | st.floats(0, PATIENCE_S),  # what the server asks for
    ),
    max_size=60,
)


def life(connections: list[tuple[int, float, float | None]]) -> list[tuple[float, float, float, int]]:
    """When each connection of one reader is asked for, when it breaks, what is waited, and which cut it counts as."""
    course, now, seen = Course(0), 0.0, []
    for chunks, lasts, retry_s in connections:
        asked = now
        for _ in range(chunks):
            course.hear(now)
            course.take(Chunk(course.cursor + 1, "a"))
        now += lasts
        try:
            course.fail(StreamError(CUT, retry_s), now)
        except StreamError:
            break
        wait = (retry_s or 0) + pause(course.cuts)
        seen.append((asked, now, wait, course.cuts))
        now += wait
    return seen


@given(CONNECTIONS)
def test_no_more_than_two_requests_in_the_first_half_second_after_a_cut(
    connections: list[tuple[int, float, float | None]],
) -> None:
    with patch.object(random, "uniform", lambda low, _high: low):  # however the dice fall
        seen = life(connections)
    for at, (_, cut, _, _) in enumerate(seen):
        assert sum(asked < cut + 0.5 for asked, _, _, _ in seen[at + 1 :]) <= 2


@given(CONNECTIONS)
def test_the_pause_grows_until_a_connection_was_stable(connections: list[tuple[int, float, float | None]]) -> None:
    expected = 0
    for (chunks, _, _), (asked, cut, _, cuts) in zip(connections, life(connections), strict=False):
        expected = 1 if chunks and cut - asked >= STABLE_S else expected + 1
        assert cuts == expected


@given(CONNECTIONS)
def test_ten_failures_in_a_row_without_progress_are_the_end_and_no_others_are(
    connections: list[tuple[int, float, float | None]],
) -> None:
    seen, in_a_row = life(connections), 0
    for at, (chunks, _, _) in enumerate(connections):
        in_a_row = 1 if chunks else in_a_row + 1
        if in_a_row == ATTEMPTS:
            assert len(seen) == at
            return
    assert len(seen) == len(connections)


def test_what_the_server_asks_for_is_waited_and_more_than_that() -> None:
    for retry_s in (0.0, 1.0, PATIENCE_S):
        waits = [life([(0, 0.0, retry_s)])[0][2] for _ in range(50)]
        assert min(waits) >= retry_s
        assert len(set(waits)) > 1


def test_a_server_that_wants_us_back_much_later_has_said_no() -> None:
    with pytest.raises(StreamError, match="in a year"):
        Course(0).fail(StreamError("Come back in a year.", 365 * 86400), 0)


async def test_the_wait_is_what_the_server_asked_for_and_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []
    sleep = asyncio.sleep

    async def no_sleep(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", no_sleep)

    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        if len(waits) < 2:
            raise StreamError("Not now.", retry_s=7 + len(waits))
        yield Chunk(1, "", "finished")

    await read(resuming(client))
    assert waits == [7, 8]


async def test_what_is_not_in_the_format_is_final(failures: list[int]) -> None:
    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        yield Chunk(1, "够")
        raise Malformed("The server sent what is not JSON.")

    with pytest.raises(Malformed):
        await read(resuming(client))
    assert failures == []


async def test_nothing_left_to_read_is_no_end_for_a_reader_that_has_read_none() -> None:
    async def client(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
        if not cursor:
            yield Chunk(1, "够")
            raise StreamError(CUT)

    with pytest.raises(StreamError, match="broke off before its end"):
        await read(resuming(client))
    assert await read(resuming(client), cursor=1) == []


async def test_trouble_is_told_after_each_failure_and_when_it_is_over() -> None:
    told: list[Trouble] = []
    await read(resuming(Fake([2, 0, 0, 1]), told.append))
    assert [(trouble.cursor, trouble.failures, trouble.back) for trouble in told] == [
        (2, 1, False),
        (2, 2, False),
        (2, 3, False),
        (2, 3, True),
        (3, 1, False),
        (3, 1, True),
    ]
    assert all(trouble.seconds >= 0 for trouble in told)


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
