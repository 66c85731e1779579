"""The load process of `peers`: starts the answers and reads them all, in a process of its own.

The one thing to notice: it is no client that anybody would use, and on purpose. Ours take some 50 µs for a token; what
is measured here takes less, so the instrument would be what is measured. This one takes a few.

When it is {"ready": true}, it takes orders on standard input, and reports each as done on standard output, one JSON
object a line:

    {"warm_up": URL, "transport": T}      start and read one short answer of that server
    {"server": URL, "transport": T, ...}  start all answers (lab.peers.schedule.order)
    {"connect": N}                        until N readers are connected
    {"until": S}                          read to the end: {"done": {"cores": C, "replies": R, "connections": K}}
    {"account": true}                     {"done": {what all readers got}}

Meanwhile come {"progress": N}, and instead, when something fails, {"failed": SENTENCE}. It ends when its input does, so
it never outlives who started it.
"""

import gc
import heapq
import json
import re
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from clients.chunk import StreamError
from lab.peers.account import Account, Started
from lab.peers.connections import Connection, Poller, Readable, Stream, WebSocket, connected
from lab.peers.exchange import Response, polled, post, streamed

BATCH = 50
"""Readers that connect at once; many servers let 100 connections wait to be accepted."""
SILENT_S = 0.0005
"""For one reader that connects and is told nothing yet."""
PATIENCE_S = 10.0
TURN_S = 0.1
"""How long to wait for something to read, at most."""
OFTEN = 500
"""Answers, or readers, between two reports of progress."""


class Failed(Exception):
    """It cannot go on; the message says why."""


class Load:
    """All readers of a run, and their one loop."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.started: list[Started] = []
        self.readers: list[Connection] = []
        self._links: list[str] = []
        self._readable = Readable()
        self._readable.register(sys.stdin.fileno(), sys.exit)  # nobody is left to order anything
        self._asking: list[tuple[float, int, Poller]] = []
        """Pollers by when they are to ask next."""
        self._every_s = (order.get("poll_ms") or 0) / 1000
        self._begun = False

    def start(self) -> None:
        """Start all answers, one after the other: the shorter the round trip, the better their start is known."""
        order = self.order
        fields = {"text": order["text"], "unit": "word", "token_ms": order["token_ms"]}
        with Starter(order["server"]) as starter:
            for number, phase_s in enumerate(order["phases_s"], 1):
                started, links = starter.start(fields, order["first_due"] + phase_s)
                self.started.append(started)
                self._links.append(links[order["transport"]])
                if number % OFTEN == 0:
                    tell(progress=number)

    def connect(self, until: int) -> None:
        """Have readers connect until there are so many."""
        while len(self.readers) < until:
            links = self._links[len(self.readers) : min(len(self.readers) + BATCH, until)]
            batch = [self._reader(link) for link in links]
            self.readers += batch
            for reader in batch:
                reader.open()
            self._wait_for(batch)
            tell(progress=len(self.readers))

    def _reader(self, link: str) -> Connection:
        transport = self.order["transport"]
        if transport == "polling":
            return Poller(link, self._readable, self._by_the_clock)
        if transport == "long_polling":
            return Poller(link, self._readable, Poller.ask)
        return (WebSocket if transport == "websocket" else Stream)(link, self._readable)

    def _wait_for(self, batch: list[Connection]) -> None:
        """Return when the server has heard of them. A long poll is answered only when there is news."""
        if self.order["transport"] == "long_polling":
            return self._turn(time.monotonic() + SILENT_S * len(batch))
        late = time.monotonic() + PATIENCE_S
        while not all(reader.answered for reader in batch):
            if said := next((reader.error for reader in batch if reader.error), None):
                raise Failed(said)
            if time.monotonic() > late:
                raise Failed(f"A reader that connected had no answer after {PATIENCE_S:g} s.")
            self._turn(time.monotonic() + TURN_S)
        return None

    def _by_the_clock(self, poller: Poller) -> None:
        """Ask again at the next instant of its own; nothing that comes late moves those after it."""
        if self._begun:
            poller.due += self._every_s
            heapq.heappush(self._asking, (poller.due, id(poller), poller))

    def read(self, until: float) -> dict[str, Any]:
        """Idle, then read until all have ended, but no longer than `until` (monotonic seconds)."""
        gc.collect()
        gc.freeze()
        gc.disable()  # else it would stop all readers now and then, to look through what all of them keep
        read_at = self.order["read_at"]
        while (now := time.monotonic()) < read_at:
            self._turn(min(read_at, now + TURN_S))
        began, cpu_s, replies = time.monotonic(), time.process_time(), self._replies()
        self._begin(read_at)
        while (now := time.monotonic()) < until and not all(reader.ended for reader in self.readers):
            self._turns(min(until, now + 5 * TURN_S))
            if now > self.order["last_due"]:  # not before: it takes time
                for reader in self.readers:
                    reader.look()
        cores = (time.process_time() - cpu_s) / (time.monotonic() - began)
        gc.enable()
        done = {"cores": cores, "replies": self._replies() - replies, "connections": self._made()}
        for reader in self.readers:
            if not reader.ended:
                reader.close()
        return done

    def _begin(self, read_at: float) -> None:
        """From now on pollers ask by the clock, each at its phase."""
        self._begun = True
        if self.order["transport"] == "polling":
            for reader, phase_s in zip(self.readers, self.order["asks_s"], strict=True):
                assert isinstance(reader, Poller)  # noqa: S101 - as they were made
                reader.due = read_at + phase_s - self._every_s
                self._by_the_clock(reader)

    def _replies(self) -> int:
        """That polls have had."""
        return sum(len(reader.heard) for reader in self.readers if isinstance(reader, Poller))

    def _made(self) -> int:
        return sum(reader.connections if isinstance(reader, Poller) else 1 for reader in self.readers)

    def _turns(self, until: float) -> None:
        while time.monotonic() < until:
            self._turn(until)

    def _turn(self, until: float) -> None:
        """Read whatever can be read, or wait for it; ask whatever is due to be asked."""
        asking = self._asking
        now = time.monotonic()
        while asking and asking[0][0] <= now:
            poller = heapq.heappop(asking)[2]
            if not poller.ended:
                poller.ask()
        if asking:
            until = min(until, asking[0][0])
        self._readable.wait(max(0.0, until - now))

    def account(self) -> dict[str, Any]:
        """What all readers got."""
        account = Account(re.findall(r"\s*\S+", self.order["text"]), self.order["token_ms"])
        said = next((reader.error for reader in self.readers if reader.error), None)
        for number, (reader, started) in enumerate(zip(self.readers, self.started, strict=True), 1):
            try:
                chunks = streamed(transport, reader.heard) if (transport := self._streams()) else polled(reader.heard)
            except (ValueError, StreamError) as effect:
                said, chunks = said or str(effect), []
            account.count(chunks, started.first_due)
            if number % OFTEN == 0:
                tell(progress=number)
        return account.result(self.started, said)

    def _streams(self) -> str | None:
        """The transport, if it is one that streams."""
        transport = str(self.order["transport"])
        return None if transport in ("polling", "long_polling") else transport


class Starter:
    """One connection on which answers are started."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._socket = connected(server)

    def __enter__(self) -> "Starter":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def start(self, fields: dict[str, Any], first_due: float) -> tuple[Started, dict[str, str]]:
        """Start an answer whose first token is due then. Gives its start, and its links. Raises Failed, OSError."""
        asked = time.monotonic()
        first_token_s = max(0.0, first_due - asked)
        request = post(urljoin(self._server, "/answers"), fields | {"first_token_ms": first_token_s * 1000})
        asked = time.monotonic()
        self._socket.sendall(request)
        response, body = Response(), b""
        while not response.ended:
            if not (data := self._socket.recv(65536)):
                raise Failed("The server closed the connection instead of starting an answer.")
            body += response.feed(data)
        replied = time.monotonic()
        if response.status != 201:
            raise Failed(f"The server answered with status {response.status}: {body[:200].decode(errors='replace')}")
        links = {name: urljoin(self._server, link) for name, link in json.loads(body)["links"].items()}
        return Started(asked, replied, first_token_s), links


def warm_up(server: str, transport: str) -> None:
    """Read one short answer, so that what a server does only once is not booked to the first reader."""
    now = time.monotonic()
    when = {"first_due": now + 0.2, "read_at": now + 0.1, "last_due": now + 0.2, "phases_s": [0.0], "asks_s": [0.0]}
    what = {"transport": transport, "text": "a short answer", "token_ms": 5, "poll_ms": 10}
    load = Load({"server": server} | what | when)
    load.start()
    load.connect(1)
    load.read(now + PATIENCE_S)
    got = load.account()
    if got["missing_tokens"] or got["error"]:
        raise Failed(f"A short answer before the measuring did not come whole. {got['error'] or ''}".strip())


def orders() -> Iterator[dict[str, Any]]:
    """What comes on standard input."""
    while line := sys.stdin.readline():
        yield json.loads(line)


def carry_out() -> None:
    """Carry out the orders, each when it comes."""
    load: Load | None = None
    for order in orders():
        done: dict[str, Any] = {}
        if "warm_up" in order:
            warm_up(order["warm_up"], order["transport"])
        elif "server" in order:
            load = Load(order)
            load.start()
        elif load and "connect" in order:
            load.connect(order["connect"])
        elif load and "until" in order:
            done = load.read(order["until"])
        elif load:
            done = load.account()
        tell(done=done)


def main() -> None:
    """Take orders until there is nobody to give any; whatever fails is reported."""
    tell(ready=True)
    try:
        carry_out()
    except (Failed, StreamError, ValueError, OSError) as effect:
        said = "The server did not answer in time." if isinstance(effect, TimeoutError) else str(effect)
        tell(failed=said)


def tell(**report: Any) -> None:
    """Report."""
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
