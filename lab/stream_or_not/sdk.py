"""One asker with OpenAI's own SDK.

The one thing to notice: its first request takes a tenth of a second longer than all others, since the SDK is loaded
piece by piece. So it asks something short first, which is not measured.
"""

import asyncio
import time
from collections.abc import Mapping

import httpx2
from openai import AsyncOpenAI, OpenAIError

from lab.stream_or_not.ways import AT_ONCE, Asking, Got, Piece, Question, Way, asked, short


async def warm_up(question: Question, way: Way) -> None:
    """Ask something short. Raises ValueError."""
    await ask(question._replace(model=short(question.model)), way, time.monotonic(), time.monotonic() + 60, AT_ONCE)


async def ask(question: Question, way: Way, due: float, until: float, pace: Mapping[str, int] | None = None) -> Asking:
    """Ask at that time, and wait until that other one (monotonic seconds). Raises ValueError, with a sentence."""
    base_url = f"{question.server}/v1"
    async with AsyncOpenAI(api_key="any", base_url=base_url, max_retries=0, timeout=None) as client:  # noqa: S106
        await asyncio.sleep(due - time.monotonic())
        began = time.monotonic()
        try:
            async with asyncio.timeout(until - began):
                name, got = await _ask(client, question, way, pace or {})
        except TimeoutError:
            raise ValueError("The answer did not end in time.") from None
        except (OpenAIError, httpx2.HTTPError) as error:
            raise ValueError(str(error)) from None
        return Asking(due, began, time.monotonic(), got, None, None, name.removeprefix("chatcmpl-"))


async def _ask(client: AsyncOpenAI, question: Question, way: Way, pace: Mapping[str, int]) -> tuple[str, Got]:
    """The completion's id, and what came."""
    fields = asked(question.model, question.prompt, way.streamed)
    reply = await client.chat.completions.create(**fields, extra_body=pace)
    if not way.streamed:
        tokens = reply.usage.completion_tokens if reply.usage else 0
        return reply.id, Got([Piece(time.monotonic(), reply.choices[0].message.content or "")], tokens)
    name, pieces, tokens = "", [], 0
    async for chunk in reply:
        now, name = time.monotonic(), chunk.id
        if chunk.choices and (text := chunk.choices[0].delta.content):
            pieces.append(Piece(now, text))
        if chunk.usage:
            tokens = chunk.usage.completion_tokens
    return name, Got(pieces, tokens)
