"""Hidden iframe, read without a browser: the page's scripts are taken out of the HTML instead of run.

The one thing to notice: the server escapes every `<` of the text, so the next `</script>` is always the real end.
"""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from clients.chunk import CUT, Chunk, StreamError, parse
from clients.request import at, requesting, session

CALL = re.compile(rb'<script nonce="[^"]*">push\((.*?)\)</script>', re.DOTALL)


@dataclass(slots=True)
class Decoder:
    """Bytes to chunks. Pure."""

    _rest: bytes = b""

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes."""
        self._rest += data
        chunks, end = [], 0
        for call in CALL.finditer(self._rest):
            chunks.append(parse(call[1]))
            end = call.end()
        self._rest = self._rest[end:]
        return chunks


async def iframe(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
    """Every chunk from `cursor` to the end."""
    decoder = Decoder()
    async with session() as connections, requesting(connections, "GET", at(url, cursor)) as response:
        if response.status == 204:
            return
        async for data in response.content.iter_any():
            for chunk in decoder.feed(data):
                yield chunk
                if chunk.done:
                    return
    raise StreamError(CUT)
