"""A model behind an API like OpenAI's, as a source: its tokens are passed on one by one, as they come.

The one thing to notice: what goes wrong there is told in our own words. The API's words may hold the key that it did
not like, or anything at all, so they reach neither the readers of the answer nor a log.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai
from openai.types.chat import ChatCompletionChunk

from server.answer import Answer
from server.settings import Settings
from server.sources import Message, Source, Trouble, Unavailable

MOST_BYTES = 256 * 1024
"""Between two events of a stream, and of an error: what says more in between says nothing."""
KEY, ADDRESS = "OPENAI_API_KEY", "OPENAI_BASE_URL"
"""Of the environment. The key is read here and kept by the SDK alone: no setting, log or command line can show it."""
NO_KEY = "none"
"""A local server needs no key, and the SDK insists on one."""
PLAIN = {"Accept-Encoding": "identity"}
"""10 kB can be 10 MB, and who compresses a stream holds small pieces back."""
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}

Result = TypeVar("Result")


def upstream(settings: Settings, base_url: str, key: str) -> "Upstream":
    """The model that the settings name. Raises Unavailable for an address or a key that could never work."""
    address = base_url or settings.base_url or os.environ.get(ADDRESS, "")
    local = (urlsplit(address).hostname or "") in ("localhost", "127.0.0.1", "::1")
    try:
        client = openai.AsyncOpenAI(
            api_key=key or os.environ.get(KEY) or NO_KEY,
            base_url=address or None,
            max_retries=0,
            timeout=settings.model_s,
            http_client=openai.DefaultAsyncHttpx2Client(
                headers=PLAIN,
                event_hooks={"response": [_bound]},
                follow_redirects=False,  # another place is another API, and nobody chose it
                trust_env=not local,  # a proxy is for what is further away
            ),
        )
    except (ImportError, ValueError, httpx2.InvalidURL, openai.OpenAIError) as error:
        raise Unavailable(f"--model {settings.model} cannot be asked: {type(error).__name__} in its address.") from None
    return Upstream(settings, client)


class Upstream:
    """One model of one API. Every answer is one request, made once: another attempt in secret would falsify times."""

    def __init__(self, settings: Settings, client: openai.AsyncOpenAI) -> None:
        self.name = settings.model
        self._settings, self._client = settings, client
        self._place = place(str(client.base_url))

    def answer(self, messages: Sequence[Message], options: Mapping[str, Any]) -> Source:
        """A source that asks the model. Cancelling it hangs up at once. What goes wrong becomes Trouble."""

        async def source(answer: Answer) -> None:
            request = {"model": self.name, "messages": list(messages), **options, **STREAMED}
            try:
                async with asyncio.timeout(self._settings.max_answer_s):
                    await self._pass_on(request, answer)
            except TimeoutError:
                most = f"{self._settings.max_answer_s:g} seconds"
                raise Trouble(f"The model took longer than {most}, the most that this server types for.") from None

        return source

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _pass_on(self, request: Mapping[str, Any], answer: Answer) -> None:
        about, length = {"model": self.name}, 0
        answer.about = about
        async with aclosing(self._parts(request)) as parts:
            async for text, more in parts:
                length += len(text)
                if length > self._settings.max_answer:
                    most = f"{self._settings.max_answer} characters, the most that this server keeps (--max-answer)"
                    raise Trouble(f"The model's answer is longer than {most}.")
                answer.append(text)
                if more:
                    answer.about = about = about | more
        if "finish_reason" not in about:
            raise Trouble(
                f"{self._place} closed the connection before its answer had ended. What came is kept; ask again."
            )
        if about["finish_reason"] == "content_filter":
            raise Trouble(f"{self._place} withheld the rest of the answer (content_filter). Ask in another way.")

    async def _parts(self, request: Mapping[str, Any]) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
        """Texts as they come, and what is said beside them. Raises Trouble."""
        try:
            async with await self._soon(self._client.chat.completions.create(**request)) as stream:
                while (chunk := await self._soon(anext(stream, None))) is not None:
                    if isinstance(bounded := stream.response.stream, Bounded):
                        bounded.left = MOST_BYTES
                    yield part(chunk)
        except TimeoutError:
            raise Trouble(
                f"{self._place} has said nothing for {self._settings.model_s:g} seconds. Is it busy, or loading the "
                "model? Try again, or start this server with a larger --model-s."
            ) from None
        except openai.OpenAIError as error:
            raise Trouble(explained(error, self.name, self._place)) from None
        except (httpx2.HTTPError, ValueError, RecursionError):
            raise Trouble(nonsense(self._place)) from None

    async def _soon(self, coming: Awaitable[Result]) -> Result:
        """Raises TimeoutError when it does not come."""
        async with asyncio.timeout(self._settings.model_s):
            return await coming


class Nonsense(ValueError):
    """Something that no model's API says."""


class Bounded(httpx2.AsyncByteStream):
    """The body of a response, as long as not too much of it comes between two events."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream
        self.left = MOST_BYTES

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        async for data in self._stream:
            self.left -= len(data)
            if self.left < 0:
                await self.aclose()
                raise Nonsense
            yield data

    async def aclose(self) -> None:
        """Close what it is the body of."""
        await self._stream.aclose()


async def _bound(response: httpx2.Response) -> None:
    assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - of an AsyncClient
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Nonsense
    response.stream = Bounded(response.stream)


def part(chunk: object) -> tuple[str, dict[str, Any]]:
    """The text of a chunk, and what it says beside: `finish_reason`, `usage`. Pure. Raises Nonsense.

    The first delta may hold a role and no text, any may be empty, and the chunk with the usage has no choice.
    """
    if not isinstance(chunk, ChatCompletionChunk):
        raise Nonsense
    more: dict[str, Any] = {}
    if usage := _counts(getattr(chunk, "usage", None)):
        more["usage"] = usage
    choices = getattr(chunk, "choices", None)
    if not isinstance(choices, list):
        raise Nonsense
    if not choices:
        return "", more
    text = getattr(getattr(choices[0], "delta", None), "content", None) or ""
    reason = getattr(choices[0], "finish_reason", None)
    if not isinstance(text, str) or not isinstance(reason, str | None):
        raise Nonsense
    text.encode()  # half a character is a ValueError, too
    if reason:
        more["finish_reason"] = reason if reason in REASONS else "stop"
    return text, more


def _counts(usage: object) -> dict[str, int]:
    found = {name: getattr(usage, name, None) for name in COUNTS}
    return {name: count for name, count in found.items() if isinstance(count, int) and not isinstance(count, bool)}


REASONS = ("stop", "length", "content_filter", "tool_calls", "function_call")
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
REFUSED = {
    400: "{place} refused the request (400): {model!r} does not chat, or a field was wrong for it.",
    401: "{place} does not accept the key (401). Set OPENAI_API_KEY to one that it does, and start this server again.",
    403: "{place} does not let this key use {model!r} (403). Choose another --model, or another key.",
    404: "{place} has no model {model!r}, or is none (404). See --model, and --base-url, which often ends in /v1.",
    422: "{place} refused the request (422): {model!r} does not chat, or a field was wrong for it.",
    429: "{place} takes no more requests for now (429). {when}",
}
"""By status: what happened, and what to do."""
BROKEN = "{place} is out of order ({status}). {when}"
STRANGE = "{place} answered with status {status}, as no model's API does. See --base-url, which often ends in /v1."
CODES = {
    "insufficient_quota": "The account of this key has no credit left at {place} (insufficient_quota).",
    "context_length_exceeded": "The prompt is too long for {model!r}. Send a shorter one.",
    "exceed_context_size_error": "The prompt is too long for {model!r}. Send a shorter one.",
}
"""By the code of an error, or its type as llama.cpp has it: they say more than the status."""


def explained(error: openai.OpenAIError, model: str, place: str) -> str:
    """What happened, in a sentence to act on. Pure; nothing of what the API has said is in it."""
    if isinstance(error, openai.APITimeoutError):
        return f"{place} could not be reached in time. Is it running, and is --base-url right?"
    if isinstance(error, openai.APIConnectionError):
        return f"{place} cannot be reached, or hung up. Is it running, is --base-url right? What came is kept."
    names = (error.code, error.type) if isinstance(error, openai.APIError) else ()
    known = next((CODES[name] for name in names if isinstance(name, str) and name in CODES), None)
    if not isinstance(error, openai.APIStatusError):
        return (known or "{place} reported an error in the middle of the answer. What came is kept; ask again.").format(
            place=place, model=model
        )
    status = error.status_code
    sentence = known or REFUSED.get(status) or (BROKEN if status >= 500 else STRANGE)
    when = again(error.response.headers.get("retry-after", ""))
    return sentence.format(place=place, model=model, status=status, when=when)


def again(retry_after: str) -> str:
    """When to try again, by a header `Retry-After` in seconds (RFC 9110 §10.2.3); a date is not worth reading. Pure."""
    seconds = re.fullmatch(r"([0-9]{1,6})(\.[0-9]*)?", retry_after)
    return f"Try again in {int(seconds[1]) + bool(seconds[2])} seconds." if seconds else "Try again in a moment."


def nonsense(place: str) -> str:
    """Pure."""
    return f"{place} answered with something that is no model's answer. See --base-url, which often ends in /v1."


def place(base_url: str) -> str:
    """How sentences call the API: without a user, a password or a query. Pure."""
    parts = urlsplit(base_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"The model's API at {parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
