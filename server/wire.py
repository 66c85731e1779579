"""A chunk as bytes, and the cursor of a request: the small language that all transports share.

The one thing to notice: a chunk is the same JSON on every transport, so whatever else crosses the wire is the
transport's own cost.
"""

import json
from json.encoder import encode_basestring as quoted  # a string's JSON, Chinese not escaped
from typing import Any

from aiohttp import web

from server.answer import Chunk
from server.refusal import Refusal


def to_json(document: Any) -> bytes:
    """Compact JSON in UTF-8: no spaces, Chinese not escaped."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def encode(chunk: Chunk) -> bytes:
    """The chunk as one line of JSON; `done`, `sha256` and `error` only where they mean something."""
    if not chunk.done:  # put together by hand, for this is done for every token
        return f'{{"cursor":{chunk.cursor},"text":{quoted(chunk.text)}}}'.encode()
    fields = {"cursor": chunk.cursor, "text": chunk.text, "done": chunk.done, "sha256": chunk.sha256}
    if chunk.error:
        fields["error"] = chunk.error
    return to_json(fields)


def not_now(cursor: int, sentence: str, retry_ms: int) -> bytes:
    """A chunk that brings nothing but why there is nothing now, and in how many milliseconds to ask again."""
    return to_json({"cursor": cursor, "text": "", "error": sentence, "retry_ms": retry_ms})


def cursor_of(request: web.Request) -> int:
    """Where the reader wants to go on. `Last-Event-ID` wins over `?cursor=`: it is the newer of the two.

    An EventSource reconnects to the very URL it was given and says in the header how far it got (WHATWG HTML 9.2.3).
    Raises Refusal 400 for anything but a non-negative integer.
    """
    asked = request.headers.get("Last-Event-ID") or request.query.get("cursor") or "0"
    if not (asked.isascii() and asked.isdigit() and len(asked) <= 15):
        raise Refusal(400, f"The cursor must be a whole number from 0, not {asked[:40]!r}. Start again with cursor=0.")
    return int(asked)
