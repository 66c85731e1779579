"""The answers and the readers that there are by now: the model, and the acts that move it and the server together.

The one thing to notice: the model says beforehand what the server will answer, down to the status. It depends on what
was done and never on how far anybody got, so an example does the same each time that it is run.
"""

import asyncio
from typing import Any

from lab.relay import Faults
from server.store import STOPPED
from server.transports import TRANSPORTS
from tests.machine.reader import Reader
from tests.machine.world import MOST_ANSWERS, Broken, World
from tests.machine.written import FORGOTTEN, Written

BROKE_DOWN = "The source of this answer broke down"
POLLS = ("polling", "long_polling")


class Scene:
    """What there is."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: list[Written] = []
        """In the order in which they were started."""
        self.readers: list[Reader] = []
        self._number = self._broken = 0

    @property
    def typing(self) -> list[Written]:
        """What the server has a writer for."""
        return [answer for answer in self.answers if answer.typing]

    @property
    def known(self) -> list[Written]:
        """What the server still has."""
        return [answer for answer in self.answers if not answer.gone]

    @property
    def here(self) -> list[Reader]:
        """Who has not left."""
        return [reader for reader in self.readers if not reader.left]

    async def start(self) -> list[Written]:
        """Start an answer, for which the oldest one that has ended must go; gives none when there is no room for it."""
        full = len(self.known) == MOST_ANSWERS
        oldest = next((answer for answer in self.known if not answer.typing), None)
        async with self.world.http.post(f"{self.world.url}/answers", json={"text": ""}) as response:
            document = await response.json()
            assert response.status == (429 if full and not oldest else 201), document
        if response.status == 429:
            return []
        if full and oldest:
            oldest.gone = True
        paths = document["links"] | {"self": response.headers["Location"]}
        answer = Written(document["id"], {name: self.world.url + path for name, path in paths.items()})
        self.answers.append(answer)
        return [answer]

    async def write(self, answer: Written, *texts: str) -> None:
        """Write tokens no two of which are the same, but for empty ones."""
        for text in texts:
            self._number += 1
            await self.world.write(answer.answer_id, answer.write(f"{self._number}{text}" if text else ""))

    async def end(self, answer: Written, breaks: bool) -> None:
        """Have the writer end, or break down."""
        self._broken += breaks
        answer.finish(*(("failed", BROKE_DOWN) if breaks else ("finished",)))
        await self.world.write(answer.answer_id, Broken() if breaks else None)
        await self._settled()

    async def stop(self, answer: Written, by_message: bool) -> None:
        """Stop the answer, by `DELETE` or over a WebSocket."""
        answer.finish("stopped")
        if by_message and "websocket" not in answer.blocked:
            at = {"cursor": answer.last - 1}
            async with self.world.http.ws_connect(answer.links["websocket"], params=at) as socket:
                await socket.send_str('{"stop": true}')
                end = await socket.receive_json()
                assert (end["cursor"], end["text"], end["done"]) == (answer.last, "", "stopped")
        else:
            await self.ask("DELETE", answer, 204)
        await self._settled()

    async def forget(self) -> None:
        """Let the time go by after which answers that have ended are forgotten."""
        self.world.forget()
        for answer in self.known:
            answer.gone = not answer.typing

    def join(self, answer: Written, transport: str, cursor: int, resumes: bool, relayed: bool) -> Reader:
        """Begin to read."""
        url = answer.links[transport]
        reader = Reader(answer, transport, cursor, resumes, relayed, self.world.news)
        reader.may_break = transport in answer.blocked or (relayed and self.world.relay.faults.cut_after is not None)
        reader.begin(self.world.relay.through(url) if relayed else url)
        self.readers.append(reader)
        return reader

    async def cut(self, answer: Written, transport: str | None, seconds: float) -> None:
        """Cut who reads an answer over a transport, or over any, and whoever comes to do so for a while."""
        cut = {transport} if transport else set(TRANSPORTS)
        for reader in self.readers:
            reader.may_break |= reader.answer is answer and reader.transport in cut
        answer.blocked |= cut if seconds else set()
        which = {"transport": transport} if transport else {}
        await self.ask("POST", answer, 202, "/cuts", json={"seconds": seconds} | which)

    def spoil(self, faults: Faults) -> None:
        """Set what is wrong with the network from now on."""
        self.world.relay.faults = faults
        for reader in self.readers:
            reader.may_break |= reader.relayed

    async def restart(self) -> None:
        """Stop the server in order, once everybody who asks for more is connected, and start it again."""
        self.world.relay.faults = Faults()
        await self.world.connected()
        for reader in self.readers:
            reader.may_break = True
            # Who polls may be between two requests, and come back to another server.
            asks = not (reader.over or reader.slow or reader.transport in POLLS)
            reader.must_hear |= reader.answer.typing and asks
        for answer in self.answers:
            answer.finish("failed", STOPPED)
            answer.gone = True
        await self.world.restart()

    async def caught_up(self) -> None:
        """Return when all have read what they can have by now."""
        await self.world.until(lambda: all(reader.caught_up for reader in self.readers))

    async def ask(self, method: str, answer: Written, status: int, path: str = "", **options: Any) -> None:
        """Send a request for an answer that is to be answered with this status."""
        async with self.world.http.request(method, answer.links["self"] + path, **options) as response:
            assert response.status == status
            if status == 404:
                assert FORGOTTEN in (await response.json())["detail"]

    async def read_to_the_end(self) -> None:
        """End all answers, and have everybody read all of them; then the server must be as it was in the beginning."""
        self.world.relay.faults = Faults()
        for reader in self.readers:
            reader.go_on()
        for answer in self.typing:
            await self.end(answer, breaks=False)
        await self.caught_up()
        self.judge()
        await self.world.nothing_left()
        assert self.world.errors.messages == ["the source of an answer failed"] * self._broken

    def judge(self) -> None:
        """Fail if anybody has anything wrong."""
        for reader in self.readers:
            reader.judge()

    async def close(self) -> None:
        """Have all leave, and stop the server."""
        await asyncio.gather(*(reader.leave() for reader in self.readers))
        await self.world.close()

    async def _settled(self) -> None:
        """Return when the server has no more writers than there are answers being typed."""
        while (await self.world.health())["typing"] != len(self.typing):
            pass
