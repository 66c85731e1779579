"""Hidden iframe, read without a browser: the page's scripts are taken out of the HTML instead of run.

The one thing to notice: the server escapes every `<` of the text, so the next `</script>` is always the real end.
"""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from clients.attention import attentive
from clients.chunk import LARGEST, TOO_LARGE, Chunk, Malformed, parse
from clients.request import streamed

END = b"</script>"
CALL = re.compile(rb'<script nonce="[^"]*">push\((.*)\)$', re.DOTALL)


@dataclass(slots=True)
class Decoder:
    """Bytes to chunks. Pure."""

    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes. Raises Malformed for a script that never ends."""
        looked_at = max(0, len(self._rest) - len(END))  # an end may be cut in two; nothing is searched twice
        self._rest += data
        chunks, start = [], 0
        while (end := self._rest.find(END, max(start, looked_at))) >= 0:
            if call := CALL.search(bytes(self._rest[start:end])):
                chunks.append(parse(call[1]))
            start = end + len(END)
        del self._rest[:start]
        if len(self._rest) > LARGEST:
            raise Malformed(TOO_LARGE)
        return chunks


def iframe(url: str, cursor: int = 0) -> AsyncGenerator[Chunk, None]:
    """Every chunk from `cursor` to the end."""
    return attentive(streamed(url, cursor, "text/html", Decoder().feed), cursor)
