"""The log itself, without any server. The one thing to notice: no test needs to know how many readers there are."""

import asyncio
import hashlib
import time
from contextlib import aclosing

import pytest

from server.answer import READ_LIMIT, Answer, Chunk
from server.sources.presets import EDGE


def written(*tokens: str) -> Answer:
    """An answer that holds `tokens` and goes on."""
    answer = Answer("an-id")
    for token in tokens:
        answer.append(token)
    return answer


def ended(*tokens: str) -> Answer:
    """An answer that holds `tokens` and its end."""
    answer = written(*tokens)
    answer.end("finished")
    return answer


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def followed(answer: Answer, cursor: int = 0) -> list[Chunk]:
    """Every chunk from `cursor` to the end."""
    return [chunk async for chunk in answer.follow(cursor)]


async def test_a_read_joins_what_came_after_the_cursor() -> None:
    answer = written("够", "钟", "下")
    assert answer.read(0) == Chunk(3, "够钟下")
    assert answer.read(2) == Chunk(3, "下")


async def test_a_read_without_news_is_an_empty_chunk_at_the_same_cursor() -> None:
    assert written("够").read(1) == Chunk(1, "")
    assert written().read(0) == Chunk(0, "")


@pytest.mark.parametrize("cursor", [-1, 3, 10**12])
async def test_a_cursor_that_was_never_given_out_raises(cursor: int) -> None:
    with pytest.raises(IndexError, match=f"cursor {cursor} is outside this answer, whose newest cursor is 2"):
        written("够", "钟").read(cursor)


async def test_the_end_is_an_entry_of_its_own() -> None:
    answer = ended("够", "钟")
    assert answer.cursor == 3
    assert answer.read(0) == Chunk(3, "够钟", "finished", digest("够钟"))
    assert answer.read(2) == Chunk(3, "", "finished", digest("够钟"))
    assert answer.text == "够钟"


async def test_an_answer_without_tokens_still_has_its_end() -> None:
    assert ended().read(0) == Chunk(1, "", "finished", digest(""))


async def test_the_digest_covers_the_whole_answer_also_for_one_who_reads_its_last_part() -> None:
    tokens = [EDGE[at : at + 3] for at in range(0, len(EDGE), 3)]
    answer = ended(*tokens)
    assert answer.read(len(tokens) - 1).sha256 == digest(EDGE)


async def test_only_the_first_end_counts() -> None:
    answer = written("够")
    answer.end("failed", "It broke.")
    answer.end("finished")
    answer.end("stopped", "Again.")
    assert answer.cursor == 2
    assert answer.read(0) == Chunk(2, "够", "failed", digest("够"), "It broke.")


async def test_nothing_can_be_written_after_the_end() -> None:
    answer = ended("够")
    with pytest.raises(RuntimeError, match="already finished"):
        answer.append("钟")
    assert answer.read(0) == Chunk(2, "够", "finished", digest("够"))


@pytest.mark.parametrize("token", ["\ud83d", "good\udc00", "\udfff" * 2])
async def test_half_a_character_is_refused_and_leaves_the_log_as_it_was(token: str) -> None:
    answer = written("够")
    with pytest.raises(UnicodeEncodeError):
        answer.append(token)
    assert answer.read(0) == Chunk(1, "够")
    answer.end("finished")
    assert answer.read(0).sha256 == digest("够")


async def test_an_empty_token_is_no_entry() -> None:
    answer = written("", "够", "")
    assert answer.cursor == 1


async def test_a_read_is_bounded_and_the_next_one_goes_on_from_there() -> None:
    tokens = ["x" * 1000] * 40
    answer = ended(*tokens)
    chunks, cursor = [], 0
    while not answer.past_end(cursor):
        chunks.append(answer.read(cursor))
        cursor = chunks[-1].cursor
    assert [len(chunk.text) for chunk in chunks] == [16_000, 16_000, 8000]
    assert [chunk.done for chunk in chunks] == [None, None, "finished"]


async def test_a_read_of_exactly_the_limit_is_one_read() -> None:
    answer = ended("x" * (READ_LIMIT - 1), "y")
    assert answer.read(0) == Chunk(3, "x" * (READ_LIMIT - 1) + "y", "finished", answer.read(2).sha256)


@pytest.mark.parametrize("length", [READ_LIMIT, READ_LIMIT + 1, 3 * READ_LIMIT, 3 * READ_LIMIT + 7])
async def test_a_token_longer_than_a_read_becomes_several_and_loses_nothing(length: int) -> None:
    token = "够👍" * (length // 2) + "." * (length % 2)
    chunks = await followed(ended("a", token, "z"))
    assert all(len(chunk.text) <= READ_LIMIT for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == f"a{token}z"
    assert chunks[-1].sha256 == digest(f"a{token}z")


async def test_past_the_end_is_only_who_has_read_the_end_too() -> None:
    answer = written("够")
    assert not answer.past_end(1)
    answer.end("stopped")
    assert [answer.past_end(cursor) for cursor in (0, 1, 2)] == [False, False, True]


async def test_wait_returns_at_once_where_there_is_news() -> None:
    answer = written("够")
    await answer.wait(0)
    answer.end("finished")
    await answer.wait(1)
    await answer.wait(2)  # nothing can come any more, so there is nothing to wait for


async def test_one_token_wakes_all_who_wait() -> None:
    answer = written("够")
    waiting = [asyncio.create_task(answer.wait(1)) for _ in range(50)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    answer.append("钟")
    await asyncio.wait_for(asyncio.gather(*waiting), 10)


async def test_the_end_wakes_all_who_wait() -> None:
    answer = written("够")
    waiting = [asyncio.create_task(wait) for wait in (answer.wait(1), answer.wait_for_end())]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    answer.end("stopped")
    await asyncio.wait_for(asyncio.gather(*waiting), 10)


async def test_who_waits_for_the_end_sleeps_through_the_tokens() -> None:
    answer = written()
    waiting = asyncio.create_task(answer.wait_for_end())
    for token in "够钟下班啦":
        answer.append(token)
        await asyncio.sleep(0)
        assert not waiting.done()
    answer.end("finished")
    await asyncio.wait_for(waiting, 10)


async def test_a_waiter_that_was_woken_can_wait_again() -> None:
    answer = written()
    reading = asyncio.create_task(followed(answer))
    for token in "够钟下":
        await asyncio.sleep(0.001)
        answer.append(token)
    await asyncio.sleep(0.001)
    answer.end("finished")
    assert [chunk.text for chunk in await asyncio.wait_for(reading, 10)] == ["够", "钟", "下", ""]


async def test_following_from_each_cursor_gives_the_rest() -> None:
    tokens = list("够钟下班啦")
    answer = ended(*tokens)
    for cursor in range(len(tokens) + 1):
        chunks = await followed(answer, cursor)
        assert "".join(chunk.text for chunk in chunks) == "".join(tokens[cursor:])
        assert [chunk.done for chunk in chunks] == ["finished"]
    assert await followed(answer, len(tokens) + 1) == []


async def test_following_ahead_of_the_log_raises_as_soon_as_there_is_news() -> None:
    with pytest.raises(IndexError):
        await followed(ended("够"), -1)


async def test_a_slow_follower_gets_fewer_and_larger_chunks_than_a_quick_one() -> None:
    answer = written()
    quick: list[str] = []
    slow: list[str] = []

    async def follow(texts: list[str], every: int) -> None:
        async with aclosing(answer.follow()) as chunks:
            async for chunk in chunks:
                texts.append(chunk.text)
                for _ in range(every):
                    await asyncio.sleep(0)

    following = [asyncio.create_task(follow(quick, 0)), asyncio.create_task(follow(slow, 20))]
    for number in range(100):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        answer.append(f"{number},")
    answer.end("finished")
    await asyncio.wait_for(asyncio.gather(*following), 10)
    assert "".join(quick) == "".join(slow) == answer.text
    assert len(slow) < len(quick) / 2


async def test_each_entry_records_when_it_was_due_and_when_it_was_appended() -> None:
    before = time.monotonic()
    answer = Answer("an-id")
    answer.append("够", due=12.5)
    answer.append("钟")
    answer.end("finished")
    after = time.monotonic()
    late, now, end = answer.entries
    assert (late.token, now.token, end.token) == ("够", "钟", "")
    assert late.due == 12.5
    assert before <= answer.started <= late.appended <= now.appended <= end.appended <= after
    assert now.due == now.appended
    assert end.due == end.appended


def test_listeners_are_told_once_of_what_is_written_together_and_never_of_nothing() -> None:
    answer, told = Answer("id"), list[int]()
    answer.add_listener(lambda: told.append(answer.cursor))
    answer.append("")
    assert told == []
    answer.append("a", more=True)
    answer.append("b" * (READ_LIMIT + 1), more=True)
    assert told == []
    answer.append("c")
    assert told == [4]
    answer.append("d" * 2 * READ_LIMIT)
    assert told == [4, 6]
    answer.append("e", more=True)
    answer.end("finished")
    assert told == [4, 6, 8]
