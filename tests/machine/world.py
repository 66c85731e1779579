"""The server on its production runner, a relay before it, and what a test must be able to do to both.

The one thing to notice: no clock decides anything. The writer takes its tokens from a queue, answers are forgotten when
the test says so, and whatever has to come true is waited for with a bound that only a defect reaches.
"""

import asyncio
import logging
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from contextvars import Context
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, TypeVar, TypeVarTuple
from unittest.mock import patch

import aiohttp

from clients import course, resume
from lab.relay import relaying
from server import order, readers
from server.answer import Answer
from server.app import serving
from server.settings import Settings
from server.sources import Source

ENOUGH_S = 30
"""More than anything here takes on the busiest machine."""
KEEP_S = 599.5
"""How long answers are kept; nothing else waits for exactly so long."""
MOST_ANSWERS = 4
TURNS = 100
"""Many more than connecting, asking and being cut off again take: all of it happens in this process and its kernel."""
SETTINGS = Settings(
    port=0, keep_s=KEEP_S, max_answers=MOST_ANSWERS, address_requests_per_s=10_000, shutdown_s=0.5, hold_s=30
)
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Broken(Exception):
    """A source breaks down, as a model does."""


class Loop(asyncio.SelectorEventLoop):
    """The loop that all of it runs on, whose timers of KEEP_S can be made to go off at once."""

    def __init__(self) -> None:
        super().__init__()
        self.forgetting: list[Callable[[], object]] = []
        self.connects = 0
        """How often anybody connected to anything."""

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self.connects += 1
        await super().sock_connect(sock, address)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        if delay == KEEP_S:
            self.forgetting.append(partial(callback, *args))
        return super().call_later(delay, callback, *args, context=context)


class Errors(logging.Handler):
    """What is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class World:
    """All that a state machine acts upon. Every method that waits is to be run by `run`."""

    def __init__(self) -> None:
        self._loop = Loop()
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        self._around, self._server = AsyncExitStack(), AsyncExitStack()
        self._queues: defaultdict[str, asyncio.Queue[str | Broken | None]] = defaultdict(asyncio.Queue)
        self.news = asyncio.Event()
        """Set whenever a reader got something, or is over."""
        self.errors = Errors()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run the loop until this is done."""

        async def bounded() -> Result:
            try:
                async with asyncio.timeout(ENOUGH_S):
                    return await work
            except TimeoutError:
                raise AssertionError(f"{work} waits for what does not come true") from None

        return self._runner.run(bounded())

    async def open(self) -> None:
        """Start everything."""
        await self._around.enter_async_context(self._all())

    async def close(self) -> None:
        """Stop everything."""
        await self._around.aclose()

    def end(self) -> None:
        """Give the loop back."""
        self._runner.close()

    async def restart(self) -> None:
        """Stop the server in order, and start another one on the same port.

        Not while somebody connects: Python 3.11 forgets a connection that it accepts in the very turn of the loop in
        which its server is closed, and who made it would wait until the next garbage collection.
        """
        await self._server.aclose()
        self._loop.forgetting.clear()
        await self._server.enter_async_context(serving(replace(SETTINGS, port=self.port)))

    async def connected(self) -> None:
        """Return when nobody has connected for so many turns of the loop that all who did are being served.

        That is counted in turns and not in seconds, so a busy machine changes nothing.
        """
        turns, connects = 0, -1
        while turns < TURNS:
            turns = turns + 1 if connects == self._loop.connects else 0
            connects = self._loop.connects
            await asyncio.sleep(0)

    async def until(self, check: Callable[[], bool]) -> None:
        """Return when it holds; what readers get is news, and after each the question is asked again."""
        while not check():
            self.news.clear()
            await self.news.wait()

    async def health(self) -> dict[str, int]:
        """How many answers are being typed, and how many readers are served."""
        async with self.http.get(f"{self.url}/healthz") as response:
            assert response.status == 200
            health: dict[str, int] = await response.json()
        return health

    async def write(self, answer_id: str, *tokens: str | Broken | None) -> None:
        """Have the writer of an answer write these, and return when it has. None is the end."""
        queue = self._queues[answer_id]
        for token in tokens:
            queue.put_nowait(token)
        await queue.join()

    def forget(self) -> None:
        """Let KEEP_S go by for all answers that have ended."""
        while self._loop.forgetting:
            self._loop.forgetting.pop()()

    async def nothing_left(self) -> None:
        """Return when the server has no writers and no readers, and whatever is under way on the loop has ended."""
        while await self.health() != {"typing": 0, "readers": 0}:
            pass
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(tasks)

    def _scripted(self, _schedule: object) -> Source:
        async def source(answer: Answer) -> None:
            queue = self._queues[answer.id]
            while True:
                token = await queue.get()
                queue.task_done()
                if token is None:
                    return
                if isinstance(token, Broken):
                    raise token
                answer.append(token)

        return source

    @contextmanager
    def _hurrying(self) -> Iterator[None]:
        """Pauses are left out: of who was cut, of who polls, and of a server that waits for a poller to come back."""
        with ExitStack() as patches:
            for module, name, value in (
                (order, "scripted", self._scripted),
                (resume, "pause", lambda _cuts: 0),
                (course, "ATTEMPTS", 1_000_000),  # without pauses, they would be over before a server is back
                (import_module("clients.polling"), "INTERVAL", 0.002),
                (readers, "BETWEEN_S", 0.05),
            ):
                patches.enter_context(patch.object(module, name, value))
            yield

    @asynccontextmanager
    async def _all(self) -> AsyncIterator[None]:
        logging.getLogger().addHandler(self.errors)
        try:
            with self._hurrying():
                async with self._server:
                    self.url = await self._server.enter_async_context(serving(SETTINGS))
                    self.port = int(self.url.rpartition(":")[2])
                    # Never an old connection, which a server that was stopped meanwhile has closed.
                    connector = aiohttp.TCPConnector(force_close=True)
                    async with (
                        aiohttp.ClientSession(connector=connector) as self.http,
                        relaying(self.port, keeps=False) as self.relay,
                    ):
                        yield
        finally:
            logging.getLogger().removeHandler(self.errors)
