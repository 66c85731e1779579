"""Starting and stopping answers: the part of the API that is the same whoever reads afterwards."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from yarl import URL

from clients.attention import SILENCE_S
from clients.chunk import Malformed, Refused, StreamError
from clients.request import body, requesting, session

STOP_SECONDS = 2
"""How long stopping an answer may take: who leaves does not want to wait for a server that is busy or dead."""


@asynccontextmanager
async def answering(server: str, **fields: Any) -> AsyncIterator[dict[str, str]]:
    """Start an answer; gives the URL for each transport. Leaving the block before the answer's end stops it.

    `fields` are those of `POST /answers`. Raises Refused when one of them is wrong, StreamError without a server.
    """
    base = URL(server)
    async with session() as connections:
        limit = aiohttp.ClientTimeout(total=SILENCE_S)
        async with requesting(connections, "POST", base / "answers", json=fields, timeout=limit) as response:
            answer, links = _links(base, await body(response))
        try:
            yield links
        except BaseException:
            with suppress(StreamError, Refused):  # what went wrong before is what there is to tell
                limit = aiohttp.ClientTimeout(total=STOP_SECONDS)
                async with requesting(connections, "DELETE", answer, timeout=limit):
                    pass
            raise


def _links(base: URL, data: bytes) -> tuple[URL, dict[str, str]]:
    """The answer's own address, and for each transport the one that reads it."""
    try:
        document = json.loads(data)
        answer = base / "answers" / document["id"]
        links = {name: str(base.join(URL(path))) for name, path in document["links"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Malformed(f"What answers at {base.origin()} is no pushlab server.") from None
    return answer, links
