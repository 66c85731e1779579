"""Forging: who stands on the way changes what crosses, unless it is authenticated.

The one thing to notice: the digest at the end of an answer does not help. It shows what was lost by accident; who
changes the text changes the digest with it.
"""

import asyncio
import hashlib
import json
import re
from functools import partial

from clients import CLIENTS
from clients.answers import answering
from clients.chunk import Refused, StreamError
from clients.connection import connecting
from lab.relay import UP, relaying
from lab.security.leaks.records import APPLICATION_DATA, HANDSHAKE, Headers
from lab.security.probe import Outcome
from lab.security.scene import Scene
from lab.session import Variant, read

TEXT_FIELD = re.compile(rb'"text":("(?:[^"\\]|\\.)*")')
DIGEST_FIELD = re.compile(rb'(?<="sha256":")[0-9a-f]{64}')
PATIENCE_S = 10


class Forger:
    """Changes one word of what comes down a connection, and the digest to match.

    What is encrypted it cannot read, so there it changes what it can: one bit of whatever comes after the request.
    """

    def __init__(self, word: bytes, other: bytes) -> None:
        self._word, self._other = word, other
        self._text = ""
        self._encrypted: Headers | None = None
        self._asked = 0

    def __call__(self, way: str, data: bytes) -> bytes:
        """What is to cross instead of `data`: as many bytes."""
        if way == UP:
            self._listen(data)
            return data
        if self._encrypted:
            return data[:-1] + bytes([data[-1] ^ 1]) if self._asked > 1 else data
        return self._forged(data)

    def _listen(self, data: bytes) -> None:
        """The client's first application data ends the handshake (TLS 1.3), the next is its request."""
        if self._encrypted is None and data[0] == HANDSHAKE:
            self._encrypted = Headers()
        if self._encrypted:
            self._asked += sum(kind == APPLICATION_DATA for kind, _ in self._encrypted.feed(data))

    def _forged(self, data: bytes) -> bytes:
        data = data.replace(self._word, self._other)
        self._text += "".join(json.loads(text) for text in TEXT_FIELD.findall(data))
        return DIGEST_FIELD.sub(hashlib.sha256(self._text.encode()).hexdigest().encode(), data)


async def attack(scene: Scene) -> Outcome:
    """Have a client read an answer in which one word was changed on the way."""
    target, name = scene.target, scene.transport
    word, other = target.canary, target.canary[::-1]
    forger = partial(Forger, word.encode(), other.encode())
    order = {"text": f"Send the money to {word}.", "unit": "sentence", "first_token_ms": 50}
    with connecting(target.subject.cafile):
        async with relaying(target.port, forger) as relay, answering(target.url, **order) as links:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    reading = await read(Variant(name, name, CLIENTS[name]), relay.through(links[name]))
                report, text, believed = "", reading.text, reading.whole and other in reading.text
            except (StreamError, Refused, TimeoutError) as error:
                report, text, believed = str(error) or "Nothing came.", "", False
    if believed:
        says = f"The client took a forged answer for whole, its digest included: {text}"
    else:
        says = f"The client did not believe it. {report}" if report else f"The answer came as it was written: {text}"
    figures = {"forged_answers_believed": int(believed), "broken_connections": int(bool(report))}
    return Outcome(believed, says, figures, {"text": text, "report": report})
