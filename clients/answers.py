"""Starting and stopping answers: the part of the API that is the same whoever reads afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from yarl import URL

from clients.chunk import Refused, StreamError
from clients.request import requesting, session


@asynccontextmanager
async def answering(server: str, **fields: Any) -> AsyncIterator[dict[str, str]]:
    """Start an answer; gives the URL for each transport. Leaving the block before the answer's end stops it.

    `fields` are those of `POST /answers`. Raises Refused when one of them is wrong, StreamError without a server.
    """
    base = URL(server)
    async with session() as connections:
        async with requesting(connections, "POST", base / "answers", json=fields) as response:
            links: dict[str, str] = (await response.json())["links"]
            answer = base.join(URL(response.headers["Location"]))
        try:
            yield {name: str(base.join(URL(path))) for name, path in links.items()}
        except BaseException:
            with suppress(StreamError, Refused):  # what went wrong before is what there is to tell
                async with requesting(connections, "DELETE", answer):
                    pass
            raise
