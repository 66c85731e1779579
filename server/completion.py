"""OpenAI's chat API, as bytes: what a request asks for, and what a completion looks like, whole and in pieces. Pure.

The one thing to notice: a stream of theirs has no cursor. Nobody can say where it broke off, so nobody can read it on:
that is what our own wire format adds to it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from server.answer import Chunk
from server.refusal import Refusal, plain
from server.sources import Message
from server.wire import to_json

ROLES = ("system", "developer", "user", "assistant")
FORWARDED = (
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "stop", "seed", "logit_bias"),
    *("reasoning_effort", "verbosity", "response_format"),
)
"""Fields that a real model is sent as they are, and a script takes no notice of."""
IGNORED = (
    *("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "parallel_tool_calls"),
    "prompt_cache_retention",
)
"""Fields that have nothing to do with the answer."""
LENGTHS = ("max_tokens", "max_completion_tokens")
OWN = ("model", "messages", "stream", "stream_options", "n", "logprobs", *LENGTHS)
MOST_TOKENS = 1_000_000

DONE = b"data: [DONE]\n\n"
STOPPED = "This answer was stopped before its end."


class Asked(NamedTuple):
    """What a request asks for."""

    model: str
    messages: Sequence[Message]
    stream: bool
    include_usage: bool
    options: Mapping[str, Any]


class Wrong(Refusal):
    """A field that is wrong, with its name."""

    def __init__(self, param: str, detail: str, status: int = 400) -> None:
        super().__init__(status, detail)
        self.param = param


def asked(fields: Mapping[str, Any], extra: Sequence[str] = ()) -> Asked:
    """What the fields of a request ask for; `extra` are names of ours that are options, too. Raises Wrong.

    A field that is null is one that was not sent.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    for name in given:
        if name not in (*OWN, *FORWARDED, *IGNORED, *extra):
            raise Wrong(plain(name), f"This server has no field {name[:40]!r}: it passes text on, and nothing else.")
    stream = given.get("stream", False)
    if not isinstance(stream, bool):
        raise Wrong("stream", "stream must be true or false.")
    if given.get("n", 1) != 1 or given.get("logprobs", False) is not False:
        raise Wrong("n", "Every question has one answer here, without probabilities: leave n and logprobs out.")
    options = {name: given[name] for name in (*FORWARDED, *extra) if name in given}
    options |= _most_tokens(given)
    for name, value in options.items():
        try:
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except ValueError:  # UnicodeEncodeError is one
            raise Wrong(name, f"{name} holds half a character, or a number that is none: no JSON has it.") from None
    return Asked(
        str(given.get("model")), _messages(given.get("messages")), stream, _include_usage(given, stream), options
    )


def _messages(given: Any) -> list[Message]:
    if not isinstance(given, list) or not given:
        raise Wrong("messages", 'messages must be a list such as [{"role": "user", "content": "Hello"}].')
    return [_message(number, each) for number, each in enumerate(given)]


def _message(number: int, given: Any) -> Message:
    where = f"messages[{number}]"
    if not isinstance(given, dict) or given.get("role") not in ROLES:
        raise Wrong(where, f"{where} must be an object with a role: {', '.join(ROLES)}.")
    if strange := [name for name, value in given.items() if value is not None and name not in ("role", "content")]:
        raise Wrong(where, f"{where} has {strange[0][:40]!r}: this server passes on a role and text, and nothing else.")
    content = given.get("content")
    if isinstance(content, list):  # parts, of which we have one kind
        content = "".join(texts) if len(texts := list(_texts(content))) == len(content) else None
    if not isinstance(content, str):
        raise Wrong(f"{where}.content", f"{where}.content must be text: this server passes text on, and nothing else.")
    try:
        content.encode()
    except UnicodeEncodeError:
        raise Wrong(f"{where}.content", f"{where}.content holds half a character (a lone surrogate).") from None
    return {"role": given["role"], "content": content}


def _texts(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
            yield part["text"]


def _most_tokens(given: Mapping[str, Any]) -> dict[str, int]:
    """By the name that it was sent under: newer models know one of them only, older ones the other."""
    found = {name: given[name] for name in LENGTHS if name in given}
    for name, most in found.items():
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST_TOKENS:
            raise Wrong(name, f"{name} must be a whole number from 1 to {MOST_TOKENS}.")
    return found


def _include_usage(given: Mapping[str, Any], stream: bool) -> bool:
    options = given.get("stream_options")
    if options is None:
        return False
    if not stream:
        raise Wrong("stream_options", "stream_options are for a stream: send stream true, too.")
    include = options.get("include_usage", False) if isinstance(options, dict) else None
    if not isinstance(include, bool):
        raise Wrong("stream_options", 'stream_options must be an object such as {"include_usage": true}.')
    return include


class Usage(NamedTuple):
    """Tokens: those that went in, and those that came out."""

    prompt_tokens: int
    completion_tokens: int

    def as_json(self) -> dict[str, int]:
        """As the API has it."""
        return self._asdict() | {"total_tokens": sum(self)}


class Completion(NamedTuple):
    """One answer to one request, as the API calls it."""

    id: str
    created: int
    model: str
    include_usage: bool = False

    def event(self, choices: Sequence[Mapping[str, Any]], usage: Mapping[str, int] | None = None) -> bytes:
        """One event of the stream. With `include_usage` all have a usage, and it is null in all but the last."""
        counted = {"usage": usage} if self.include_usage else {}
        return b"data: %b\n\n" % to_json(self._head("chat.completion.chunk") | {"choices": choices} | counted)

    def frame(self, chunk: Chunk, reason: str | None, usage: Mapping[str, int] | None) -> bytes:
        """The events for a chunk. Without news it is an empty delta, which keeps the connection busy."""
        delta = {} if chunk.cursor else {"role": "assistant"}
        events = b""
        if chunk.text or not chunk.done:
            events = self.event([_choice(delta | {"content": chunk.text}, None)])
        if not chunk.done:
            return events
        if chunk.done != "finished":
            return events + b"data: %b\n\n" % error(chunk.error or STOPPED, "server_error") + DONE
        events += self.event([_choice({}, reason or "stop")])
        if self.include_usage and usage:
            events += self.event([], usage)
        return events + DONE

    def whole(self, text: str, reason: str | None, usage: Mapping[str, int] | None) -> bytes:
        """All of it in one."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason or "stop"}
        return to_json(self._head("chat.completion") | {"choices": [choice], "usage": usage})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def _choice(delta: Mapping[str, Any], reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def error(sentence: str, kind: str, param: str | None = None, code: str | None = None) -> bytes:
    """An error as the API has it."""
    return to_json({"error": {"message": sentence, "type": kind, "param": param, "code": code}})


KINDS = {403: "permission_error", 429: "rate_limit_error"}
CODES = {"token": "invalid_api_key"}
"""By the defence that said no."""


def refused(refusal: Refusal) -> bytes:
    """A refusal in the shape of the API."""
    kind = KINDS.get(refusal.status, "invalid_request_error" if refusal.status < 500 else "server_error")
    param = refusal.param if isinstance(refusal, Wrong) else None
    code = CODES.get(refusal.defence or "", refusal.defence)
    if (refusal.status, param) == (404, "model"):
        code = "model_not_found"
    return error(refusal.detail, kind, param or None, code)
