"""The ways to ask one question: by OpenAI's API, as its SDK does, and by ours; streamed each time, and not. Pure.

The one thing to notice: which bytes are sent, and what the bytes that come back mean, is all here. Who sends them, an
SDK or the lab's own lean asker, is decided elsewhere.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from clients.chunk import StreamError, parse
from clients.sse import Decoder as Events
from lab.peers.exchange import Heard, Response, listen, post

SCRIPT = "count-to-100"
"""The scripted model that replays what OpenAI has published."""
PROMPT = "Count from 1 to 100, with a comma and a space between the numbers and nothing else."
COMPLETIONS = "/v1/chat/completions"
AT_ONCE = {"first_token_ms": 0, "token_ms": 0}
"""The fastest pace of a script."""
DONE = "[DONE]"


class Way(NamedTuple):
    """One way to ask."""

    variant: str
    """As people are shown it."""
    transport: str
    """As the server's ledger calls it."""
    streamed: bool


WAYS = {
    "sdk-streamed": Way("SDK, streamed", "completions", True),
    "sdk-whole": Way("SDK, whole", "completions", False),
    "sse": Way("SSE", "sse", True),
    "whole": Way("whole", "whole", False),
}
PAIRS = (("SDK, streamed", "SDK, whole"), ("SSE", "whole"))
"""Variants that differ in nothing but streaming."""


class Question(NamedTuple):
    """What is asked of whom."""

    server: str
    model: str
    prompt: str

    def first(self, way: Way) -> bytes:
        """The first request: all there is to it with OpenAI's API; with ours it starts the answer."""
        if way.transport != "completions":
            return post(f"{self.server}/answers", {"prompt": self.prompt})
        return post(self.server + COMPLETIONS, asked(self.model, self.prompt, way.streamed))

    def second(self, way: Way, body: bytes) -> bytes:
        """The request that reads the answer that was started. Raises ValueError when none was."""
        try:
            return listen(self.server + json.loads(body)["links"][way.transport])
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"The server did not start an answer: {body[:200].decode(errors='replace')}") from None


def asked(model: str, prompt: str, streamed: bool) -> dict[str, Any]:
    """The fields of a request by OpenAI's API."""
    counted = {"stream_options": {"include_usage": True}} if streamed else {}
    return {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": streamed, **counted}


def short(model: str) -> str:
    """A scripted model that every server of ours has, to warm up with: another one than that which is asked."""
    return "english" if model == "off-work" else "off-work"


class Piece(NamedTuple):
    """Text, and when it was here (monotonic seconds)."""

    at: float
    text: str


class Got(NamedTuple):
    """What one asker got."""

    pieces: Sequence[Piece]
    tokens: int
    """As the server has counted them: several can come in one piece."""


class Deltas:
    """The events of a streamed completion (server-sent events with JSON in them), fed in pieces of any size."""

    def __init__(self) -> None:
        self.tokens = 0
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The texts that `data` completes. Raises ValueError for what is none."""
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            if (found := event.decode().removeprefix("data: ")) != DONE:
                yield from self._texts(json.loads(found))

    def _texts(self, document: dict[str, Any]) -> Iterator[str]:
        if "error" in document:
            raise ValueError(str(document["error"]["message"]))
        if usage := document.get("usage"):
            self.tokens = int(usage["completion_tokens"])
        for choice in document["choices"]:
            yield choice["delta"].get("content") or ""


class Chunks:
    """Our own events."""

    def __init__(self) -> None:
        self.tokens = 0
        self._events = Events()

    def feed(self, data: bytes) -> Iterator[str]:
        """The texts that `data` completes. Raises ValueError or StreamError for what is none."""
        for chunk in self._events.feed(data):
            if chunk.done == "failed":
                raise ValueError(chunk.error or "The answer failed.")
            self.tokens = chunk.cursor - (chunk.done is not None)
            yield chunk.text


def got(way: Way, heard: Heard) -> Got:
    """What one asker heard, as texts, each with the time of the bytes that completed it. Raises ValueError."""
    try:
        return _got(way, heard)
    except (KeyError, IndexError, TypeError, AttributeError, RecursionError, StreamError) as effect:
        raise ValueError(f"What came is no answer: {str(effect) or type(effect).__name__}") from None


def _got(way: Way, heard: Heard) -> Got:
    response, body, pieces = Response(), b"", list[Piece]()
    events = Deltas() if way.transport == "completions" else Chunks()
    for at, data in heard:
        more = response.feed(data)
        if way.streamed and response.status == 200:
            pieces += [Piece(at, text) for text in events.feed(more) if text]
        else:
            body += more
    if response.status != 200:
        raise ValueError(f"The server answered with status {response.status}: {body[:200].decode(errors='replace')}")
    if not response.ended:
        raise ValueError("The connection ended in the middle of the answer.")
    return Got(pieces, events.tokens) if way.streamed else _whole(way, heard[-1][0], body)


def _whole(way: Way, at: float, body: bytes) -> Got:
    if way.transport == "completions":
        document = json.loads(body)
        return Got([Piece(at, document["choices"][0]["message"]["content"])], document["usage"]["completion_tokens"])
    chunk = parse(body)
    if chunk.done == "failed":
        raise ValueError(chunk.error or "The answer failed.")
    return Got([Piece(at, chunk.text)], chunk.cursor - 1)


class Asking(NamedTuple):
    """What became of one asker. Times are monotonic seconds."""

    due: float
    """When it meant to ask."""
    asked: float
    """When it did: from then on its connection is held."""
    ended: float
    got: Got
    bytes_up: int | None
    bytes_down: int | None
    answer: str | None = None
    """The id, where the server is to be asked for the bytes."""
